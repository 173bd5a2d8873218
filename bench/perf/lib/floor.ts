/**
 * The floor: slot -> decode -> upsert in SQLite, in one process, without log, HTTP or digest. What a row costs
 * at least. Its reader is ours; its SQLite side is the plainest that is fast.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { LSN_ZERO, type Lsn, parseLsn } from '../../../src/core/lsn.ts';
import type { CommitInfo, RawTuple, SourceHandler } from '../../../src/core/source.ts';
import { SlotReader } from '../../../src/postgres/slot-reader.ts';

export type FloorOptions = {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly file: string;
  /** Source rows per SQLite transaction, at least; 1 = one transaction each. */
  readonly group: number;
  readonly isPaced: boolean;
};

const BATCH = 20;
const TAIL =
  ' ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b, c = excluded.c, t = excluded.t';

export class Floor implements SourceHandler {
  readonly #db: DatabaseSync;
  readonly #many: StatementSync;
  readonly #one: StatementSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #group: number;
  #reader: SlotReader | null = null;
  #values: (number | string | null)[] = [];
  #rows = 0;
  #isOpen = false;
  #position: Lsn = LSN_ZERO;
  #wanted: { readonly lsn: Lsn; readonly resolve: () => void } | null = null;
  #latencies: number[] = [];
  #pending: number[] = [];

  private constructor({ file, group }: FloorOptions) {
    this.#db = new DatabaseSync(file);
    this.#db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INT, b INT, c INT, t TEXT)',
    );
    const rows = Array(BATCH).fill('(?,?,?,?,?)').join(',');
    this.#many = this.#db.prepare(`INSERT INTO t VALUES ${rows}${TAIL}`);
    this.#one = this.#db.prepare(`INSERT INTO t VALUES (?,?,?,?,?)${TAIL}`);
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#group = group;
  }

  static async start(options: FloorOptions): Promise<Floor> {
    const floor = new Floor(options);
    const { url, slot, publication, isPaced } = options;
    floor.#reader = await SlotReader.start({
      ...{ url, slot, publication, isPaced },
      instance: 'floor',
      after: LSN_ZERO,
      handler: floor,
      streaming: false,
    });
    return floor;
  }

  waitFor(position: string): Promise<void> {
    const lsn = parseLsn(position, 'position');
    if (this.#position >= lsn) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wanted = { lsn, resolve };
    });
  }

  takeLatencies(): number[] {
    const taken = this.#latencies;
    this.#latencies = [];
    return taken;
  }

  async close(): Promise<void> {
    await this.#reader?.close();
    this.#db.close();
  }

  begin(): void {}
  relation(): undefined {}
  message(): undefined {}
  update(): void {}
  delete(): void {}
  truncate(): void {}
  streamStart(): void {}
  streamStop(): void {}
  streamAbort(): void {}

  insert(_relation: unknown, row: RawTuple): void {
    if (!this.#isOpen) {
      this.#begin.run();
      this.#isOpen = true;
    }
    const b = row.buffer as Buffer;
    for (let column = 0; column < 4; column += 1) {
      this.#values.push(Number(b.toString('latin1', row.start[column] ?? 0, row.end[column] ?? 0)));
    }
    this.#values.push(b.toString('utf8', row.start[4] ?? 0, row.end[4] ?? 0));
    this.#rows += 1;
    if (this.#values.length === BATCH * 5) {
      this.#many.run(...this.#values);
      this.#values = [];
    }
  }

  commit({ ts, timeMicros }: CommitInfo): void {
    this.#position = ts;
    if (this.#rows > 0) this.#pending.push(timeMicros);
    if (this.#rows >= this.#group) this.#flush();
  }

  keepalive(walEnd: Lsn): void {
    this.#flush();
    if (walEnd > this.#position) this.#position = walEnd;
    this.#reader?.confirm(this.#position);
    this.#tell();
  }

  endOfRead(): void {
    if (this.#group === 1) this.#tell();
  }

  #flush(): void {
    if (!this.#isOpen) return;
    for (let at = 0; at < this.#values.length; at += 5) {
      this.#one.run(...this.#values.slice(at, at + 5));
    }
    this.#values = [];
    this.#commit.run();
    this.#isOpen = false;
    this.#rows = 0;
    const nowMs = performance.timeOrigin + performance.now();
    for (const micros of this.#pending) this.#latencies.push(nowMs - micros / 1000);
    this.#pending = [];
  }

  #tell(): void {
    if (this.#wanted === null || this.#position < this.#wanted.lsn) return;
    this.#wanted.resolve();
    this.#wanted = null;
  }
}
