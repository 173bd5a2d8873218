/**
 * Writes one feed to one connection as the server's streams do: frames while there is room, markers only when there
 * is nothing left, heartbeats while it is quiet.
 */
import { TidelockError } from '../core/errors.ts';
import type { Feed } from '../engine/api.ts';
import type { Connection } from './network.ts';
import { type Life, type Scheduler, SimulatedCrash } from './scheduler.ts';

export type FeedPumpOptions = {
  readonly feed: Feed;
  readonly connection: Connection;
  readonly scheduler: Scheduler;
  readonly life: Life;
  readonly isFollowing: boolean;
  readonly heartbeatMs: number;
  /** The stream is over; null: the client left, or has everything that it asked for. */
  readonly onEnd: (error: TidelockError | null) => void;
  /** Reading threw what it must not. */
  readonly onBug: (error: unknown) => void;
};

const VISIT_MS = 1000;
const PROGRESS_MS_MIN = 1000;
/** A reader that takes nothing for so long is dropped. */
const STALL_MS = 30_000;

export class FeedPump {
  readonly #options: FeedPumpOptions;
  #isOver = false;
  #isDue = false;
  #isIdle = false;
  #announced = -1;
  #announcedAt = 0;
  #wroteAt: number;

  constructor(options: FeedPumpOptions) {
    this.#options = options;
    this.#wroteAt = options.scheduler.now;
  }

  start(): void {
    const { feed, connection } = this.#options;
    connection.onGone = () => this.#end(null);
    connection.onRoom = () => this.#soon();
    feed.onReady = () => this.#soon();
    this.#write(feed.head);
    this.#soon();
    this.#visitLater();
  }

  #soon(): void {
    const { scheduler, life } = this.#options;
    if (this.#isDue || this.#isOver) return;
    this.#isDue = true;
    scheduler.after(
      0,
      'feed: pump',
      () => {
        this.#isDue = false;
        this.#guarded(() => this.#pump());
      },
      life,
    );
  }

  #pump(): void {
    const { feed, connection, isFollowing } = this.#options;
    while (!this.#isOver && connection.hasRoom) {
      const frame = feed.read();
      if (frame === null) {
        const isFirst = !this.#isIdle;
        this.#isIdle = true;
        if (!isFollowing) {
          this.#progress();
          connection.write(null);
          this.#end(null);
        } else if (this.#announced === -1 || (!isFirst && this.#isProgressDue())) this.#progress();
        return;
      }
      this.#isIdle = false;
      this.#write(frame);
    }
  }

  #visitLater(): void {
    const { scheduler, life } = this.#options;
    if (this.#isOver) return;
    scheduler.after(
      VISIT_MS,
      'feed: visit',
      () => {
        this.#guarded(() => this.#visit());
        this.#visitLater();
      },
      life,
    );
  }

  #visit(): void {
    const { connection, scheduler, feed, heartbeatMs } = this.#options;
    if (this.#isOver) return;
    if (!connection.hasRoom) {
      if (scheduler.now - this.#wroteAt < STALL_MS) return;
      connection.break('the reader is stalled');
      this.#end(null);
      return;
    }
    if (!this.#isIdle || this.#isDue) return;
    this.#soon();
    if (this.#isProgressDue()) this.#progress();
    else if (scheduler.now - this.#wroteAt >= heartbeatMs) {
      this.#write(feed.progressLine('heartbeat'));
    }
  }

  #isProgressDue(): boolean {
    const { feed, scheduler } = this.#options;
    const isOther = feed.position !== this.#announced;
    return isOther && scheduler.now - this.#announcedAt >= PROGRESS_MS_MIN;
  }

  #progress(): void {
    const { feed, scheduler } = this.#options;
    this.#announced = feed.position;
    this.#announcedAt = scheduler.now;
    this.#write(feed.progressLine('progress'));
  }

  #write(bytes: Uint8Array): void {
    const { connection, scheduler } = this.#options;
    this.#wroteAt = scheduler.now;
    connection.write(bytes);
  }

  #guarded(act: () => void): void {
    try {
      act();
    } catch (error) {
      if (error instanceof SimulatedCrash) throw error;
      if (!(error instanceof TidelockError)) {
        this.#options.onBug(error);
        return;
      }
      const { code, message } = error;
      this.#write(Buffer.from(`${JSON.stringify({ type: 'error', error: { code, message } })}\n`));
      this.#options.connection.write(null);
      this.#end(error);
    }
  }

  #end(error: TidelockError | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.feed.onReady = null;
    this.#options.feed.close();
    this.#options.onEnd(error);
  }
}
