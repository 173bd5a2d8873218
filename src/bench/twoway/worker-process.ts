/** Main's end of a database: its process in all its lives, leave for each step, and what it told. */
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import type { EvidenceWriter } from '../stress/evidence-writer.ts';
import { type Launch, Launched } from '../stress/launched.ts';
import { until, type Wait } from '../until.ts';
import type { Step } from './steps.ts';
import type { WorkerNews, WorkerOrder, WorkerSettings } from './worker-news.ts';

/** What is to happen when a step is about to begin. */
export type Leave =
  | { readonly kind: 'go'; readonly isOffline: boolean }
  /** Killed instead, and started again. */
  | { readonly kind: 'kill' }
  /** Killed so long after it began. */
  | { readonly kind: 'kill-during'; readonly afterMs: number };

export type WorkerProcessOptions = {
  readonly launch: Launch;
  readonly evidence: EvidenceWriter;
  readonly dir: string;
  readonly settings: Omit<WorkerSettings, 'life' | 'from'>;
  readonly leave: (step: Step) => Promise<Leave>;
  readonly onNews: (news: WorkerNews) => void;
  readonly onKill: (step: Step, life: number) => void;
};

export class WorkerProcess {
  readonly database: number;
  readonly #options: WorkerProcessOptions;
  #launched: Launched | null = null;
  #life = 0;
  #isReady = false;
  #isFinished = false;
  #isLost = false;
  #next = 0;
  #level: { readonly position: string; readonly pending: number } | null = null;
  #isStopped = false;
  /** The life that is being killed: one death is enough. */
  #dying: Launched | null = null;
  #killed: Promise<void> = Promise.resolve();

  constructor(options: WorkerProcessOptions) {
    this.database = options.settings.database;
    this.#options = options;
  }

  get file(): string {
    return this.#options.settings.file;
  }

  get logFile(): string {
    return join(this.#options.dir, 'logs', `db${this.database}.log`);
  }

  get life(): number {
    return this.#life;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Another life, from the step that it had not ended. */
  start(): void {
    const { launch, evidence, settings } = this.#options;
    this.#life += 1;
    this.#isReady = false;
    const now: WorkerSettings = { ...settings, life: this.#life, from: this.#next };
    const launched = new Launched({
      ...{ launch, evidence, process: `db${this.database}`, logFile: this.logFile, isPiped: false },
      programArguments: ['stress', 'worker', JSON.stringify(now)],
    });
    launched.child.on('message', (news) => void this.#take(news as WorkerNews, launched));
    launched.child.on('exit', () => {
      if (!launched.isExpectedToEnd) this.#isLost = true;
    });
    this.#launched = launched;
  }

  /** Resolves when all steps are done. Throws when it ended by itself. */
  async finished(wait: Wait): Promise<void> {
    await until(
      `database ${this.database} ends its steps`,
      () => {
        this.#requireAlive();
        return this.#isFinished;
      },
      wait,
    );
  }

  /** Sends and fetches until it has nothing left; what it then stands at. */
  async level(wait: Wait): Promise<{ readonly position: string; readonly pending: number }> {
    this.#level = null;
    this.#tell({ kind: 'level' });
    return until(
      `database ${this.database} is level`,
      () => {
        this.#requireAlive();
        return this.#level ?? undefined;
      },
      wait,
    );
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#tell({ kind: 'end' });
    await this.#killed;
    await this.#launched?.stop();
  }

  async #take(news: WorkerNews, launched: Launched): Promise<void> {
    // Of a life that was ended meanwhile, or after the end.
    if (launched !== this.#launched || this.#isStopped) return;
    this.#options.onNews(news);
    if (news.kind === 'ready') this.#isReady = true;
    if (news.kind === 'done') this.#next = news.step.index + 1;
    if (news.kind === 'finished') this.#isFinished = true;
    if (news.kind === 'level') this.#level = news;
    if (news.kind !== 'step') return;
    const leave = await this.#options.leave(news.step);
    if (leave.kind === 'kill') return this.#kill(news.step, launched);
    const isOffline = leave.kind === 'go' && leave.isOffline;
    this.#tell({ kind: 'go', isOffline });
    if (leave.kind !== 'kill-during') return;
    setTimeout(() => void this.#kill(news.step, launched), leave.afterMs);
  }

  /** `kill -9`, and another life on the same file. */
  #kill(step: Step, launched: Launched): Promise<void> {
    const isOver = this.#isFinished || this.#isStopped || this.#dying === launched;
    if (isOver || launched !== this.#launched) return Promise.resolve();
    this.#dying = launched;
    this.#killed = launched.kill().then(() => {
      this.#options.onKill(step, this.#life);
      if (!this.#isStopped) this.start();
    });
    return this.#killed;
  }

  #tell(order: WorkerOrder): void {
    const child = this.#launched?.child;
    if (child?.connected === true) child.send(order, () => undefined);
  }

  #requireAlive(): void {
    if (!this.#isLost) return;
    throw new TidelockError({
      code: 'INTERNAL',
      message: `the process of database ${this.database} ended by itself`,
      hint: `its last words are in ${this.logFile}`,
    });
  }
}
