/**
 * hot path: reads a table by binary COPY into cells, in chunks. Rows are decoded straight from the socket
 * buffer; when the consumer is behind, the socket is not read and Postgres waits.
 */
import { TidelockError } from '../core/errors.ts';
import type { WantedSelectors } from '../core/selector.ts';
import type { TableDef } from '../core/table.ts';
import { type Cell, cellFromText, type ValueKind } from '../core/value.ts';
import {
  type CopyPlan,
  planCopy,
  READ_BOOL,
  READ_BYTES,
  READ_FLOAT8,
  READ_INT2,
  READ_INT4,
  READ_INT8,
  READ_JSONB,
  READ_OID,
  READ_PRINTED,
  READ_UUID,
} from './copy-plan.ts';
import { FrameSplitter } from './frames.ts';
import { parseServerError, translateError } from './pg-errors.ts';
import type { PgSession } from './session.ts';

export type CopyChunk = {
  /** Cells in the order of the table's columns. The arrays belong to the receiver. */
  readonly rows: Cell[][];
  /** The selector of each row. */
  readonly selectors: string[];
};

export type CopyOptions = {
  /** Nothing else may use it until the copy ends. Usually a snapshot transaction's. */
  readonly session: PgSession;
  readonly table: TableDef;
  /** Rows of these subsets; rows of an `everyone` table come always. */
  readonly selectors: WantedSelectors;
  readonly chunkRows?: number | undefined;
};

const CHUNK_ROWS = 2_000;
/** A chunk of wide rows ends earlier. */
const CHUNK_BYTES_MAX = 1 << 20;
/** Finished chunks that may wait for the consumer before the socket is paused. */
const CHUNKS_WAITING_MAX = 2;
/** `PGCOPY\n\377\r\n\0`, flags, length of an extension that nobody has. */
const COPY_HEADER_BYTES = 19;

/**
 * The rows of a table, in no order. Leaving the loop early ends the session, because Postgres would go on
 * sending. Throws `SOURCE_DOWN`, `TABLE_UNFIT` (the table changed), or Postgres' error.
 */
export async function* copyRows(options: CopyOptions): AsyncGenerator<CopyChunk, void, void> {
  const { session, chunkRows } = options;
  yield* copyPlanned(session, await planCopy(session, options.table, options.selectors), chunkRows);
}

/** The same for a plan that exists. */
export async function* copyPlanned(
  session: PgSession,
  plan: CopyPlan,
  chunkRows: number = CHUNK_ROWS,
): AsyncGenerator<CopyChunk, void, void> {
  const stream = new CopyStream(session, plan, chunkRows);
  try {
    for (;;) {
      const chunk = await stream.next();
      if (chunk === null) return;
      yield chunk;
    }
  } finally {
    stream.close();
  }
}

class CopyStream {
  readonly #session: PgSession;
  readonly #decoder: CopyDecoder;
  readonly #chunkRows: number;
  readonly #splitter: FrameSplitter;
  readonly #taken: ReturnType<PgSession['takeOver']>;
  readonly #ready: CopyChunk[] = [];
  readonly #onLost = (): void => this.#end(connectionLost(this.#session.where));
  #wake: (() => void) | null = null;
  #chunkBytes = 0;
  #error: TidelockError | null = null;
  #isEnded = false;
  #isGivenBack = false;

  constructor(session: PgSession, plan: CopyPlan, chunkRows: number) {
    this.#session = session;
    this.#decoder = new CopyDecoder(plan);
    this.#chunkRows = chunkRows;
    this.#splitter = new FrameSplitter((type, b, start, end) => this.#frame(type, b, start, end));
    this.#taken = session.takeOver(plan.sql, (bytes) => this.#read(bytes));
    this.#taken.socket.once('close', this.#onLost);
  }

