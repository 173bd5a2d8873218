/** The SQL shell: reads, runs one statement after the other, prints. */
import type { Interface } from 'node:readline';
import { messageOf, TidelockError } from '../core/errors.ts';
import { SqlError } from '../sql/errors.ts';
import type { Column, SqlRow } from '../sql/types.ts';
import { POSTGRES_DIALECT, type ShellInput, ShellReader } from './shell-input.ts';
import { readCommand, SQL_HELP } from './sql-commands.ts';
import { ResultPrinter } from './sql-print.ts';
import type { SqlTarget } from './sql-target.ts';

export type SqlShellOptions = {
  readonly target: SqlTarget;
  readonly isJson: boolean;
  /** People see tags and errors, and go on; a batch ends with its first error. */
  readonly isTerminal: boolean;
};

const PROMPT = 'tidelock> ';
const PROMPT_MORE = '      ... ';

export class SqlShell {
  readonly #options: SqlShellOptions;
  readonly #reader = new ShellReader(POSTGRES_DIALECT);
  #isRunning = false;
  #isEnded = false;

  constructor(options: SqlShellOptions) {
    this.#options = options;
  }

  /** Reads to the end. Throws the first error when nobody is at a terminal. */
  async run(lines: Interface): Promise<void> {
    lines.on('SIGINT', () => this.#interrupt(lines));
    this.#prompt(lines);
    for await (const line of lines) {
      await this.#take(this.#reader.push(line));
      if (this.#isEnded) return;
      this.#prompt(lines);
    }
    await this.#take(this.#reader.end());
  }

  #interrupt(lines: Interface): void {
    if (this.#isRunning) {
      this.#options.target.cancel();
      return;
    }
    this.#reader.clear();
    process.stdout.write('\n');
    // What stands in the line, on both sides of the cursor.
    lines.write(null, { ctrl: true, name: 'e' });
    lines.write(null, { ctrl: true, name: 'u' });
    this.#prompt(lines);
  }

  #prompt(lines: Interface): void {
    if (!this.#options.isTerminal) return;
    lines.setPrompt(this.#reader.isOpen ? PROMPT_MORE : PROMPT);
    lines.prompt();
  }

  async #take(inputs: readonly ShellInput[]): Promise<void> {
    for (const input of inputs) {
      if (this.#isEnded) return;
      this.#isRunning = true;
      try {
        if (input.kind === 'statement') await this.#execute(input.text);
        else await this.#command(input.words);
      } catch (error) {
        this.#fail(error, input);
      } finally {
        this.#isRunning = false;
      }
    }
  }

  async #execute(sql: string): Promise<void> {
    const { target, isJson, isTerminal } = this.#options;
    const printer = new ResultPrinter({
      ...{ isJson, tellsTags: isTerminal, out: (text) => void process.stdout.write(text) },
      onNotice: (message) => void process.stderr.write(`notice: ${message}\n`),
    });
    try {
      await target.run(sql, printer);
    } finally {
      printer.flush();
    }
  }

  async #command(words: readonly string[]): Promise<void> {
    const command = readCommand(words);
    switch (command.kind) {
      case 'quit':
        this.#isEnded = true;
        return;
      case 'help':
        process.stdout.write(`${SQL_HELP.trim()}\n`);
        return;
      case 'run':
        return await this.#execute(command.sql);
      case 'list':
        return await this.#list(command.parts);
      default:
        throw new TidelockError({
          code: 'BAD_REQUEST',
          message: `there is no command \\${command.name}`,
          hint: '\\? names them',
        });
    }
  }

  async #list(parts: readonly { readonly sql: string; readonly of: string }[]): Promise<void> {
    const rows: SqlRow[] = [];
    for (const { sql, of } of parts) {
      await this.#options.target.run(sql, {
        columns: () => undefined,
        rows: (told) => {
          for (const [name = null] of told) rows.push([name, of]);
        },
        complete: () => undefined,
        notice: () => undefined,
      });
    }
    const { isJson } = this.#options;
    const out = (text: string): void => void process.stdout.write(text);
    const printer = new ResultPrinter({ isJson, tellsTags: false, out, onNotice: () => undefined });
    printer.columns(LIST_COLUMNS);
    printer.rows(rows);
    printer.complete('');
  }

  #fail(error: unknown, input: ShellInput): void {
    if (!this.#options.isTerminal) throw atLine(error, input);
    const code = codeOf(error);
    process.stderr.write(`error ${code}: ${messageOf(error)}\n`);
    const place = input.kind === 'statement' ? placeText(input.text, error) : null;
    if (place !== null) process.stderr.write(place);
    if (error instanceof TidelockError && error.hint !== undefined) {
      process.stderr.write(`  what to do: ${error.hint}\n`);
    }
  }
}

const LIST_COLUMNS: readonly Column[] = [
  { name: 'name', type: 'text', isNullable: true },
  { name: 'kind', type: 'text', isNullable: true },
];

function codeOf(error: unknown): string {
  if (error instanceof SqlError) return error.sqlState;
  return error instanceof TidelockError ? error.code : 'INTERNAL';
}

/** The line in which it went wrong, with a mark below the place. */
export function placeText(text: string, error: unknown): string | null {
  if (!(error instanceof SqlError) || error.offset === null) return null;
  const start = text.lastIndexOf('\n', error.offset - 1) + 1;
  const end = text.indexOf('\n', error.offset);
  const line = text.slice(start, end < 0 ? undefined : end);
  return `  ${line}\n  ${' '.repeat(Math.max(0, error.offset - start))}^\n`;
}

function atLine(error: unknown, { line }: ShellInput): TidelockError {
  const isOurs = error instanceof TidelockError;
  return new TidelockError({
    code: isOurs ? error.code : 'INTERNAL',
    message: `line ${line}: ${error instanceof SqlError ? `${error.sqlState} ` : ''}${messageOf(error)}`,
    hint: isOurs ? error.hint : undefined,
    cause: error,
  });
}
