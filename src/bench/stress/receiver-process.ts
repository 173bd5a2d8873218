/** Main's end of a receiver: its process in all its lives, what it told, and orders to it. */
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { parseLsn } from '../../core/lsn.ts';
import type { FaultProxy } from '../proxy/fault-proxy.ts';
import { until } from '../until.ts';
import type { BugName } from './bugs/catalog.ts';
import type { EvidenceTable } from './evidence.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import { type Launch, Launched } from './launched.ts';
import type { Protocol, ReceiverNews, ReceiverOrder, ReceiverSettings } from './receiver-news.ts';

const READY_MS_MAX = 60_000;
const FINISH_MS_MAX = 30_000;

export type ReceiverProcessOptions = {
  readonly launch: Launch;
  readonly evidence: EvidenceWriter;
  readonly replica: string;
  readonly selectors: readonly string[];
  readonly server: string;
  readonly protocol: Protocol;
  readonly tables: readonly EvidenceTable[];
  readonly bug: BugName | null;
  readonly file: string;
  readonly logFile: string;
  readonly onEnds: (replica: string, ends: readonly (readonly [number, number])[]) => void;
  /** What stands at `server`; null: the server itself. */
  readonly proxy: FaultProxy | null;
};

/** A local transaction that a receiver tells of. */
export type Told = {
  readonly ts: string;
  readonly changes: number;
  readonly delayMs: number | null;
};

export class ReceiverProcess {
  /**
   * What lies before this position is left out of the evidence: the judge does not know how it came to be.
   * Null: nothing is recorded.
   */
  recordedFrom: string | null = '0/0';
  /** Called for every local transaction. */
  onApplied: ((told: Told) => void) | null = null;
  /** Called when the process ends although nobody wanted it. */
  onLost: (() => void) | null = null;
  readonly replica: string;
  readonly selectors: readonly string[];
  readonly file: string;
  /** Where it stood when it last told. */
  position = '0/0';
  /** When the last local transaction that it told of was committed, milliseconds since the run began. */
  appliedAtMs = 0;
  /** What the last read saw. */
  readAt = '0/0';
  /** Copies of the whole content. */
  copies = 0;
  /** Connections to the server that broke, or could not be made. */
  troubles = 0;
  readonly #options: ReceiverProcessOptions;
  readonly #reached = new Set<string>();
  #launched: Launched | null = null;
  #life = 0;
  #ready: { readonly position: string; readonly isNew: boolean } | null = null;
  #readies = 0;
  #isFinished = false;

  constructor(options: ReceiverProcessOptions) {
    this.#options = options;
    this.replica = options.replica;
    this.selectors = options.selectors;
    this.file = options.file;
  }

  get process(): Launched | null {
    return this.#launched;
  }

  get proxy(): FaultProxy | null {
    return this.#options.proxy;
  }

  get life(): number {
    return this.#life;
  }

