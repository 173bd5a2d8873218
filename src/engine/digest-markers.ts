/**
 * Digests in `progress` lines: Postgres' state by full scan, for readers that want to check themselves. One
 * scan at a time; readers of the same selectors share it. A reader gets one when it has caught up, then
 * every so often when something of its own has changed.
 */
import { formatLsn, type Ts } from '../core/lsn.ts';
import type { ProgressLine } from '../protocol/feed.ts';
import type { DigestAnswer } from './api.ts';
import type { Clock, TimerHandle } from './clock.ts';

/** A reader that wants digests; engine/log-feed.ts. */
export interface CheckedReader {
  readonly key: string;
  readonly selectors: readonly string[];
  readonly isClosed: boolean;
  /** Position of the last transaction that was delivered; what the next scan is compared with. */
  readonly deliveredAt: Ts;
  /** Delivers the line as soon as everything up to `ts` has been. */
  offer(line: Uint8Array, ts: Ts): void;
}

export type DigestMarkersOptions = {
  readonly clock: Clock;
  readonly everyMs: number;
  readonly scan: (selectors: readonly string[], signal: AbortSignal) => Promise<DigestAnswer>;
  /** A scan that failed is tried again at the next turn; the reader is not disturbed. */
  readonly onFailure: (error: unknown) => void;
};

type Checked = { readonly reader: CheckedReader; checkedAt: Ts | null };

export class DigestMarkers {
  readonly #options: DigestMarkersOptions;
  readonly #readers = new Map<CheckedReader, Checked>();
  readonly #stopping = new AbortController();
  /** Who waits for a scan, by selectors, the longest waiting first: coming and going costs the same in any crowd. */
  readonly #queue = new Map<string, Set<CheckedReader>>();
  #isScanning = false;
  #timer: TimerHandle | null = null;

  constructor(options: DigestMarkersOptions) {
    this.#options = options;
  }

  /** The reader has caught up for the first time. */
  add(reader: CheckedReader): void {
    if (this.#readers.has(reader)) return;
    this.#readers.set(reader, { reader, checkedAt: null });
    this.#enqueue(reader);
    this.#work();
    this.#timer ??= this.#later();
  }

  remove(reader: CheckedReader): void {
    if (!this.#readers.delete(reader)) return;
    const waiting = this.#queue.get(reader.key);
    if (waiting?.delete(reader) === true && waiting.size === 0) this.#queue.delete(reader.key);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#stopping.abort();
  }

  #later(): TimerHandle {
    return this.#options.clock.after(this.#options.everyMs, () => {
      this.#timer = this.#readers.size === 0 ? null : this.#later();
      for (const { reader, checkedAt } of this.#readers.values()) {
        if (reader.deliveredAt !== checkedAt) this.#enqueue(reader);
      }
      this.#work();
    });
  }

  #enqueue(reader: CheckedReader): void {
    const waiting = this.#queue.get(reader.key);
    if (waiting === undefined) this.#queue.set(reader.key, new Set([reader]));
    else waiting.add(reader);
  }

  #work(): void {
    if (this.#isScanning) return;
    const together = this.#takeNext();
    const [first] = together;
    if (first === undefined) return;
    this.#isScanning = true;
    this.#scan(first, together)
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#options.onFailure(error);
      })
      .finally(() => {
        this.#isScanning = false;
        this.#work();
      });
  }

  /** Those of the same selectors that have waited longest; empty when nobody waits. */
  #takeNext(): readonly CheckedReader[] {
    for (const [key, waiting] of this.#queue) {
      this.#queue.delete(key);
      const together = [...waiting].filter(({ isClosed }) => !isClosed);
      if (together.length > 0) return together;
    }
    return [];
  }

  async #scan(first: CheckedReader, together: readonly CheckedReader[]): Promise<void> {
    const checkedAt = new Map(together.map((reader) => [reader, reader.deliveredAt]));
    const { ts, digests } = await this.#options.scan(first.selectors, this.#stopping.signal);
    const message: ProgressLine = { type: 'progress', ts: formatLsn(ts), digests };
    const line = Buffer.from(`${JSON.stringify(message)}\n`);
    for (const reader of together) {
      const checked = this.#readers.get(reader);
      if (checked !== undefined) checked.checkedAt = checkedAt.get(reader) ?? null;
      reader.offer(line, ts);
    }
  }
}
