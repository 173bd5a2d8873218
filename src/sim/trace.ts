/** What happened in a run, one line each, as one hash: two runs with the same hash were the same run. */
import { createHash, type Hash } from 'node:crypto';

export class Trace {
  readonly #hash: Hash = createHash('sha256');
  readonly #onLine: ((line: string) => void) | null;
  #pending: string[] = [];
  /** Lines so far. */
  lines = 0;

  /** `onLine` sees every line, for people. */
  constructor(onLine: ((line: string) => void) | null = null) {
    this.#onLine = onLine;
  }

  add(atMs: number, what: string): void {
    const line = `${atMs} ${what}\n`;
    this.lines += 1;
    this.#pending.push(line);
    if (this.#pending.length >= 256) this.#flush();
    this.#onLine?.(line.trimEnd());
  }

  /** Of all lines; nothing can be added afterwards. */
  finish(): string {
    this.#flush();
    return this.#hash.digest('hex').slice(0, 32);
  }

  #flush(): void {
    this.#hash.update(this.#pending.join(''));
    this.#pending = [];
  }
}
