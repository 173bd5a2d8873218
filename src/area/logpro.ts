/**
 * Rules of logpro in their literal form: calls of `expect:*`, `trigger`, `section` and `hook:*` with texts,
 * numbers and expressions written out. Files that compute rules are refused, with the line.
 */
import { unfit } from './errors.ts';
import { RULES_MAX } from './limits.ts';
import { ALWAYS_SURE, compileLogRegex, type IsImported } from './regex.ts';
import { BODY, type RulesDraft, standardCount } from './rule-draft.ts';
import { readScheme, type SchemeNode } from './scheme.ts';
import type { Comparator, LogRule, LogRules, Origin, RuleKind } from './types.ts';

const KINDS: ReadonlyMap<string, RuleKind> = new Map(
  (
    ['error', 'warning', 'required', 'ignore', 'check', 'waive', 'abort', 'skip', 'value'] as const
  ).map((kind) => [`expect:${kind}`, kind]),
);
const COMPARATORS: ReadonlyMap<string, Comparator> = new Map(
  (['=', '>', '<', '>=', '<='] as const).map((comparator) => [comparator, comparator]),
);
const HINT =
  'only literal expect:*, trigger, section and hook:* are understood; docs/areas.md has the forms';

type Pattern = { readonly source: string; readonly flags: string };

/** Throws AREA_UNFIT. */
export function readLogpro(text: string, origin: Origin, kind: IsImported): LogRules {
  const draft: RulesDraft = { sections: [], rules: [] };
  const triggers = new Map<string, Pattern>();
  for (const { node, line } of readScheme(text, origin)) {
    const at = { file: origin.file, line: origin.line + line };
    readForm(new Form(node, at, kind), triggers, draft);
    if (draft.rules.length > RULES_MAX) throw unfit(`more than ${RULES_MAX} rules for one log`, at);
  }
  return draft;
}

function readForm(form: Form, triggers: Map<string, Pattern>, draft: RulesDraft): void {
  const kind = KINDS.get(form.name);
  if (kind !== undefined) draft.rules.push(readRule(kind, form));
  else if (form.name === 'trigger') triggers.set(form.text(), form.pattern(ALWAYS_SURE));
  else if (form.name === 'section') {
    const name = form.text();
    const [from, to] = [triggerOf(form, triggers), triggerOf(form, triggers)];
    draft.sections.push({ name, from, to });
  } else if (!form.name.startsWith('hook:')) throw form.unsupported();
}

function triggerOf(form: Form, triggers: ReadonlyMap<string, Pattern>): string {
  const name = form.text();
  const pattern = triggers.get(name);
  if (pattern === undefined) throw unfit(`no trigger has the name ${name}`, form.origin);
  return pattern.flags.includes('i') ? `(?i)${pattern.source}` : pattern.source;
}

function readRule(kind: RuleKind, form: Form): LogRule {
  const { origin } = form;
  const section = form.takesWord('in') ? form.text() : BODY;
  if (kind === 'value') {
    const [expected, tolerance] = [form.literal(), form.literal()];
    const description = form.text();
    const patterns = form.patterns();
    const match = form.keyword('match:') ?? 1;
    const counted = { comparator: '>=', count: 1 } as const;
    const value = { expected, tolerance, match };
    return { kind, section, ...counted, description, patterns, value, origin };
  }
  const comparator = form.comparator();
  const counted =
    comparator === null ? standardCount(kind) : { comparator, count: Number(form.literal()) };
  if (!Number.isInteger(counted.count)) throw form.unsupported();
  const description = form.text();
  const patterns = form.patterns();
  return { kind, section, ...counted, description, patterns, value: null, origin };
}

/** One call, taken apart from the left. */
class Form {
  readonly name: string;
  readonly origin: Origin;
  readonly #items: readonly SchemeNode[];
  readonly #kind: IsImported;
  #at = 1;

  constructor(node: SchemeNode, origin: Origin, kind: IsImported) {
    const head = node.kind === 'list' ? node.items[0] : undefined;
    this.origin = origin;
    this.#kind = kind;
    this.#items = node.kind === 'list' ? node.items : [];
    this.name = head?.kind === 'word' ? head.text : '';
  }

  unsupported(): Error {
    const shown = this.name === '' ? 'this' : `(${this.name} ...)`;
    return unfit(`unsupported expression: ${shown}`, this.origin, HINT);
  }

  #next(): SchemeNode {
    const item = this.#items[this.#at];
    if (item === undefined) throw unfit(`(${this.name} ...) ends too early`, this.origin, HINT);
    this.#at += 1;
    return item;
  }

  takesWord(word: string): boolean {
    const item = this.#items[this.#at];
    const isIt = item?.kind === 'word' && item.text === word;
    if (isIt) this.#at += 1;
    return isIt;
  }

  text(): string {
    const item = this.#next();
    if (item.kind !== 'text') throw this.unsupported();
    return item.text;
  }

  /** A number, a text or a comparison. */
  literal(): string {
    const item = this.#next();
    if (item.kind === 'list' || item.kind === 'regex') throw this.unsupported();
    return item.text;
  }

  comparator(): Comparator | null {
    const item = this.#items[this.#at];
    const comparator = item?.kind === 'word' ? COMPARATORS.get(item.text) : undefined;
    if (comparator !== undefined) this.#at += 1;
    return comparator ?? null;
  }

  pattern(kind: IsImported): Pattern {
    const [pattern] = this.#patternsOf(this.#next(), kind);
    if (pattern === undefined) throw this.unsupported();
    return pattern;
  }

  patterns(): readonly Pattern[] {
    const patterns = this.#patternsOf(this.#next(), this.#kind);
    if (patterns.length === 0) throw this.unsupported();
    return patterns;
  }

  #patternsOf(node: SchemeNode, kind: IsImported): readonly Pattern[] {
    if (node.kind === 'regex') return [this.#checked(node, kind)];
    if (node.kind === 'text') return [this.#checked({ source: node.text, flags: '' }, kind)];
    if (node.kind === 'word') throw this.unsupported();
    const [head, ...rest] = node.items;
    const isCall = head?.kind === 'word' && ['list', 'regexp'].includes(head.text);
    return (isCall ? rest : node.items).flatMap((item) => this.#patternsOf(item, kind));
  }

  #checked({ source, flags }: Pattern, kind: IsImported): Pattern {
    compileLogRegex({ source, flags }, this.origin, kind);
    return { source, flags };
  }

  /** `match: 2` after the other arguments. */
  keyword(name: string): number | null {
    if (!this.takesWord(name)) return null;
    const value = Number(this.literal());
    if (!Number.isInteger(value) || value < 0) throw this.unsupported();
    return value;
  }
}