  /** The next chunk; null at the end. */
  async next(): Promise<CopyChunk | null> {
    for (;;) {
      const chunk = this.#ready.shift();
      if (chunk !== undefined) {
        if (this.#ready.length < CHUNKS_WAITING_MAX) this.#taken.socket.resume();
        return chunk;
      }
      if (this.#error !== null) throw this.#error;
      if (this.#isEnded) return null;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#taken.socket.removeListener('close', this.#onLost);
    if (!this.#isGivenBack) this.#session.destroy();
  }

  #read(bytes: Buffer): void {
    if (this.#isEnded) return;
    try {
      this.#splitter.push(bytes);
    } catch (error) {
      this.#end(badRow('an impossible form', error));
    }
    if (this.#ready.length >= CHUNKS_WAITING_MAX && !this.#isEnded) this.#taken.socket.pause();
  }

  #frame(type: number, b: Buffer, start: number, end: number): undefined {
    switch (type) {
      case 100: // d: CopyData, one row each
        this.#decoder.row(b, start, end);
        this.#chunkBytes += end - start;
        if (this.#decoder.count >= this.#chunkRows || this.#chunkBytes >= CHUNK_BYTES_MAX) {
          this.#flush();
        }
        return;
      case 69: // E
        this.#error ??= translateError(parseServerError(b, start, end), this.#session.where, {
          isConnecting: false,
        });
        return;
      case 90: // Z: ReadyForQuery
        this.#flush();
        this.#isGivenBack = true;
        this.#taken.giveBack();
        this.#end(null);
        return;
      default:
    }
  }

  #flush(): void {
    if (this.#decoder.count > 0) this.#ready.push(this.#decoder.take());
    this.#chunkBytes = 0;
    this.#notify();
  }

  #end(error: TidelockError | null): void {
    this.#error ??= error;
    this.#isEnded = true;
    this.#notify();
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

class CopyDecoder {
  readonly #readers: Uint8Array;
  readonly #kinds: readonly ValueKind[];
  readonly #selector: string | null;
  #rows: Cell[][] = [];
  #selectors: string[] = [];
  #isFirst = true;

  constructor(plan: CopyPlan) {
    this.#readers = Uint8Array.from(plan.readers);
    this.#kinds = plan.kinds;
    this.#selector = plan.selector;
  }

  get count(): number {
    return this.#rows.length;
  }

  take(): CopyChunk {
    const chunk = { rows: this.#rows, selectors: this.#selectors };
    this.#rows = [];
    this.#selectors = [];
    return chunk;
  }

  /** Decodes one CopyData message. Throws `PROTOCOL` when it is not a row of the plan. */
  row(b: Buffer, start: number, end: number): void {
    let p = start;
    if (this.#isFirst) {
      this.#isFirst = false;
      p += COPY_HEADER_BYTES;
      if (p >= end) return;
    }
    const count = b.readInt16BE(p);
    p += 2;
    if (count < 0) return; // the trailer
    const readers = this.#readers;
    const columns = readers.length;
    let selector = this.#selector;
    if (count !== columns + (selector === null ? 1 : 0)) throw badRow(`${count} columns`);
    if (selector === null) {
      const length = b.readInt32BE(p);
      p += 4 + length;
      selector = b.toString('utf8', p - length, p);
    }
    const row = new Array<Cell>(columns);
    for (let index = 0; index < columns; index += 1) {
      const length = b.readInt32BE(p);
      p += 4;
      if (length < 0) {
        row[index] = null;
        continue;
      }
      row[index] = this.#cell(b, p, p + length, index);
      p += length;
    }
    if (p !== end) throw badRow('a wrong length');
    this.#rows.push(row);
    this.#selectors.push(selector);
  }

  #cell(b: Buffer, p: number, end: number, index: number): Cell {
    switch (this.#readers[index]) {
      case READ_INT4:
        return b.readInt32BE(p);
      case READ_INT8:
        return readInt8(b, p);
      case READ_INT2:
        return b.readInt16BE(p);
      case READ_OID:
        return b.readUInt32BE(p);
      case READ_BOOL:
        return b[p] ?? 0;
      case READ_FLOAT8: {
        const value = b.readDoubleBE(p);
        return Number.isNaN(value) ? 'NaN' : value;
      }
      case READ_BYTES:
        return new Uint8Array(b.subarray(p, end));
      case READ_UUID:
        return uuidText(b, p);
      case READ_JSONB:
        return b.toString('utf8', p + 1, end);
      case READ_PRINTED:
        return cellFromText(this.#kinds[index] ?? 'text', b.toString('utf8', p, end));
      default:
        return b.toString('utf8', p, end);
    }
  }
}

/** A number where it is exact, else a bigint: the same choice as for streamed text. */
function readInt8(b: Buffer, p: number): Cell {
  const value = b.readInt32BE(p) * 0x1_0000_0000 + b.readUInt32BE(p + 4);
  return Number.isSafeInteger(value) ? value : b.readBigInt64BE(p);
}

function uuidText(b: Buffer, p: number): string {
  const hex = b.toString('hex', p, p + 16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function badRow(what: string, cause?: unknown): TidelockError {
  if (cause instanceof TidelockError) return cause;
  return new TidelockError({ code: 'PROTOCOL', message: `a copied row has ${what}`, cause });
}

function connectionLost(where: string): TidelockError {
  return translateError(new Error('the connection was lost during a copy'), where, {
    isConnecting: true,
  });
}
