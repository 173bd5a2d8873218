/**
 * hot path: decides when to stop reading the socket for a moment.
 *
 * The walsender writes one small packet per message, and an eager reader wakes for each: hundreds of
 * thousands of reads for half a million rows, each costing both sides CPU. Not reading for a
 * millisecond lets the kernel collect them. A read that fills 64 KiB says that more waits already; a
 * lone small read says that there is no load, and then nothing may add delay.
 */
import type { TimerHandle, Timers } from './timers.ts';

const FULL_READ_BYTES = 65_536;
const LARGE_READ_BYTES = 8_192;
/** Reads closer together than this belong to one run of reads. */
const RUN_GAP_MS = 0.5;
const RUN_READS = 4;
const PAUSE_MS = 1;

export class Pacer {
  readonly #timers: Timers;
  readonly #isOn: boolean;
  #lastReadAt = 0;
  #run = 0;
  #timer: TimerHandle | null = null;

  constructor(timers: Timers, isOn: boolean) {
    this.#timers = timers;
    this.#isOn = isOn;
  }

  get isPausing(): boolean {
    return this.#timer !== null;
  }

  /** Call after each read. When true, stop reading; `goOn` is called when the pause is over. */
  wantsPause(readBytes: number, goOn: () => void): boolean {
    if (!this.#isOn || this.#timer !== null) return false;
    const now = this.#timers.now();
    this.#run = now - this.#lastReadAt < RUN_GAP_MS ? this.#run + 1 : 0;
    this.#lastReadAt = now;
    if (readBytes >= FULL_READ_BYTES) return false;
    if (readBytes < LARGE_READ_BYTES && this.#run <= RUN_READS) return false;
    this.#timer = this.#timers.set(() => {
      this.#timer = null;
      goOn();
    }, PAUSE_MS);
    return true;
  }

  close(): void {
    if (this.#timer !== null) this.#timers.clear(this.#timer);
    this.#timer = null;
  }
}
