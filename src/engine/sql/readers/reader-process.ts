/**
 * One reader process, as seen by who started it.
 *
 *   starting --ready--> idle --read--> busy --last batch, failed, ended--> idle        any --kill, death--> gone
 */
import { type ChildProcess, fork } from 'node:child_process';
import { isSqlState, type SqlError, sqlError } from '../../../sql/errors.ts';
import type { Clock } from '../../clock.ts';
import { BATCHES_AHEAD, MEMORY_SIGNAL, type ReaderCommand, type ReaderNews } from './messages.ts';
import type { ReadListener, ReadRequest } from './read-port.ts';

export type ReaderProcessOptions = {
  readonly file: string;
  /** Of the whole process. */
  readonly memoryBytesMax: number;
  readonly clock: Clock;
  /** It can take a read: it has started, or what it read is over. */
  readonly onIdle: (reader: ReaderProcess) => void;
  readonly onGone: (reader: ReaderProcess) => void;
};

/** Signals with which V8 ends a process that has no memory left. */
const OUT_OF_MEMORY: ReadonlySet<string> = new Set([MEMORY_SIGNAL, 'SIGABRT', 'SIGTRAP']);
/** Of JavaScript's own part: what is left is SQLite's. */
const HEAP_SHARE = 0.5;

type Current = {
  readonly listener: ReadListener;
  ahead: number;
  isBegun: boolean;
  /** Since when it waits for somebody to take rows; null: it computes. */
  stalledAt: number | null;
};

export class ReaderProcess {
  readonly #options: ReaderProcessOptions;
  readonly #process: ChildProcess;
  #current: Current | null = null;
  #isReady = false;
  #isKilled = false;
  #isGone = false;
  readonly gone: Promise<void>;

  constructor(options: ReaderProcessOptions) {
    this.#options = options;
    const { file, memoryBytesMax } = options;
    const heapMib = Math.round((memoryBytesMax * HEAP_SHARE) / 2 ** 20);
    this.#process = fork(programUrl(), [], {
      execArgv: [`--max-old-space-size=${heapMib}`, '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      serialization: 'advanced',
    });
    this.#process.on('message', (news) => this.#hear(news as ReaderNews));
    this.#process.on('error', () => undefined); // a command to a process that has just died
    this.gone = new Promise((resolve) => {
      this.#process.once('close', () => {
        this.#isGone = true;
        resolve();
        this.#end();
      });
    });
    this.#tell({ kind: 'open', file, memoryBytesMax });
    this.#hold(false);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** It takes a read now. */
  get isIdle(): boolean {
    return this.#isReady && this.isFree;
  }

  /** It takes a read now, or when it has started. */
  get isFree(): boolean {
    return this.#current === null && !this.#isKilled && !this.#isGone;
  }

  /** Since when it can do nothing because nobody takes its rows; null: it has something to do, or nothing at all. */
  get stalledAt(): number | null {
    return this.#current?.stalledAt ?? null;
  }

  get hasStarted(): boolean {
    return this.#isReady;
  }

  read(request: ReadRequest, listener: ReadListener): void {
    this.#current = { listener, ahead: 0, isBegun: false, stalledAt: null };
    this.#hold(true);
    const { text, types } = request;
    this.#tell({ kind: 'read', text, types });
  }

  next(): void {
    if (this.#current !== null) {
      this.#current.ahead -= 1;
      this.#current.stalledAt = null;
    }
    this.#tell({ kind: 'next' });
  }

  /** Its read fails, for the sake of others. */
  giveUp(error: SqlError): void {
    const listener = this.#current?.listener;
    this.end();
    listener?.failed(error);
  }

  /** Nothing more is told. One that waits for us is asked, one that computes is killed: it hears nothing. */
  end(): void {
    const current = this.#current;
    if (current === null) return;
    this.#current = { ...current, listener: NOBODY, stalledAt: null };
    if (current.ahead === BATCHES_AHEAD) this.#tell({ kind: 'end' });
    else this.kill();
  }

  kill(): void {
    this.#isKilled = true;
    this.#process.ref(); // whoever closes waits for its end
    this.#process.kill('SIGKILL');
  }

  #hear(news: ReaderNews): void {
    const current = this.#current;
    if (news.kind === 'ready') this.#isReady = true;
    else if (current !== null) this.#hearRead(current, news);
    if (!this.isIdle) return;
    this.#hold(false);
    this.#options.onIdle(this);
  }

  #hearRead(current: Current, news: Exclude<ReaderNews, { kind: 'ready' }>): void {
    const { listener } = current;
    if (news.kind === 'begun') {
      current.isBegun = true;
      return;
    }
    if (news.kind === 'rows' && !news.isLast) {
      current.ahead += 1;
      if (current.ahead === BATCHES_AHEAD) current.stalledAt = this.#options.clock.now();
      listener.rows(news.rows, news);
      return;
    }
    this.#current = null;
    if (news.kind === 'rows') listener.rows(news.rows, news);
    if (news.kind === 'stale') listener.stale();
    if (news.kind === 'failed') {
      listener.failed(sqlError(isSqlState(news.code) ? news.code : 'XX000', news.message));
    }
  }

  #end(): void {
    const current = this.#current;
    this.#current = null;
    this.#options.onGone(this);
    if (this.#isKilled || current === null) return;
    // It was dead already when it was given the read: another one computes it.
    if (!current.isBegun) current.listener.stale();
    else current.listener.failed(deathOf(this.#process, this.#options.memoryBytesMax));
  }

  #tell(command: ReaderCommand): void {
    if (this.#process.connected) this.#process.send(command);
  }

  /** Who waits for rows keeps our process alive; a process that waits for work does not. */
  #hold(isHeld: boolean): void {
    if (isHeld) {
      this.#process.ref();
      this.#process.channel?.ref();
    } else {
      this.#process.unref();
      this.#process.channel?.unref();
    }
  }
}

const NOBODY: ReadListener = {
  rows: () => undefined,
  failed: () => undefined,
  stale: () => undefined,
};

function deathOf({ signalCode, exitCode }: ChildProcess, memoryBytesMax: number): SqlError {
  if (signalCode !== null && OUT_OF_MEMORY.has(signalCode)) {
    const mib = Math.round(memoryBytesMax / 2 ** 20);
    return sqlError('53200', `the read took more than ${mib} MiB of memory`, {
      hint: 'filter first, or group by fewer values',
    });
  }
  const how = signalCode ?? `exit code ${exitCode}`;
  return sqlError('58000', `the process that computed the read has ended (${how})`, {
    hint: 'run the statement again',
  });
}

function programUrl(): URL {
  const isSource = import.meta.url.endsWith('.ts');
  return new URL(isSource ? './reader-program.ts' : './reader-program.js', import.meta.url);
}
