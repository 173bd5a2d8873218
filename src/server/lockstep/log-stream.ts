/**
 * A replicated table in the form of a Lockstep stream, out of the change log: for tables without a `txid` of their own.
 * Nothing is polled, physical deletes are told, and every change has a place of its own to resume at.
 *
 *   copying --snapshot_completed--> following (change by change) --reader gone, or server ends--> done
 */
import { TidelockError } from '../../core/errors.ts';
import { type Lsn, parseLsn, type Ts } from '../../core/lsn.ts';
import { keyPositions, type TableDef } from '../../core/table.ts';
import { type Cell, cellToJsonText, type JsonCell, sameCell } from '../../core/value.ts';
import type { Engine, TransicatorSource } from '../../engine/api.ts';
import type { Sink, StreamRequest } from '../../lockstep/api.ts';
import { LineSplitter, type RawLine } from '../../protocol/lines.ts';
import {
  controlLine,
  LOCKSTEP_HEARTBEAT,
  rowLine,
  type SinceValue,
} from '../../protocol/lockstep.ts';
import { type Change, OPERATIONS, type Row } from '../../protocol/transicator/change.ts';
import {
  formatSequence,
  INDEX_MAX,
  parseSequence,
  type Sequence,
} from '../../protocol/transicator/sequence.ts';
import type { Gate } from '../gate.ts';

/** Changes of one reading; the next one goes on where it ended. */
const CHANGES_MAX = 10_000;
/** A copied row has no id of a transaction, and no place to resume at before the copy is complete. */
const COPIED = { txid: '0', currentXmin: 0, since: 0 } as const;

export type LogStreamRequest = Pick<
  StreamRequest,
  'isFollowing' | 'heartbeatMs' | 'heartbeatFormat'
> & {
  readonly table: TableDef;
  readonly selectors: readonly string[];
  /** Null: from the start. */
  readonly since: Sequence | null;
};

/** Reads `since` of a stream out of the log. Throws `BAD_POSITION`. */
export function parseLogSince(text: string | undefined): Sequence | null {
  if (text === undefined || text === '' || text === '0') return null;
  const sequence = parseSequence(text);
  if (sequence !== null) return sequence;
  throw new TidelockError({
    code: 'BAD_POSITION',
    message: `since ${JSON.stringify(text.slice(0, 40))} is no position of a stream with selector=`,
    hint: 'use the last "since" of the lines that you have processed, or 0 to begin',
  });
}

export class LogStream {
  readonly #engine: Engine;
  readonly #source: TransicatorSource;
  readonly #request: LogStreamRequest;
  readonly #sink: Sink;
  readonly #snapshots: Gate | undefined;
  readonly #gone = new AbortController();
  #heartbeat: NodeJS.Timeout | null = null;
  #since: SinceValue = 0;

  constructor(
    parts: {
      readonly engine: Engine;
      readonly source: TransicatorSource;
      readonly sink: Sink;
      /** Copies wait in line with the server's snapshots. */
      readonly snapshots: Gate | undefined;
    },
    request: LogStreamRequest,
  ) {
    this.#engine = parts.engine;
    this.#source = parts.source;
    this.#sink = parts.sink;
    this.#snapshots = parts.snapshots;
    this.#request = request;
    parts.sink.onClose = () => this.#gone.abort();
  }

  /** Never rejects: the sink is told. `stop` is the server's end. */
  async run(stop: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([this.#gone.signal, stop]);
    // The original client gives up after 60 s of silence, also while it waits for its copy.
    if (this.#request.isFollowing) this.#beatLater();
    try {
      await this.#follow(signal);
      this.#sink.end();
    } catch (error) {
      if (stop.aborted) this.#sink.end();
      else if (this.#sink.isOpen) this.#sink.fail(error);
    } finally {
      clearTimeout(this.#heartbeat ?? undefined);
    }
  }

  async #follow(signal: AbortSignal): Promise<void> {
    let since = this.#request.since ?? (await this.#copyInTurn(signal));
    if (this.#request.since !== null) {
      this.#since = formatSequence(since);
      since = await this.#catchUp(since, signal);
      this.#control('snapshot_completed');
    }
    while (this.#request.isFollowing && this.#sink.isOpen && !stopped(signal)) {
      since = await this.#waitAfter(since, signal);
      if (signal.aborted) return;
      const before = since;
      since = await this.#catchUp(since, signal);
      if (since !== before) this.#beat();
    }
  }

  /**
   * Waits for something to read, for the time of a heartbeat at most. Returns from where to read on: past what others
   * wrote, so that neither we nor our reader need what is purged of it.
   */
  async #waitAfter(since: Sequence, signal: AbortSignal): Promise<Sequence> {
    const { selectors, heartbeatMs } = this.#request;
    const end = AbortSignal.any([signal, AbortSignal.timeout(heartbeatMs)]);
    const ts = await this.#source.untilChange(selectors, since.ts, end);
    if (ts <= since.ts) return since;
    const quiet = { history: since.history, ts, index: INDEX_MAX };
    this.#since = formatSequence(quiet);
    return quiet;
  }

  async #copyInTurn(signal: AbortSignal): Promise<Sequence> {
    const leave = await this.#snapshots?.enter(signal);
    try {
      return await this.#copy(signal);
    } finally {
      leave?.();
    }
  }

  /** Every row as of one position. Returns that position. */
  async #copy(signal: AbortSignal): Promise<Sequence> {
    const { table, selectors } = this.#request;
    const splitter = new LineSplitter();
    let ts: Lsn | null = null;
    let timeline = '';
    const chunks = this.#engine.snapshotLines({ selectors, replica: undefined, signal });
    for await (const chunk of chunks) {
      const lines: string[] = [];
      for (const line of splitter.push(chunk)) {
        if (line.type === 'snapshot_completed') {
          ts = parseLsn(String(line.ts), 'ts');
          timeline = String(line.timeline);
        } else if (line.table === table.name) lines.push(...copiedLines(table, line));
      }
      await this.#write(lines);
    }
    if (ts === null)
      throw new TidelockError({ code: 'INTERNAL', message: 'a copy without an end' });
    const reading = await this.#source.changes(
      { selectors, since: null, snapshot: null, changesMax: 0 },
      signal,
    );
    if (timeline !== this.#engine.status().timeline) throw otherHistory();
    const since = { history: reading.last.history, ts: ts as Ts, index: INDEX_MAX };
    this.#since = formatSequence(since);
    this.#control('snapshot_completed');
    return since;
  }

  /** Writes what the log has after `since`; returns where it ended. */
  async #catchUp(since: Sequence, signal: AbortSignal): Promise<Sequence> {
    const { selectors, table } = this.#request;
    let from = since;
    // Every turn takes at least one transaction, and ends with the log as it was when the turn began.
    for (;;) {
      const reading = await this.#source.changes(
        { selectors, since: from, snapshot: null, changesMax: CHANGES_MAX },
        signal,
      );
      let last: Sequence | null = null;
      for (let changes = reading.read(); changes !== null; changes = reading.read()) {
        last = changes.at(-1)?.sequence ?? last;
        const own = changes.filter((change) => change.table.name === table.name);
        await this.#write(own.flatMap((change) => this.#lines(change)));
        if (!this.#sink.isOpen || signal.aborted) return from;
      }
      if (last === null) return from;
      from = last;
    }
  }

