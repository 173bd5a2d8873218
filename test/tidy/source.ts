/** Source files as the tidy rules see them: code apart from comments and strings. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';

export type SourceFile = { readonly path: string; readonly text: string };

export type Literal = { readonly start: number; readonly value: string };

export type Scan = {
  /** The text with comments and the insides of strings blanked; offsets and lines stay. */
  readonly code: string;
  readonly strings: readonly Literal[];
};

/** All TypeScript and JavaScript files below some folders, by paths with forward slashes. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => {
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
      return names
        .filter((name) => /\.(?:m?[jt]s|tsx)$/.test(name))
        .map((name) => posix.join(folder, name.replaceAll('\\', '/')))
        .sort()
        .map((path) => ({ path, text: readFileSync(path, 'utf8') }));
    });
}

const COMMENT = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const STRING = /'(?:\\[\s\S]|[^'\\\n])*'|"(?:\\[\s\S]|[^"\\\n])*"/y;
const REGEX = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\/[a-z]*/y;
const TEMPLATE_TEXT = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;

/** A slash begins a regular expression where a value cannot have ended. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of))\s*$/;

const blank = (text: string): string => text.replace(/[^\n]/g, ' ');

/** Splits a file into code and strings. Templates keep the code of their `${...}`. */
export function scan(text: string): Scan {
  let code = '';
  const strings: Literal[] = [];
  // Open templates: how deep the braces of each one's `${` are.
  const templates: number[] = [];
  const take = (pattern: RegExp): string => {
    pattern.lastIndex = code.length;
    return pattern.exec(text)?.[0] ?? '';
  };
  const templateText = (): void => {
    code += blank(take(TEMPLATE_TEXT));
    const opensCode = text.startsWith('${', code.length);
    if (opensCode) templates.push(0);
    code += text.slice(code.length, code.length + (opensCode ? 2 : 1));
  };
  while (code.length < text.length) {
    const char = text[code.length] ?? '';
    const comment = char === '/' ? take(COMMENT) : '';
    const string = char === "'" || char === '"' ? take(STRING) : '';
    const regex =
      char === '/' && comment === '' && BEFORE_REGEX.test(code.slice(-40)) ? take(REGEX) : '';
    const depth = templates.at(-1);
    if (string !== '') {
      strings.push({ start: code.length, value: string.slice(1, -1) });
      code += char + blank(string.slice(1, -1)) + char;
    } else if (comment !== '' || regex !== '') {
      code += blank(comment + regex);
    } else if (char === '`' || (char === '}' && depth === 0)) {
      if (char === '}') templates.pop();
      code += char;
      templateText();
    } else {
      if (depth !== undefined && char === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && char === '}') templates[templates.length - 1] = depth - 1;
      code += char;
    }
  }
  return { code, strings };
}

/** The line of an offset, counted from one. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

export type Import = { readonly specifier: string; readonly line: number };

/** Everything a file imports or exports from, statically or by `import()`. */
export function importsOf(file: SourceFile): Import[] {
  const { code, strings } = scan(file.text);
  return strings
    .filter(({ start }) =>
      /\b(?:from|import|import\s*\()\s*$/.test(code.slice(0, start).slice(-40)),
    )
    .map(({ start, value }) => ({ specifier: value, line: lineAt(file.text, start) }));
}

/** The path of a file that a relative specifier in `from` means. */
export function resolveFrom(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

export type FunctionSpan = { readonly name: string; readonly line: number; readonly lines: number };

/** Words before `(` that do not make the following block a function. */
const CONTROL = /\b(?:if|for|while|switch|catch|with|await)\s*$/;

/** Functions with a block body, by a scan for parameter lists that are followed by one. */
export function functionsOf(file: SourceFile): FunctionSpan[] {
  const { code } = scan(file.text);
  const found: FunctionSpan[] = [];
  const opened: number[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '(') opened.push(at);
    if (code[at] !== ')') continue;
    const open = opened.pop();
    if (open === undefined) continue;
    const head = code.slice(Math.max(0, open - 200), open);
    const body = CONTROL.test(head) ? undefined : bodyAfter(code, at + 1);
    if (body === undefined) continue;
    const line = lineAt(code, open);
    const name = /([\w$#]+)\s*(?:<[\s\S]*>)?\s*$/.exec(head)?.[1] ?? 'function';
    found.push({ name, line, lines: lineAt(code, closingOf(code, body)) - line + 1 });
  }
  return found;
}

/** Offset of the `{` of the body behind a parameter list that ends before `from`. */
function bodyAfter(code: string, from: number): number | undefined {
  const rest = /^\s*(=>)?\s*\{/.exec(code.slice(from, from + 40));
  if (rest) return from + rest[0].length - 1;
  if (!/^\s*:/.test(code.slice(from, from + 40))) return undefined;
  // A return type: its own braces follow a type operator, the body's brace does not.
  for (let at = code.indexOf(':', from) + 1; at < code.length; at++) {
    const char = code[at] ?? '';
    if (char === '{') {
      const before = code.slice(from, at).trimEnd();
      if (before.endsWith('=>') || !/[:|&<,([=$]$|\b(?:is|keyof)$/.test(before)) return at;
      at = closingOf(code, at);
    } else if (char === '(' || char === '[') at = closingOf(code, at);
    else if (/[;,)}\]]/.test(char) || (char === '=' && code[at + 1] !== '>')) return undefined;
  }
  return undefined;
}

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' };

/** Offset of the bracket that closes the one at `open`. */
function closingOf(code: string, open: number): number {
  const opening = code[open] ?? '';
  const closing = CLOSING[opening];
  let depth = 0;
  for (let at = open; at < code.length; at++) {
    if (code[at] === opening) depth++;
    else if (code[at] === closing && --depth === 0) return at;
  }
  return code.length;
}
