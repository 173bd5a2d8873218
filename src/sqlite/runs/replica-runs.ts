/**
 * The run database of another host, as a replica of it has it: the same questions, answered from the file that Tidelock's
 * feed keeps. What no copy has (runners, leases, samples of the lag) is empty here.
 */
import type { RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import {
  COPIED_TABLES,
  copiedColumns,
  RUN_TABLES,
  type RunTable,
  sqlName,
} from '../../planner/run-tables.ts';
import { openSql, rollBack, type Sql } from '../sql.ts';
import { WriteWatch } from '../write-watch.ts';
import { runFileError } from './run-errors.ts';
import { answer, marksOf } from './run-reads.ts';
import { RunSnapshot } from './run-snapshot.ts';
import { Statements } from './run-values.ts';

const LOCK_WAIT_MS = 5000;
const REMOVED = 'removed';

export class ReplicaRuns {
  readonly #file: string;
  readonly #statements: Statements;
  readonly #listeners = new Set<() => void>();
  #watch: WriteWatch | null = null;
  #history = '';
  #told = '';

  /** The file is a replica of a run database. Throws `RUNS_UNUSABLE`. */
  constructor(file: string) {
    this.#file = file;
    this.#statements = this.#guarded(() => new Statements(openReplicaFile(file)));
  }

  /** Which life of the home's database the rows are of; said by whoever follows it. */
  get history(): string {
    return this.#history;
  }

  set history(history: string) {
    this.#history = history;
    this.#statements.run('UPDATE known SET history = ?', history);
    this.#tell();
  }

  /** The last change that a row here is of. */
  get seq(): number {
    return this.#guarded(() => marksOf(this.#statements)[1]);
  }

  read(query: RunQuery): RunQueryResult {
    return this.#guarded(() => {
      const { sql } = this.#statements;
      sql.exec('BEGIN');
      try {
        return answer(this.#statements, query);
      } finally {
        rollBack(sql);
      }
    });
  }

  /** One moment of the file, for whoever reads long. To be closed. */
  snapshot(): RunSnapshot {
    return this.#guarded(() => new RunSnapshot(this.#file, openReplicaFile));
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#watch ??= new WriteWatch(this.#file, () => this.#tell());
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      this.#watch?.close();
      this.#watch = null;
    };
  }

  close(): void {
    this.#watch?.close();
    this.#listeners.clear();
    this.#statements.sql.close();
  }

  #tell(): void {
    if (this.#listeners.size === 0) return;
    const told = this.#state();
    if (told === this.#told) return;
    this.#told = told;
    for (const listener of this.#listeners) listener();
  }

  /** A file that cannot be read is news: whoever looks at it then is told why. */
  #state(): string {
    try {
      return `${this.#history} ${this.seq}`;
    } catch {
      return 'unreadable';
    }
  }

  #guarded<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw runFileError(error, this.#file);
    }
  }
}

/** The tables of a run database as views of this connection, in front of those of the file. */
function openReplicaFile(file: string): Sql {
  const sql = openSql(file, { timeoutMs: LOCK_WAIT_MS, isReadOnly: true });
  try {
    sql.exec(`CREATE TEMP TABLE known (history TEXT NOT NULL)`);
    sql.exec(`INSERT INTO known VALUES ('')`);
    sql.exec('CREATE TEMP TABLE lag (at INTEGER PRIMARY KEY, age_ms INTEGER NOT NULL)');
    const hasRemoved = hasTable(sql, REMOVED);
    if (!hasRemoved) sql.exec(`CREATE TEMP TABLE ${REMOVED} (seq INTEGER, tbl TEXT, id)`);
    for (const table of RUN_TABLES) createView(sql, table);
    const counted = [...COPIED_TABLES.map(({ name }) => name), ...(hasRemoved ? [REMOVED] : [])];
    const last = counted.map((name) => `SELECT max(seq) AS seq FROM main.${name}`);
    sql.exec(`CREATE TEMP VIEW meta AS SELECT 'history' AS name, history AS value FROM known
      UNION ALL SELECT 'seq', CAST(coalesce(max(seq), 0) AS TEXT) FROM (${last.join(' UNION ALL ')})`);
    return sql;
  } catch (error) {
    sql.close();
    throw error;
  }
}

function hasTable(sql: Sql, name: string): boolean {
  return sql.prepare('SELECT 1 FROM main.sqlite_schema WHERE name = ?').get(name) !== undefined;
}

function createView(sql: Sql, table: RunTable): void {
  const copied = new Set(table.isLocal ? [] : copiedColumns(table).map(({ field }) => field));
  const list = table.columns.map(({ field }) => {
    const name = sqlName(field);
    return copied.has(field) ? name : `NULL AS ${name}`;
  });
  const from = table.isLocal ? 'WHERE 0' : `FROM main.${table.name}`;
  sql.exec(`CREATE TEMP VIEW ${table.name} AS SELECT ${list.join(', ')} ${from}`);
}
