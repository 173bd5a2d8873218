/** Reads a script file. Every rule of the format is here or in the readers of directive lines. */
import { goDirective, rustDirective } from './compat-directive.ts';
import { type Directive, DirectiveReader } from './directive.ts';
import { type Place, ScriptError } from './errors.ts';
import { isHyphens, looksLikeSeparator, NO_NEWLINE, SEPARATOR } from './fence.ts';
import { isSetting, misplaced, readSettings } from './header.ts';
import { isBlank, splitLines } from './lines.ts';
import { SubtestNesting } from './subtests.ts';
import type { Case, Dialect, Item, Line, Script } from './types.ts';

/** The flag by which a strict case allows blank lines in its input. */
export const BLANK = 'blank';

export type ParseOptions = {
  /** What messages call the file. */
  readonly file: string;
  /** Holds unless the header names one; `strict` by default. */
  readonly dialect?: Dialect | undefined;
};

/** Reads a whole file. Throws `ScriptError` with place and remedy. */
export function parseScript(text: string, { file, dialect = 'strict' }: ParseOptions): Script {
  const lines = splitLines(text);
  const settings = readSettings(lines, file);
  const parser = new Parser(lines, file, settings.dialect ?? dialect);
  const items = parser.items();
  const cases = items.filter((item) => item.kind === 'case');
  return { file, dialect: settings.dialect ?? dialect, settings, lines, items, cases };
}

class Parser {
  readonly #lines: readonly Line[];
  readonly #file: string;
  readonly #dialect: Dialect;
  readonly #subtests = new SubtestNesting();
  #next = 0;

  constructor(lines: readonly Line[], file: string, dialect: Dialect) {
    this.#lines = lines;
    this.#file = file;
    this.#dialect = dialect;
  }

  items(): Item[] {
    const items: Item[] = [];
    while (this.#next < this.#lines.length) {
      const item = this.#item(items.some(({ kind }) => kind === 'case'));
      items.push(item);
    }
    this.#subtests.finish();
    return items;
  }

  #item(isAfterCase: boolean): Item {
    const place = this.#place();
    const text = this.#text() ?? '';
    if (this.#isComment(text)) {
      if (isSetting(text) && isAfterCase) throw misplaced(place);
      this.#next += 1;
      return { kind: 'comment', text };
    }
    if (this.#dialect === 'strict') this.#refuseStrangeStart(text, place);
    const directive = this.#directive();
    if (this.#dialect === 'go' && directive.command === 'subtest') {
      return this.#subtests.read(directive, place);
    }
    return this.#case(directive, place);
  }

  #isComment(text: string): boolean {
    if (isBlank(text)) return true;
    return (this.#dialect === 'strict' ? text : text.trimStart()).startsWith('#');
  }

  #refuseStrangeStart(text: string, place: Place): void {
    if (looksLikeSeparator(text)) {
      const remedy =
        'a separator needs a directive above it; output with blank lines needs a fence';
      throw new ScriptError(place, 'a separator without a case', remedy);
    }
    if (/^\s/.test(text)) {
      const remedy = 'begin cases and comments in the first column; fence output with blank lines';
      throw new ScriptError(place, 'a line begins with white space', remedy);
    }
  }

  #directive(): Directive {
    const start = this.#place();
    const text = this.#text() ?? '';
    this.#next += 1;
    if (this.#dialect === 'rust') return rustDirective(text, start);
    if (this.#dialect === 'go') return goDirective(this.#continued(text).trim(), start);
    return new DirectiveReader(text, start).directive();
  }

  /** Go continues a directive line that ends with a backslash. */
  #continued(first: string): string {
    let text = first.trimEnd();
    while (text.endsWith('\\') && this.#text() !== undefined) {
      text = `${text.slice(0, -1).trimEnd()} ${(this.#text() ?? '').trim()}`;
      this.#next += 1;
    }
    return text;
  }

  #case(directive: Directive, place: Place): Case {
    const input = this.#input(directive, place);
    const from = this.#next;
    const expected = this.#expected(place);
    const block = { from, to: this.#next };
    this.#refuseNeighbour(from);
    return { kind: 'case', place, block, input, expected, ...directive };
  }

  #input({ args }: Directive, place: Place): string {
    const isStrict = this.#dialect === 'strict';
    const mayBeBlank = !isStrict || args.some(({ key }) => key === BLANK);
    const input: string[] = [];
    for (;;) {
      const text = this.#text();
      if (text === undefined && !isStrict) break;
      if (text === undefined) {
        const remedy = 'end the input with a line of four hyphens';
        throw new ScriptError(place, 'the file ends before the separator of this case', remedy);
      }
      if (this.#isSeparator(text)) break;
      if (isBlank(text) && !mayBeBlank) throw this.#blankError(place);
      input.push(text);
      this.#next += 1;
    }
    const whole = input.map((line) => `${line}\n`).join('');
    return this.#dialect === 'go' ? whole.trim() : whole;
  }

  #isSeparator(text: string): boolean {
    if (text === SEPARATOR) return true;
    if (this.#dialect !== 'strict' || !looksLikeSeparator(text)) return false;
    if (isHyphens(text) && this.#text(1) === text) return true;
    const remedy = 'a separator is exactly four hyphens; a fence is two equal lines of hyphens';
    throw new ScriptError(this.#place(), 'this looks like a separator', remedy);
  }

  #blankError({ line }: Place): ScriptError {
    const remedy = `add the separator ---- or, when the input has blank lines, the argument "${BLANK}"`;
    const what = `a blank line in the input of the case of line ${line}`;
    return new ScriptError(this.#place(), what, remedy);
  }

  /** Consumes separator or fence, output, and the closing fence. */
  #expected(place: Place): string {
    const fence = this.#text();
    if (fence === undefined) return '';
    this.#next += 1;
    if (this.#text() !== fence) return this.#single();
    this.#next += 1;
    return this.#fenced(fence, place);
  }

  #single(): string {
    let expected = '';
    for (let text = this.#text(); text !== undefined && !isBlank(text); text = this.#text()) {
      if (this.#dialect === 'strict' && isHyphens(text)) {
        const remedy = 'put a blank line between two cases, or put the output into a longer fence';
        throw new ScriptError(this.#place(), 'a separator in the expected output', remedy);
      }
      expected += `${text}\n`;
      this.#next += 1;
    }
    return expected;
  }

  #fenced(fence: string, place: Place): string {
    let expected = '';
    for (let text = this.#text(); text !== undefined; text = this.#text()) {
      const after = this.#text(1);
      const isOpen = this.#dialect === 'rust' && after === NO_NEWLINE;
      if (text === fence && (after === fence || isOpen)) {
        this.#next += 2;
        return isOpen ? expected.replace(/\n$/, '') : expected;
      }
      expected += `${text}\n`;
      this.#next += 1;
    }
    const remedy = `close it with two lines of ${fence.length} hyphens`;
    throw new ScriptError(place, 'the file ends before the fence of this case is closed', remedy);
  }

  /** Whatever follows a case at once would be lost or taken for something else. */
  #refuseNeighbour(from: number): void {
    const text = this.#text();
    if (text === undefined || isBlank(text)) return;
    const what = `the output of line ${from + 1} is closed, but the next line is not blank`;
    throw new ScriptError(this.#place(), what, 'put a blank line after the closing fence');
  }

  #text(ahead = 0): string | undefined {
    return this.#lines[this.#next + ahead]?.text;
  }

  #place(): Place {
    return { file: this.#file, line: this.#next + 1, column: 1 };
  }
}
