/**
 * How a row's selector is computed. A selector is the key of a subset: a tenant, a device, a country.
 * A row has at most one; a row without one (NULL) reaches nobody.
 *
 * A rule is written as column names, 'literals', `||`, coalesce(a, b, ...), replace(a, 'b', 'c') and
 * CASE WHEN condition THEN ... ELSE ... END. The literal '*' as a branch of CASE files a row under everyone;
 * a column's value never does.
 */
import { TidelockError } from './errors.ts';
import type { ColumnUse } from './selector-condition.ts';
import { resultsOf, type SelectorExpression, visitExpression } from './selector-expression.ts';
import { parseExpression } from './selector-parser.ts';

export type SelectorRule =
  | { readonly kind: 'everyone' }
  | { readonly kind: 'expression'; readonly text: string; readonly expression: SelectorExpression };

/** The selector under which rows for everybody are filed. Clients never name it. */
export const EVERYONE = '*';

export const SELECTOR_LENGTH_MAX = 200;

/** Checks a selector that a client named. Throws `BAD_SELECTOR`. */
export function parseSelector(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused
  const isClean = !/[\u0000-\u001f\u007f]/.test(text);
  if (isClean && text.length > 0 && text.length <= SELECTOR_LENGTH_MAX && text !== EVERYONE)
    return text;
  throw new TidelockError({
    code: 'BAD_SELECTOR',
    message: `selector ${JSON.stringify(text.slice(0, 40))} is *, empty, over ${SELECTOR_LENGTH_MAX} characters or has control characters`,
    hint: 'name the subset as its rows do, for example selector=FR',
  });
}

/** What a reader takes: rows of these subsets, or all that are in any. */
export type WantedSelectors = readonly string[] | 'any';

/** The columns that an expression reads, each once. */
export function columnsOf(rule: SelectorRule): readonly string[] {
  return [...usesOf(rule).keys()];
}

/** How each column that the rule reads is used. */
export function usesOf(rule: SelectorRule): ReadonlyMap<string, ReadonlySet<ColumnUse>> {
  const uses = new Map<string, Set<ColumnUse>>();
  if (rule.kind === 'everyone') return uses;
  visitExpression(rule.expression, (column, use) => {
    uses.set(column, (uses.get(column) ?? new Set()).add(use));
  });
  return uses;
}

/** True when the rule files some rows under everyone: then the selector `*` of a row means that. */
export function mayBeEveryone(rule: SelectorRule): boolean {
  if (rule.kind === 'everyone') return true;
  return rule.expression.kind === 'case' && resultsOf(rule.expression).some(isEveryone);
}

/** The selectors under which a reader of `selectors` finds rows of a table with this rule. */
export function readableSelectors(
  rule: SelectorRule,
  selectors: readonly string[],
): readonly string[] {
  if (rule.kind === 'everyone') return [EVERYONE];
  return mayBeEveryone(rule) ? [...selectors, EVERYONE] : selectors;
}

/** Parses a rule as written in the configuration: `*` for everyone, else an expression. Throws `BAD_CONFIG`. */
export function parseSelectorRule(text: string): SelectorRule {
  if (text.trim() === EVERYONE) return { kind: 'everyone' };
  const rule: SelectorRule = { kind: 'expression', text, expression: parseExpression(text) };
  const results = resultsOf(rule.expression);
  if (!mayBeEveryone(rule) || results.every((one) => isEveryone(one) || neverEveryone(one))) {
    return rule;
  }
  throw new TidelockError({
    code: 'BAD_CONFIG',
    message: `selector expression ${JSON.stringify(text.slice(0, 200))}: a row's own value could be *, which means everyone here`,
    hint: "put a word in front of the other branches: ELSE 'country:' || country",
  });
}

function isEveryone(node: SelectorExpression): boolean {
  return node.kind === 'literal' && node.text === EVERYONE;
}

/** True when no row can make `*` of it. */
function neverEveryone(node: SelectorExpression): boolean {
  if (node.kind === 'literal') return node.text !== EVERYONE;
  const starts = node.kind === 'concat' ? node.parts : [];
  return starts.some((part) => part.kind === 'literal' && !['', EVERYONE].includes(part.text));
}