  /** Starts another life of it; the file stays what it is. */
  start(): void {
    const { launch, evidence, replica, selectors, server } = this.#options;
    const { protocol, tables, bug } = this.#options;
    this.#life += 1;
    this.#ready = null;
    const settings: ReceiverSettings = {
      ...{ replica, selectors, server, protocol, tables, file: this.file },
      ...{ life: this.#life, startedAtMs: evidence.startedAtMs, bug },
    };
    const launched = new Launched({
      ...{ launch, evidence, process: replica, logFile: this.#options.logFile, isPiped: false },
      programArguments: ['stress', 'receiver', JSON.stringify(settings)],
    });
    launched.child.on('message', (news) => this.#take(news as ReceiverNews));
    launched.child.on('exit', () => {
      if (!launched.isExpectedToEnd) this.onLost?.();
    });
    this.#launched = launched;
  }

  /** Waits until its file can be read in this life. */
  ready(signal: AbortSignal): Promise<{ readonly position: string; readonly isNew: boolean }> {
    const what = `${this.replica} has its first copy`;
    const look = () => {
      this.requireAlive();
      return this.#ready ?? undefined;
    };
    return until(what, look, { limitMs: READY_MS_MAX, signal });
  }

  /** Throws the database away, in the running process; resolves when it has a new one. */
  async forget(signal: AbortSignal): Promise<string> {
    const before = this.#readies;
    this.#tell({ kind: 'forget' });
    await until(
      `${this.replica} has a new copy`,
      () => {
        this.requireAlive();
        return this.#readies > before;
      },
      { limitMs: READY_MS_MAX, signal },
    );
    return this.#ready?.position ?? '';
  }

  /** Resolves when everything up to `position` is in the file. Throws `TIMEOUT`. */
  async reach(position: string, wait: { limitMs: number; signal: AbortSignal }): Promise<void> {
    let toldLife = 0;
    await until(
      `${this.replica} reaches ${position}`,
      () => {
        this.requireAlive();
        if (toldLife !== this.#life && this.#ready !== null) {
          toldLife = this.#life;
          this.#tell({ kind: 'reach', position });
        }
        return this.#reached.has(position);
      },
      wait,
    );
  }

  /** A last look of its reader, then it ends. */
  async finish(signal: AbortSignal): Promise<void> {
    this.#tell({ kind: 'finish' });
    const isDone = (): boolean => this.#isFinished;
    await until(`${this.replica} ends`, isDone, { limitMs: FINISH_MS_MAX, signal });
    await this.#launched?.stop();
  }

  /** Throws when it ended although nobody wanted it. */
  requireAlive(): void {
    const launched = this.#launched;
    if (launched === null || launched.isAlive || launched.isExpectedToEnd) return;
    const { exitCode, signalCode } = launched.child;
    throw new TidelockError({
      code: 'INTERNAL',
      message: `${this.replica} ended by itself (${signalCode ?? exitCode})`,
      hint: `its last words are in ${this.#options.logFile}`,
    });
  }

  /** Resolves when its reader has read the file at `position` or past it. */
  async hasRead(position: string, signal: AbortSignal): Promise<void> {
    const look = (): boolean => {
      this.requireAlive();
      return isAt(this.readAt, position);
    };
    await until(`${this.replica} is read at ${position}`, look, {
      ...{ limitMs: READY_MS_MAX, signal },
    });
  }

  #isRecorded(ts: string): boolean {
    return this.recordedFrom !== null && isAt(ts, this.recordedFrom);
  }

  #tell(order: ReceiverOrder): void {
    const child = this.#launched?.child;
    if (child?.connected === true) child.send(order);
  }

  #take(news: ReceiverNews): void {
    const { evidence, onEnds } = this.#options;
    switch (news.kind) {
      case 'apply':
        if (this.#isRecorded(news.event.ts)) evidence.write('apply', news.event);
        this.onApplied?.({ ...news.event, delayMs: news.delayMs });
        this.position = news.event.ts;
        this.appliedAtMs = news.event.t;
        if (news.event.kind === 'snapshot') this.copies += 1;
        return;
      case 'read':
        if (this.#isRecorded(news.event.ts)) {
          evidence.write('read', news.event);
          this.readAt = news.event.ts;
        }
        this.position = news.event.ts;
        return;
      case 'state':
        evidence.write('state', news.event);
        if (news.event.state === 'error') this.troubles += 1;
        return;
      case 'ends':
        onEnds(this.replica, news.ends);
        return;
      case 'ready':
        this.#ready = news;
        this.#readies += 1;
        return;
      case 'reached':
        this.#reached.add(news.position);
        return;
      default:
        this.#isFinished = true;
    }
  }
}

/** True when `position` is at `target` or past it. */
export function isAt(position: string, target: string): boolean {
  return parseLsn(position, 'position') >= parseLsn(target, 'target');
}

export function fileOf(dir: string, replica: string): string {
  return join(dir, 'replicas', `${replica}.db`);
}
