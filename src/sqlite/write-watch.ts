/**
 * Notices that some program wrote into a replica file: every commit grows its write-ahead log, which the system
 * reports. Where it cannot (network drives, no watches left) a look every second does.
 */
import { type FSWatcher, watch } from 'node:fs';

/** A commit is several writes, and visible a moment after the last one. */
const SOON_MS = 10;
/** With a slow disk the commit becomes visible this much later. */
const LATER_MS = 200;
/** A look without being told. */
const EVERY_MS = 1000;

export class WriteWatch {
  readonly #file: string;
  readonly #onMaybeWritten: () => void;
  #watcher: FSWatcher | null = null;
  #soon: NodeJS.Timeout | null = null;
  #later: NodeJS.Timeout | null = null;
  readonly #every: NodeJS.Timeout;

  /** `onMaybeWritten` is called often and for nothing too: it must be cheap, and must not throw. */
  constructor(file: string, onMaybeWritten: () => void) {
    this.#file = file;
    this.#onMaybeWritten = onMaybeWritten;
    this.#watch();
    this.#every = setInterval(() => {
      if (this.#watcher === null) this.#watch();
      onMaybeWritten();
    }, EVERY_MS);
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = null;
    clearInterval(this.#every);
    clearTimeout(this.#soon ?? undefined);
    clearTimeout(this.#later ?? undefined);
  }

  #watch(): void {
    try {
      const watcher = watch(`${this.#file}-wal`, () => this.#heard());
      watcher.on('error', () => this.#unwatch());
      this.#watcher = watcher;
    } catch {
      this.#watcher = null; // the look every second stays
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }

  #heard(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = null;
      this.#onMaybeWritten();
    }, SOON_MS);
    if (this.#later !== null) {
      this.#later.refresh();
      return;
    }
    this.#later = setTimeout(() => {
      this.#later = null;
      this.#onMaybeWritten();
    }, LATER_MS);
  }
}
