/** Writes the folder of a run. Lines leave the process in the order they were given. */
import { closeSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TidelockError } from '../../core/errors.ts';
import {
  type ApplyEvent,
  type FaultEvent,
  type OpEvent,
  type OracleEvent,
  type ProcEvent,
  type ReadEvent,
  RUN_FILE,
  type RunFile,
  type SampleEvent,
  STREAMS,
  type StateEvent,
  type StreamName,
} from './evidence.ts';

/** The event of each stream. */
export type StreamEvent = {
  readonly op: OpEvent;
  readonly oracle: OracleEvent;
  readonly apply: ApplyEvent;
  readonly read: ReadEvent;
  readonly fault: FaultEvent;
  readonly state: StateEvent;
  readonly proc: ProcEvent;
  readonly sample: SampleEvent;
};

/** Waiting lines are written above this size, and by `flush`. */
const WAITING_CHARS_MAX = 64 * 1024;

export class EvidenceWriter {
  readonly dir: string;
  /** Milliseconds since 1970 at which the run began: what `t` counts from. */
  readonly startedAtMs: number;
  readonly #files: ReadonlyMap<StreamName, { readonly file: number; waiting: string }>;
  #isClosed = false;

  /** Makes the folder, and the files of the streams; throws `BAD_REQUEST` when it cannot. `t` of all events counts from `startedAtMs`. */
  constructor(
    dir: string,
    startedAtMs: number,
    streams: readonly StreamName[] = Object.keys(STREAMS) as StreamName[],
  ) {
    makeFolder(dir);
    this.dir = dir;
    this.startedAtMs = startedAtMs;
    this.#files = new Map(
      streams.map((name) => [name, { file: openSync(join(dir, STREAMS[name]), 'a'), waiting: '' }]),
    );
  }

  /** Milliseconds since the run began. */
  now(): number {
    return Date.now() - this.startedAtMs;
  }

  write<S extends StreamName>(stream: S, event: StreamEvent[S]): void {
    const target = this.#files.get(stream);
    if (target === undefined || this.#isClosed) return;
    target.waiting += `${JSON.stringify(event)}\n`;
    if (target.waiting.length > WAITING_CHARS_MAX) this.#flush(target);
  }

  /** Writes `run.json` anew, whole or not at all. */
  writeRun(run: RunFile): void {
    const file = join(this.dir, RUN_FILE);
    writeFileSync(`${file}.new`, `${JSON.stringify(run, null, 2)}\n`);
    renameSync(`${file}.new`, file);
  }

  flush(): void {
    if (this.#isClosed) return;
    for (const target of this.#files.values()) this.#flush(target);
  }

  close(): void {
    this.flush();
    this.#isClosed = true;
    for (const { file } of this.#files.values()) closeSync(file);
  }

  #flush(target: { readonly file: number; waiting: string }): void {
    if (target.waiting === '') return;
    writeSync(target.file, target.waiting);
    target.waiting = '';
  }
}

function makeFolder(dir: string): void {
  try {
    // Others may pass through: as root, Postgres runs as another user.
    mkdirSync(dir, { recursive: true, mode: 0o755 });
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `the folder of the run cannot be made: ${messageOf(cause)}`,
      hint: 'name another one with --out',
      cause,
    });
  }
}
