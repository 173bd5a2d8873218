/**
 * A receiver, in a process of its own, to be killed and frozen: follows the server, writes down every local
 * transaction right after its commit, and reads the whole replica again and again on a second connection.
 * Everything it finds out goes to main, which writes the evidence.
 */
import { existsSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../core/errors.ts';
import { TRANSICATOR } from '../transicator/follow.ts';
import { type Applied, type Follow, type Following, NATIVE } from './follow.ts';
import type { Protocol, ReceiverNews, ReceiverOrder, ReceiverSettings } from './receiver-news.ts';
import { ReplicaScan } from './replica-scan.ts';

/** The reader may take this part of the process' time. */
const READ_SHARE = 0.2;
const READ_PAUSE_MS_MIN = 100;
/** "Ends" are looked for so long after an apply, for all applies of that time together. */
const ENDS_DELAY_MS = 15;
const REACH_MS = 30_000;
const REACH_PAUSE_MS = 50;
const SESSIONS_PER_LIFE = 1000;

export type Post = (news: ReceiverNews) => void;

const FOLLOWS: Readonly<Record<Protocol, Follow>> = { native: NATIVE, transicator: TRANSICATOR };

export class Receiver {
  readonly #settings: ReceiverSettings;
  readonly #follow: Follow;
  readonly #post: Post;
  readonly #toldEnds = new Set<number>();
  #following: Following | null = null;
  #scan: ReplicaScan | null = null;
  #session: number;
  #isNew = false;
  #isReading = false;
  #isEnding = false;
  #isLeaving = false;
  #endsTimer: NodeJS.Timeout | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(settings: ReceiverSettings, post: Post) {
    this.#follow = FOLLOWS[settings.protocol];
    this.#settings = settings;
    this.#post = post;
    this.#session = settings.life * SESSIONS_PER_LIFE;
  }

  /** Opens the replica; resolves when it can be read. Reading goes on from then. */
  async start(): Promise<void> {
    const { server, selectors, file, bug } = this.#settings;
    this.#isNew = !existsSync(file);
    this.#following = await this.#follow.open({
      ...{ server, selectors, file, bug },
      onApplied: (applied) => this.#applied(applied),
      onState: (state, note) => this.#state(state, note),
    });
    this.#post({ kind: 'ready', position: this.#opened().position(), isNew: this.#isNew });
    this.#isReading = true;
    this.#reading = this.#readOn();
  }

  async obey(order: ReceiverOrder): Promise<void> {
    if (order.kind === 'reach') await this.#reach(order.position);
    else if (order.kind === 'forget') await this.#forget();
    else await this.#finish();
  }

  /** The reader; made as soon as there is a file, with a record of what it was when nothing had happened to it. */
  #opened(): ReplicaScan {
    if (this.#scan !== null) return this.#scan;
    const { file, tables } = this.#settings;
    this.#scan = new ReplicaScan(file, tables, this.#follow.positionSql);
    this.#applied({ kind: this.#isNew ? 'snapshot' : 'apply', changes: 0 });
    return this.#scan;
  }

  #applied({ kind, changes, delayMs = null }: Applied): void {
    const { replica, life, selectors } = this.#settings;
    const { ts, digests } = this.#opened().stored(this.#follow.hasDigests);
    const event = { t: this.#now(), replica, life, selectors, kind, ts, changes, digests };
    this.#post({ kind: 'apply', event, delayMs });
    this.#endsTimer ??= setTimeout(() => this.#tellEnds(), ENDS_DELAY_MS);
  }

  #tellEnds(): void {
    this.#endsTimer = null;
    if (this.#scan === null) return;
    this.#tell(this.#scan.ends());
  }

  #tell(all: readonly (readonly [number, number])[]): void {
    const ends = all.filter(([id]) => !this.#toldEnds.has(id));
    for (const [id] of ends) this.#toldEnds.add(id);
    if (ends.length > 0) this.#post({ kind: 'ends', ends });
  }

  /** Reads until it is told to end, leaving most of the time to the replica. */
  async #readOn(): Promise<void> {
    while (this.#isReading) {
      const start = performance.now();
      await this.#read();
      const tookMs = performance.now() - start;
      await sleep(Math.max(READ_PAUSE_MS_MIN, tookMs * (1 / READ_SHARE - 1)));
    }
  }

  async #read(): Promise<void> {
    const { replica, life, selectors } = this.#settings;
    const session = this.#session;
    const { ends, ...seen } = await this.#opened().scan();
    this.#post({
      kind: 'read',
      event: { t: this.#now(), replica, life, session, selectors, ...seen },
    });
    this.#tell(ends);
  }

  /** Asks again until it is so: the replica may be thrown away meanwhile. */
  async #reach(position: string): Promise<void> {
    while (!this.#isEnding) {
      try {
        await this.#following?.waitFor(position, REACH_MS);
        if (this.#following !== null) {
          this.#post({ kind: 'reached', position });
          return;
        }
      } catch (error) {
        this.#state('error', messageOf(error));
      }
      await sleep(REACH_PAUSE_MS);
    }
  }

  async #forget(): Promise<void> {
    await this.#leave();
    for (const suffix of ['', '-wal', '-shm']) {
      rmSync(`${this.#settings.file}${suffix}`, { force: true });
    }
    this.#toldEnds.clear();
    this.#session += 1;
    await this.start();
  }

  async #finish(): Promise<void> {
    await this.#endReading();
    await this.#read();
    this.#isEnding = true;
    await this.#leave();
    this.#post({ kind: 'finished' });
  }

  async #endReading(): Promise<void> {
    this.#isReading = false;
    await this.#reading;
  }

  async #leave(): Promise<void> {
    this.#isLeaving = true;
    await this.#endReading();
    if (this.#endsTimer !== null) clearTimeout(this.#endsTimer);
    this.#endsTimer = null;
    await this.#following?.close();
    this.#scan?.close();
    this.#following = null;
    this.#scan = null;
    this.#isLeaving = false;
  }

  #state(state: string, note?: string): void {
    if (this.#scan === null && !this.#isLeaving && existsSync(this.#settings.file)) this.#opened();
    const { replica } = this.#settings;
    const event = { t: this.#now(), process: replica, state };
    this.#post({ kind: 'state', event: note === undefined ? event : { ...event, note } });
  }

  #now(): number {
    return Date.now() - this.#settings.startedAtMs;
  }
}
