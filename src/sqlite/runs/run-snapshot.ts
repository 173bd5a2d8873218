/** One moment of a run database, read in pages on a connection of its own while writers go on. */
import type { CopyPage } from '../../planner/run-durable.ts';
import {
  copiedColumns,
  type RemovedRow,
  type RunTable,
  type RunTableName,
  runTable,
} from '../../planner/run-tables.ts';
import { openSql, type Sql } from '../sql.ts';
import { changesOf, marksOf } from './run-reads.ts';
import { columnList, type Fields, rowOf, Statements } from './run-values.ts';

const LOCK_WAIT_MS = 5000;
const PAGE_ROWS = 2000;

export class RunSnapshot {
  readonly history: string;
  readonly seq: number;
  readonly #statements: Statements;

  /** `open`: a connection of its own, whose tables are those of a run database. */
  constructor(file: string, open: (file: string) => Sql = openRunFile) {
    this.#statements = new Statements(open(file));
    this.#statements.sql.exec('PRAGMA query_only = 1');
    this.#statements.sql.exec('BEGIN');
    [this.history, this.seq] = marksOf(this.#statements); // the moment is that of the first read
  }

  /** What changed after `since`, as a copy takes it. */
  *changes(since: number): Generator<CopyPage> {
    for (let seq = since, isMore = true; isMore; ) {
      const changes = changesOf(this.#statements, { since: seq, limit: PAGE_ROWS });
      const { runners: _ours, ...rows } = changes.rows;
      yield {
        removed: changes.removed.filter(({ table }) => !runTable(table).isLocal),
        rows: Object.entries(rows).map(([name, found]) => ({
          ...{ table: name as keyof typeof rows, rows: found },
        })),
      };
      isMore = changes.isMore;
      seq = changes.seq;
    }
  }

  /** Rows of a table in the order of its key, without what is local. */
  *rows(table: RunTable): Generator<Fields> {
    const columns = copiedColumns(table);
    const text = `SELECT ${columnList(columns)} FROM ${table.name} ORDER BY ${table.key}`;
    for (const row of this.#statements.get(text).iterate()) {
      yield rowOf(columns, row as unknown as readonly unknown[]);
    }
  }

  /** What went away of the copied tables, oldest first. */
  *removed(): Generator<RemovedRow> {
    const text = 'SELECT seq, tbl, id FROM removed ORDER BY seq';
    for (const row of this.#statements.get(text).iterate()) {
      const [seq, name, id] = row as unknown as [number, RunTableName, number | string];
      if (!runTable(name).isLocal) yield { seq, table: name, id };
    }
  }

  close(): void {
    this.#statements.sql.close();
  }
}

function openRunFile(file: string): Sql {
  return openSql(file, { timeoutMs: LOCK_WAIT_MS });
}
