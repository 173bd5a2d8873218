/**
 * The few Scheme expressions that configurations are known to hold. No evaluator: anything else is refused
 * with its place.
 */
import { unfit } from './errors.ts';
import { SCHEME_DEPTH_MAX } from './limits.ts';
import type { Environment, Origin } from './types.ts';

export type SchemeNode =
  | { readonly kind: 'list'; readonly items: readonly SchemeNode[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string };

/** A node and how many lines of the text stand before it. */
export type Placed = { readonly node: SchemeNode; readonly line: number };

const TOKEN =
  /\s+|;[^\n]*|#\/((?:\\[\s\S]|[^/\\])*)\/([a-z]*)|"((?:\\[\s\S]|[^"\\])*)"|([()])|'|([^\s()";']+)/y;

type Frame = { readonly items: SchemeNode[]; readonly line: number };

/** The expressions of a text. */
export function readScheme(text: string, origin: Origin): readonly Placed[] {
  const done: Placed[] = [];
  const open: Frame[] = [];
  let line = 0;
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    const place = { file: origin.file, line: origin.line + line };
    if (match === null) throw unfit(`unsupported expression: ${excerpt(text.slice(at))}`, place);
    const bracket = match[4];
    if (bracket === '(') open.push({ items: [], line });
    if (open.length > SCHEME_DEPTH_MAX) throw unfit('expressions are nested too deeply', place);
    const closed = bracket === ')' ? open.pop() : undefined;
    if (bracket === ')' && closed === undefined) throw unfit('a ")" closes nothing', place);
    const node: SchemeNode | null =
      closed === undefined ? atomOf(match) : { kind: 'list', items: closed.items };
    if (node !== null) {
      const outer = open.at(-1);
      if (outer === undefined) done.push({ node, line: closed?.line ?? line });
      else outer.items.push(node);
    }
    line += match[0].split('\n').length - 1;
  }
  const [unclosed] = open;
  if (unclosed !== undefined) {
    throw unfit('a "(" is never closed', { file: origin.file, line: origin.line + unclosed.line });
  }
  return done;
}

function atomOf(match: RegExpExecArray): SchemeNode | null {
  const [, regex, flags, text, , word] = match;
  if (regex !== undefined) return { kind: 'regex', source: regex, flags: flags ?? '' };
  if (text !== undefined) return { kind: 'text', text: plainText(text) };
  return word === undefined ? null : { kind: 'word', text: word };
}

function plainText(text: string): string {
  return text.replace(/\\([\s\S])/g, (_whole, next: string) =>
    next === 'n' ? '\n' : next === 't' ? '\t' : next,
  );
}

function excerpt(text: string): string {
  const first = text.trim().split('\n', 1)[0] ?? '';
  return first.length > 60 ? `${first.slice(0, 60)}...` : first;
}

/** `#f` is null. */
type Value = string | number | readonly Value[] | null;

type Surroundings = {
  readonly env: Environment;
  readonly origin: Origin;
  /** Folders that `create-directory` asks for are added, for the caller to make. */
  readonly folders?: string[];
};

/** What `args:get-arg` knows: the flags of the original that say what is run. */
const FLAGS: ReadonlyMap<string, string> = new Map([
  ['-target', 'MT_TARGET'],
  ['-reqtarg', 'MT_TARGET'],
  [':runname', 'MT_RUNNAME'],
  ['-runname', 'MT_RUNNAME'],
]);

/** The value of one allowed expression as text; null for `#f`. Throws AREA_UNFIT for any other. */
export function evaluateScheme(text: string, at: Surroundings): string | null {
  const nodes = readScheme(text, at.origin);
  const refused = (): never => {
    throw unfit(
      `unsupported expression: ${excerpt(text)}`,
      at.origin,
      'only +, -, *, getenv, args:get-arg, create-directory, conc, string-append, string-intersperse, list, if, equal? and case are understood; take #{shell ...}',
    );
  };
  if (nodes.length !== 1) return refused();
  const value = nodes[0] === undefined ? null : evaluate(nodes[0].node, at, refused);
  return value === null ? null : shown(value);
}

function shown(value: Value): string {
  if (value === null) return '';
  return typeof value === 'object' ? value.map(shown).join(' ') : String(value);
}

function evaluate(node: SchemeNode, at: Surroundings, refused: () => never): Value {
  if (node.kind === 'text') return node.text;
  if (node.kind === 'regex') return refused();
  if (node.kind === 'word') {
    if (node.text === '#f') return null;
    if (node.text === '#t') return '#t';
    return /^[+-]?\d+(\.\d+)?$/.test(node.text) ? Number(node.text) : refused();
  }
  const [head, ...rest] = node.items;
  if (head?.kind !== 'word') return refused();
  const value = (inner: SchemeNode | undefined): Value =>
    inner === undefined ? refused() : evaluate(inner, at, refused);
  if (head.text === 'if') return value(value(rest[0]) === null ? rest[2] : rest[1]);
  if (head.text === 'case') return chosen(rest, value);
  return apply(head.text, rest.map(value), at, refused);
}

/** `(case KEY ((a b) X) (else Y))` */
function chosen(
  [key, ...clauses]: readonly SchemeNode[],
  value: (node: SchemeNode | undefined) => Value,
): Value {
  const wanted = shown(value(key));
  for (const clause of clauses) {
    if (clause.kind !== 'list') return value(undefined);
    const [names, result] = clause.items;
    const isElse = names?.kind === 'word' && names.text === 'else';
    const isNamed =
      names?.kind === 'list' &&
      names.items.some(
        (one) => (one.kind === 'text' || one.kind === 'word') && one.text === wanted,
      );
    if (isElse || isNamed) return value(result);
  }
  return null;
}

function apply(
  name: string,
  values: readonly Value[],
  at: Surroundings,
  refused: () => never,
): Value {
  const number = (value: Value): number => (typeof value === 'number' ? value : refused());
  switch (name) {
    case '+':
      return values.map(number).reduce((sum, value) => sum + value, 0);
    case '*':
      return values.map(number).reduce((product, value) => product * value, 1);
    case '-':
      return values.length === 0
        ? refused()
        : values.map(number).reduce((left, right) => left - right);
    case 'getenv':
    case 'get-environment-variable':
      return at.env[shown(values[0] ?? null)] ?? null;
    case 'args:get-arg':
      return at.env[FLAGS.get(shown(values[0] ?? null)) ?? ''] ?? null;
    case 'create-directory': {
      const path = shown(values[0] ?? null);
      at.folders?.push(path);
      return path === '' ? refused() : path;
    }
    case 'conc':
    case 'string-append':
      return values.map(shown).join('');
    case 'list':
      return values;
    case 'string->symbol':
    case 'symbol->string':
      return values[0] ?? refused();
    case 'string-intersperse': {
      const [list, between] = values;
      return Array.isArray(list) ? list.map(shown).join(shown(between ?? ' ')) : refused();
    }
    case 'equal?':
      return shown(values[0] ?? null) === shown(values[1] ?? null) ? '#t' : null;
    default:
      return refused();
  }
}
