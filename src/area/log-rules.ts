/**
 * Rules for logs as areas of ours write them, one a line:
 *
 *   KIND [in SECTION] [OP COUNT] "description" /regex/ [/regex/ ...]
 *   value [in SECTION] EXPECTED TOLERANCE "description" /regex/ [match N]
 *   section NAME from /regex/ to /regex/
 *
 * Text that begins with "(" or ";" is read as rules of logpro.
 */
import { unfit } from './errors.ts';
import { RULES_MAX } from './limits.ts';
import { readLogpro } from './logpro.ts';
import { ALWAYS_SURE, compileLogRegex, type IsImported } from './regex.ts';
import { BODY, type RulesDraft, standardCount } from './rule-draft.ts';
import type { Comparator, Entry, LogRule, LogRules, Origin, RuleKind } from './types.ts';

const KINDS: ReadonlySet<string> = new Set<RuleKind>([
  ...(['error', 'warning', 'required', 'ignore', 'check'] as const),
  ...(['waive', 'abort', 'skip', 'value'] as const),
]);
const COMPARATORS: ReadonlySet<string> = new Set<Comparator>(['=', '>', '<', '>=', '<=']);

const TOKEN =
  /\s+|,|"((?:\\.|[^"\\])*)"|\/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\[])+)\/([a-z]*)|([^\s,"/]\S*)/y;

type Token =
  | { readonly kind: 'text' | 'word'; readonly text: string }
  | { readonly kind: 'regex'; readonly source: string; readonly flags: string };

/** The rules of one step. Throws AREA_UNFIT with the line of the rule. */
export function readLogRules(entry: Entry, kind: IsImported): LogRules {
  if (/^\s*[(;]/.test(entry.value)) return readLogpro(entry.value, entry.origin, kind);
  const draft: RulesDraft = { sections: [], rules: [] };
  for (const [index, line] of entry.value.split('\n').entries()) {
    const text = line.trim();
    const number = entry.lines?.[index] ?? entry.origin.line + index;
    const origin = { file: entry.origin.file, line: number };
    if (text !== '') readLine(new Tokens(text, origin, kind), origin, draft);
  }
  return draft;
}

function readLine(tokens: Tokens, origin: Origin, draft: RulesDraft): void {
  const kind = tokens.word('the kind of the rule');
  if (kind === 'section') {
    const name = tokens.name();
    tokens.expect('from');
    const from = tokens.pattern(ALWAYS_SURE);
    tokens.expect('to');
    draft.sections.push({ name, from: sourceOf(from), to: sourceOf(tokens.pattern(ALWAYS_SURE)) });
  } else if (isKind(kind)) draft.rules.push(readRule(kind, tokens, origin));
  else throw unfit(`${kind} is no kind of rule`, origin, `take one of ${[...KINDS].join(', ')}`);
  tokens.end();
  if (draft.rules.length + draft.sections.length > RULES_MAX) {
    throw unfit(`more than ${RULES_MAX} rules for one log`, origin);
  }
}

function readRule(kind: RuleKind, tokens: Tokens, origin: Origin): LogRule {
  const section = tokens.takes('in') ? tokens.name() : BODY;
  if (kind === 'value') {
    const [expected, tolerance] = [tokens.name(), tokens.name()];
    const description = tokens.text();
    const pattern = tokens.pattern();
    const match = tokens.takes('match') ? tokens.count() : 1;
    const value = { expected, tolerance, match };
    const counted = { comparator: '>=', count: 1 } as const;
    return { kind, section, ...counted, description, patterns: [pattern], value, origin };
  }
  const comparator = tokens.comparator();
  const counted = comparator === null ? standardCount(kind) : { comparator, count: tokens.count() };
  const description = tokens.text();
  const patterns = tokens.patterns();
  return { kind, section, ...counted, description, patterns, value: null, origin };
}

function isKind(word: string): word is RuleKind {
  return KINDS.has(word);
}

/** A flag stays with the text of an expression as a prefix. */
function sourceOf({ source, flags }: { readonly source: string; readonly flags: string }): string {
  return flags.includes('i') ? `(?i)${source}` : source;
}

function tokensOf(text: string, origin: Origin): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw unfit(`the rule cannot be read from here: ${text.slice(at)}`, origin);
    const [, quoted, source, flags = '', word] = match;
    if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replace(/\\(.)/g, '$1') });
    else if (source !== undefined) tokens.push({ kind: 'regex', source, flags });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word });
  }
  return tokens;
}

class Tokens {
  readonly #tokens: readonly Token[];
  readonly #origin: Origin;
  readonly #kind: IsImported;
  #at = 0;

  constructor(text: string, origin: Origin, kind: IsImported) {
    this.#tokens = tokensOf(text, origin);
    this.#origin = origin;
    this.#kind = kind;
  }

  word(what: string): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word') throw unfit(`${what} is missing`, this.#origin);
    this.#at += 1;
    return token.text;
  }

  /** A word, or a text with blanks. */
  name(): string {
    const token = this.#tokens[this.#at];
    if (token === undefined || token.kind === 'regex') {
      throw unfit('a name or value is missing', this.#origin);
    }
    this.#at += 1;
    return token.text;
  }

  text(): string {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'text') {
      throw unfit('a description in "quotes" is missing', this.#origin);
    }
    this.#at += 1;
    return token.text;
  }

  takes(word: string): boolean {
    const token = this.#tokens[this.#at];
    const isIt = token?.kind === 'word' && token.text === word;
    if (isIt) this.#at += 1;
    return isIt;
  }

  expect(word: string): void {
    if (!this.takes(word)) throw unfit(`the word ${word} is missing`, this.#origin);
  }

  comparator(): Comparator | null {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'word') return null;
    if (!isComparator(token.text)) {
      throw unfit(`${token.text} is no comparison`, this.#origin, 'take one of = > < >= <=');
    }
    this.#at += 1;
    return token.text;
  }

  count(): number {
    const text = this.word('a number');
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw unfit(`${text} is no whole number`, this.#origin);
  }

  pattern(kind = this.#kind): { readonly source: string; readonly flags: string } {
    const token = this.#tokens[this.#at];
    if (token?.kind !== 'regex') throw unfit('a /regex/ is missing', this.#origin);
    this.#at += 1;
    compileLogRegex(token, this.#origin, kind);
    return { source: token.source, flags: token.flags };
  }

  patterns(): LogRule['patterns'] {
    const patterns = [this.pattern()];
    while (this.#tokens[this.#at]?.kind === 'regex') patterns.push(this.pattern());
    return patterns;
  }

  end(): void {
    if (this.#at < this.#tokens.length) throw unfit('the rule goes on after its end', this.#origin);
  }
}

function isComparator(text: string): text is Comparator {
  return COMPARATORS.has(text);
}
