/**
 * A run database as a source of changes: a range read by `seq` instead of a slot. A position is a `seq` and one, so that
 * an empty database has one too. What several writes did between two looks is told as one transaction.
 */
import type { Ts } from '../../core/lsn.ts';
import type { WantedSelectors } from '../../core/selector.ts';
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import { LineBuffer } from '../../log/line-buffer.ts';
import type { CopyPage, CopyRow } from '../../planner/run-durable.ts';
import {
  copiedColumns,
  type RemovedRow,
  type RunTable,
  runTable,
} from '../../planner/run-tables.ts';
import { type LogTask, toGroup, writeCommit } from '../ingest.ts';
import type { LocalContent, LocalRows } from '../local/local-source.ts';
import {
  cellsOf,
  goneLine,
  REMOVED_DEF,
  RUN_TABLE_DEFS,
  removedCells,
  removedLine,
  runTableOf,
  stateLine,
} from './run-rows.ts';

const CHUNK_ROWS = 2000;

/** One moment of the database. */
export type RunMoment = {
  readonly seq: number;
  changes(since: number): Iterable<CopyPage>;
  rows(table: RunTable): Iterable<CopyRow>;
  removed(): Iterable<RemovedRow>;
  close(): void;
};

/** The database that is followed. */
export type FollowedRuns = {
  /** The selector of all its rows. */
  readonly area: string;
  snapshot(): RunMoment;
  onChange(listener: () => void): () => void;
};

export class RunContent implements LocalContent {
  readonly tables: readonly TableDef[] = RUN_TABLE_DEFS;
  readonly isReady = true;
  readonly #runs: FollowedRuns;
  readonly #wallMicros: () => number;
  #unlisten: () => void = () => undefined;
  #changes = 0;

  constructor(runs: FollowedRuns, wallMicros: () => number) {
    this.#runs = runs;
    this.#wallMicros = wallMicros;
  }

  get changes(): number {
    return this.#changes;
  }

  listen(onChange: () => void): void {
    this.#unlisten = this.#runs.onChange(onChange);
  }

  close(): void {
    this.#unlisten();
  }

  /** Nothing of the past is told: readers copy the rows. */
  begin(): Ts {
    const moment = this.#runs.snapshot();
    moment.close();
    return positionOf(moment);
  }

  tell(after: Ts): { readonly tasks: readonly LogTask[]; readonly upper: Ts } | null {
    const moment = this.#runs.snapshot();
    try {
      const upper = positionOf(moment);
      return upper > after ? { tasks: this.#tasks(moment, after), upper } : null;
    } finally {
      moment.close();
    }
  }

  openRows(): LocalRows {
    const moment = this.#runs.snapshot();
    return {
      position: positionOf(moment),
      rows: (table, selectors) => this.#chunks(moment, table, selectors),
      close: () => moment.close(),
    };
  }

  async *#chunks(
    moment: RunMoment,
    definition: TableDef,
    selectors: WantedSelectors,
  ): AsyncGenerator<{ rows: Cell[][]; selectors: string[] }, void, void> {
    const { area } = this.#runs;
    if (selectors !== 'any' && !selectors.includes(area)) return;
    let chunk: Cell[][] = [];
    for (const cells of this.#cells(moment, definition)) {
      chunk.push(cells);
      if (chunk.length < CHUNK_ROWS) continue;
      yield { rows: chunk, selectors: chunk.map(() => area) };
      chunk = [];
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (chunk.length > 0) yield { rows: chunk, selectors: chunk.map(() => area) };
  }

  *#cells(moment: RunMoment, definition: TableDef): Generator<Cell[]> {
    if (definition.name === REMOVED_DEF.name) {
      for (const row of moment.removed()) yield removedCells(this.#runs.area, row);
      return;
    }
    const table = runTableOf(definition);
    const columns = copiedColumns(table);
    for (const row of moment.rows(table)) yield cellsOf(columns, row);
  }

  #tasks(moment: RunMoment, after: Ts): readonly LogTask[] {
    const ts = positionOf(moment);
    const buffer = new LineBuffer();
    for (const page of moment.changes(after - 1)) this.#write(buffer, page);
    if (buffer.segmentCount === 0) return [];
    const timeMicros = Math.round(this.#wallMicros());
    writeCommit(buffer, { ts, commitLsn: ts, timeMicros, xid: 0 }, ts);
    const group = toGroup(buffer, [ts, ts, timeMicros]);
    return [{ kind: 'append', group, tables: undefined }];
  }

  #write(buffer: LineBuffer, { removed, rows }: CopyPage): void {
    const { area } = this.#runs;
    const append = (line: string): void => {
      buffer.append(Buffer.from(line));
      buffer.endLine(buffer.selectorId(area), 0);
      this.#changes += 1;
    };
    for (const row of removed) {
      append(goneLine(row.table, area, row.id));
      append(removedLine(area, row));
    }
    for (const { table, rows: changed } of rows) {
      for (const row of changed) append(stateLine(runTable(table), area, row));
    }
  }
}

function positionOf({ seq }: RunMoment): Ts {
  return (seq + 1) as Ts;
}
