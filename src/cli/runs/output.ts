/** What a run says while it goes on: to whoever reads it, and to a file when one is named. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { ProgressLine } from '../progress-line.ts';

export class RunOutput {
  readonly isJson: boolean;
  #file: string | null;
  readonly #progress = new ProgressLine(process.stderr, () => performance.now());

  /** `file` gets what is printed too, from its beginning. Throws `BAD_REQUEST` when it cannot be written. */
  constructor(options: { readonly isJson: boolean; readonly file: string | undefined }) {
    this.isJson = options.isJson;
    this.#file = options.file ?? null;
    if (this.#file !== null) begin(this.#file);
  }

  /** A result, or what it says as JSON. */
  say(text: string, json?: unknown): void {
    this.#progress.clear();
    const line = this.isJson && json !== undefined ? JSON.stringify(json) : text;
    if (this.isJson && json === undefined) return;
    console.log(line);
    this.#keep(line);
  }

  /** For somebody who watches; no result. */
  note(text: string): void {
    this.#progress.clear();
    console.error(text);
    this.#keep(text);
  }

  /** Where it stands, on a terminal only. */
  status(text: string): void {
    this.#progress.passing(text);
  }

  clear(): void {
    this.#progress.clear();
  }

  /** A disk that is full ends the log, never the run. */
  #keep(line: string): void {
    if (this.#file === null) return;
    try {
      appendFileSync(this.#file, `${line}\n`);
    } catch (error) {
      console.error(`nothing more goes to ${this.#file}: ${messageOf(error)}`);
      this.#file = null;
    }
  }
}

function begin(file: string): void {
  try {
    writeFileSync(file, '');
  } catch (cause) {
    const message = `${file} cannot be written: ${messageOf(cause)}`;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message,
      hint: 'name another file: --log',
      cause,
    });
  }
}

/**
 * From now on a reader that leaves (`| head`, a terminal that is closed) ends nothing: tests go on, and their results
 * are in the database.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners('error');
    stream.on('error', () => undefined);
  }
}
