/**
 * What is being done at the moment, on stderr: one line that renews itself on a terminal, one line per phase
 * elsewhere. A phase is what stands before the first colon.
 */

const RENEW_MS = 80;
const COLUMNS = 80;

type Output = {
  readonly isTTY?: boolean;
  /** 0 or missing: unknown. */
  readonly columns?: number;
  write(text: string): unknown;
};

export class ProgressLine {
  readonly #output: Output;
  readonly #now: () => number;
  #phase = '';
  #shownAtMs = Number.NEGATIVE_INFINITY;
  #shown = '';

  constructor(output: Output, now: () => number) {
    this.#output = output;
    this.#now = now;
  }

  show(text: string): void {
    const phase = text.split(':')[0] ?? '';
    const isNew = phase !== this.#phase;
    this.#phase = phase;
    if (this.#output.isTTY !== true) {
      if (isNew) this.#output.write(`${phase}\n`);
      return;
    }
    if (!isNew && this.#now() - this.#shownAtMs < RENEW_MS) return;
    this.#shownAtMs = this.#now();
    // A line that wraps could not be taken back.
    const line = text.slice(0, (this.#output.columns || COLUMNS) - 1);
    if (line !== this.#shown) this.#output.write(`\r\u001b[K${line}`);
    this.#shown = line;
  }

  /** News that is of interest only to somebody who is watching. */
  passing(text: string): void {
    if (this.#output.isTTY === true) this.show(text);
  }

  /** Makes room for lines that stay. */
  clear(): void {
    if (this.#shown !== '') this.#output.write('\r\u001b[K');
    this.#shown = '';
  }
}
