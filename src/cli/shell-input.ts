/** Cuts what is typed into statements and commands of the shell. Pure. */

export type ShellInput =
  | { readonly kind: 'statement'; readonly text: string; readonly line: number }
  | { readonly kind: 'command'; readonly words: readonly string[]; readonly line: number };

export type ShellDialect = {
  /** A line that begins with it is a command. */
  readonly command: string;
  /** What opens something in which a semicolon ends nothing, and what closes it. */
  readonly closedBy: Readonly<Record<string, string>>;
};

const COMMON = { "'": "'", '"': '"', '--': '\n', '/*': '*/' };

const SQLITE_DIALECT: ShellDialect = {
  command: '.',
  closedBy: { ...COMMON, '`': '`', '[': ']' },
};

export const POSTGRES_DIALECT: ShellDialect = {
  command: '\\',
  closedBy: { ...COMMON, $$: '$$' },
};

export class ShellReader {
  readonly #dialect: ShellDialect;
  #text = '';
  #line = 0;
  #startLine = 1;

  constructor(dialect: ShellDialect = SQLITE_DIALECT) {
    this.#dialect = dialect;
  }

  /** True in the middle of a statement. */
  get isOpen(): boolean {
    return this.#text.trim() !== '';
  }

  /** Lines read so far. */
  get line(): number {
    return this.#line;
  }

  /** One more line; what it completes. */
  push(line: string): readonly ShellInput[] {
    this.#line += 1;
    if (!this.isOpen) {
      this.#text = '';
      this.#startLine = this.#line;
      if (line.startsWith(this.#dialect.command)) {
        return [{ kind: 'command', words: line.slice(1).trim().split(/\s+/), line: this.#line }];
      }
    }
    this.#text += `${line}\n`;
    return this.#complete();
  }

  /** What stands there without a semicolon is a statement too when the input ends. */
  end(): readonly ShellInput[] {
    const text = this.#text;
    this.#text = '';
    return isNothing(text) ? [] : [{ kind: 'statement', text: text.trim(), line: this.#startLine }];
  }

  /** Forgets a statement that is not complete. */
  clear(): void {
    this.#text = '';
  }

  #complete(): readonly ShellInput[] {
    const inputs: ShellInput[] = [];
    const { closedBy } = this.#dialect;
    const next = (): number => statementEnd(this.#text, closedBy);
    for (let end = next(); end > 0; end = next()) {
      const text = this.#text.slice(0, end);
      if (!isNothing(text))
        inputs.push({ kind: 'statement', text: text.trim(), line: this.#startLine });
      this.#text = this.#text.slice(end);
      this.#startLine = this.#line;
    }
    return inputs;
  }
}

/** Just after the first semicolon that ends a statement; 0 when there is none. A doubled quote closes and opens. */
function statementEnd(text: string, closedBy: ShellDialect['closedBy']): number {
  for (let index = 0; index < text.length; index += 1) {
    const char = text.charAt(index);
    if (char === ';') return index + 1;
    const opened = char in closedBy ? char : text.slice(index, index + 2);
    const closing = closedBy[opened];
    if (closing === undefined) continue;
    const end = text.indexOf(closing, index + opened.length);
    if (end < 0) return 0;
    index = end + closing.length - 1;
  }
  return 0;
}

function isNothing(text: string): boolean {
  return text.replace(/--[^\n]*|\/\*[\s\S]*?\*\/|[\s;]+/g, '') === '';
}