  /** A change of the key is told as the end of the old row before the new one. */
  #lines(change: Change): readonly string[] {
    const { table, sequence, txid, operation, newRow, oldRow } = change;
    const before = this.#since;
    this.#since = formatSequence(sequence);
    const line = { txid: `${txid}`, currentXmin: txid };
    const end = (row: Row | null, since: SinceValue): string =>
      rowLine({ ...line, since, isDeleted: true, data: textOf(table, row) });
    if (operation === OPERATIONS.delete) return [end(oldRow, this.#since)];
    const data = textOf(table, newRow);
    const now = rowLine({ ...line, since: this.#since, isDeleted: false, data });
    return hasOtherKey(table, oldRow, newRow) ? [end(oldRow, before), now] : [now];
  }

  async #write(lines: readonly string[]): Promise<void> {
    if (lines.length === 0 || !this.#sink.isOpen) return;
    this.#sink.write({ lines, framed: null });
    this.#beatLater();
    await this.#sink.room();
  }

  #control(type: 'snapshot_completed' | 'heartbeat'): void {
    if (!this.#sink.isOpen) return;
    this.#sink.write({ lines: [controlLine(type, seconds(), this.#since)], framed: null });
    this.#beatLater();
  }

  #beat(): void {
    if (this.#sink.isFull) this.#beatLater();
    else if (this.#request.heartbeatFormat === 'control') this.#control('heartbeat');
    else if (this.#sink.isOpen) {
      this.#sink.write({ lines: [LOCKSTEP_HEARTBEAT], framed: null });
      this.#beatLater();
    }
  }

  #beatLater(): void {
    clearTimeout(this.#heartbeat ?? undefined);
    if (!this.#sink.isOpen || !this.#request.isFollowing) return;
    this.#heartbeat = setTimeout(() => this.#beat(), this.#request.heartbeatMs);
  }
}

function otherHistory(): TidelockError {
  return new TidelockError({
    code: 'TIMELINE_CHANGED',
    message: 'a new history of the database began while the table was copied',
    hint: 'begin again',
  });
}

/** A function, because the compiler believes that what was false stays false. */
function stopped(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** A line of a snapshot: a row, or a change that was put on top of it. */
function copiedLines(table: TableDef, line: RawLine): readonly string[] {
  const values = (line.row ?? line.key) as readonly JsonCell[] | undefined;
  if (line.type === 'table' || values === undefined) return [];
  const isDeleted = line.type === 'delete';
  const positions = isDeleted ? keyPositions(table) : (line.cols as readonly number[] | undefined);
  const data = dataOf(
    table,
    positions ?? null,
    values.map((value) => JSON.stringify(value)),
  );
  return [rowLine({ ...COPIED, isDeleted, data })];
}

function hasOtherKey(table: TableDef, before: Row | null, after: Row | null): boolean {
  if (before === null || after === null) return false;
  const cellAt = ({ positions, cells }: Row, column: number): Cell | undefined =>
    cells[positions === null ? column : positions.indexOf(column)];
  return keyPositions(table).some((column) => {
    const [old, now] = [cellAt(before, column), cellAt(after, column)];
    return old !== undefined && now !== undefined && !sameCell(old, now);
  });
}

function textOf(table: TableDef, row: Row | null): string {
  if (row === null) return '{}';
  const { positions, cells } = row;
  const texts = cells.map((cell, at) => {
    const column = table.columns[positions === null ? at : (positions[at] ?? 0)];
    return cellToJsonText(column?.kind ?? 'text', cell);
  });
  return dataOf(table, positions, texts);
}

function dataOf(
  table: TableDef,
  positions: readonly number[] | null,
  texts: readonly string[],
): string {
  const members = texts.map((text, at) => {
    const name = table.columns[positions === null ? at : (positions[at] ?? 0)]?.name ?? '';
    return `${JSON.stringify(name)}:${text}`;
  });
  return `{${members.join(',')}}`;
}

function seconds(): number {
  return Math.floor(Date.now() / 1000);
}
