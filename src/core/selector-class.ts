/**
 * Selectors that a token's user and claims give by themselves. A rule files a row of user ann under `user:ann`, and one
 * of organisation 7 under `claim.org:7`: the part before the first colon is the class. All tables whose
 * policies ask for the same claims share their classes, so a reader has few selectors.
 *
 *   user             the user id as text          user~uuid, user~bigint    as that type, canonical
 *   claim.org        the claim `org` as text      claim.org[]                each element of the claim's list
 *   user,claim.org   both together: values have % and , as %25 and %2C, joined by a comma
 */
import { parseSelector, type SelectorRule } from './selector.ts';
import { resultsOf, type SelectorExpression } from './selector-expression.ts';

/** The type to which a policy casts the claim before it compares. */
export type ClaimType = 'text' | 'uuid' | 'bigint';

/** One claim that a row's value must equal. */
export type ClaimPart = {
  /** Null for the user id. */
  readonly claim: string | null;
  /** The claim is a list, and one of its elements must be equal. */
  readonly isList: boolean;
  readonly type: ClaimType;
};

/** Claims that are required together. Never empty. */
export type SelectorClass = readonly ClaimPart[];

/** What a token says about its holder. `userid` is '' for nobody. */
export type Holder = {
  readonly userid: string;
  readonly claims: Readonly<Record<string, unknown>>;
};

/** More selectors than this are not given to one token: its lists of claims are too long. */
const HOLDER_SELECTORS_MAX = 200;

const NAME = '[A-Za-z0-9_.-]{1,60}';
const PART = new RegExp(`^(?:user|claim\\.(${NAME})(\\[\\])?)(?:~(uuid|bigint))?$`);
/** No class has a colon in it, so that the first one ends it, whatever the values are. */
const PREFIX = /^[^:]*:/;
const CLAIM_NAME = new RegExp(`^${NAME}$`);

export function isClaimName(name: string): boolean {
  return CLAIM_NAME.test(name);
}

export function formatPart({ claim, isList, type }: ClaimPart): string {
  const source = claim === null ? 'user' : `claim.${claim}${isList ? '[]' : ''}`;
  return type === 'text' ? source : `${source}~${type}`;
}

/** The literal in front of the values. */
function classPrefix(parts: SelectorClass): string {
  return `${parts.map(formatPart).join(',')}:`;
}

/** The expression that files a row under a class; `values` by part: columns or literals. */
export function classExpression(
  parts: SelectorClass,
  values: readonly SelectorExpression[],
): SelectorExpression {
  const isAlone = parts.length === 1;
  const written = values.flatMap((value, index): SelectorExpression[] => {
    if (isAlone) return [value];
    const comma: SelectorExpression[] = index === 0 ? [] : [{ kind: 'literal', text: ',' }];
    return [...comma, escapedExpression(value)];
  });
  return { kind: 'concat', parts: [{ kind: 'literal', text: classPrefix(parts) }, ...written] };
}

function escapedExpression(of: SelectorExpression): SelectorExpression {
  const percent: SelectorExpression = { kind: 'replace', of, from: '%', to: '%25' };
  return { kind: 'replace', of: percent, from: ',', to: '%2C' };
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll(',', '%2C');
}

/** The classes under which rows of these rules are filed, each once. */
export function classesOf(rules: readonly SelectorRule[]): readonly SelectorClass[] {
  const found = new Map<string, SelectorClass>();
  for (const rule of rules) {
    if (rule.kind === 'everyone') continue;
    for (const result of resultsOf(rule.expression)) {
      const first = result.kind === 'concat' ? result.parts[0] : undefined;
      const known = first?.kind === 'literal' ? parsePrefix(first.text) : null;
      if (known !== null) found.set(classPrefix(known), known);
    }
  }
  return [...found.values()];
}

function parsePrefix(text: string): SelectorClass | null {
  if (!text.endsWith(':')) return null;
  const parts = text.slice(0, -1).split(',').map(parsePart);
  return parts.every((part) => part !== null) ? parts : null;
}

function parsePart(text: string): ClaimPart | null {
  const match = PART.exec(text);
  if (match === null) return null;
  const [, claim, list, type] = match;
  return { claim: claim ?? null, isList: list !== undefined, type: (type ?? 'text') as ClaimType };
}

/**
 * The selectors that a holder may read, sorted: their own `user:..`, and one for each way in which their claims fill a
 * class. A claim that is missing, or is no value of the class's type, fills nothing, as the comparison in Postgres is
 * never true; neither does one that no reader can name as a selector.
 */
export function selectorsOfClaims(
  classes: readonly SelectorClass[],
  holder: Holder,
): readonly string[] {
  const own: SelectorClass = [{ claim: null, isList: false, type: 'text' }];
  const selectors = new Set<string>();
  for (const parts of [own, ...classes]) {
    for (const values of combinations(parts.map((part) => valuesOf(part, holder)))) {
      const texts = parts.length === 1 ? values : values.map(escaped);
      const selector = classPrefix(parts) + texts.join(',');
      if (isNameable(selector)) selectors.add(selector);
      if (selectors.size === HOLDER_SELECTORS_MAX) return [...selectors].toSorted();
    }
  }
  return [...selectors].toSorted();
}

/**
 * True for a selector that is the holder's own by its class, whatever tables there are now: only rows that ask for
 * the holder's very claims are filed under it. So a changed policy takes no reader's request away.
 */
export function isOwnSelector(selector: string, holder: Holder): boolean {
  const prefix = PREFIX.exec(selector)?.[0];
  const parts = prefix === undefined ? null : parsePrefix(prefix);
  return parts !== null && selectorsOfClaims([parts], holder).includes(selector);
}

function* combinations(lists: readonly (readonly string[])[]): Iterable<readonly string[]> {
  const [first, ...rest] = lists;
  if (first === undefined) {
    yield [];
    return;
  }
  for (const value of first) for (const others of combinations(rest)) yield [value, ...others];
}

function valuesOf({ claim, isList, type }: ClaimPart, holder: Holder): readonly string[] {
  const raw = claim === null ? holder.userid : ownClaim(holder, claim);
  if (claim === null && raw === '') return [];
  const listed = isList ? (Array.isArray(raw) ? raw : []) : [raw];
  return listed.flatMap((one) => {
    const text = textOf(one);
    const value = text === null ? null : READ[type](text);
    return value === null ? [] : [value];
  });
}

function ownClaim({ claims }: Holder, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : undefined;
}

/** As Postgres prints a value inside JSON; null for what has no such text that is sure. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  return Number.isSafeInteger(value) ? String(value) : null;
}

const UUID = /^[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}$/i;

/** A text as Postgres would cast it, in its canonical form; null where the cast fails. */
const READ: Readonly<Record<ClaimType, (text: string) => string | null>> = {
  text: (text) => text,
  uuid: (text) => {
    if (!UUID.test(text)) return null;
    const hex = text.replaceAll('-', '').toLowerCase();
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  },
  bigint: (text) => (/^[+-]?\d{1,19}$/.test(text) ? String(BigInt(text)) : null),
};

function isNameable(selector: string): boolean {
  try {
    return parseSelector(selector) === selector;
  } catch {
    return false;
  }
}
