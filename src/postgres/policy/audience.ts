/**
 * Who sees a row: everybody, the holders of certain claims, or nobody. A policy says it of a row and a reader;
 * a selector must say it of the row alone. With the policy's tests of claims all false it grants the row to
 * everybody; with all of them true, to the readers for whom they are. Whether that is all there is to it is not
 * argued but tried: with every truth of every part, unknown included.
 */

import { EVERYONE, parseSelectorRule, type SelectorRule } from '../../core/selector.ts';
import { classExpression, formatPart } from '../../core/selector-class.ts';
import { type Condition, conditionSql } from '../../core/selector-condition.ts';
import type { Branch, SelectorExpression } from '../../core/selector-expression.ts';
import { formatExpression } from '../../core/selector-parser.ts';
import { quoteName } from '../../core/table.ts';
import { type ClaimTest, type Policy, Uncompilable } from './policy.ts';

/** Different parts of a policy that are tried: each triples the number of trials. */
const PARTS_MAX = 11;

/** False, unknown, true: so that AND is the least and OR the greatest. */
const FALSE = 0;
const UNKNOWN = 1;
const TRUE = 2;

type Trial = (truths: readonly number[]) => number;

type Tests = { readonly keys: readonly string[]; readonly tests: readonly ClaimTest[] };

/** The rule that files each row under those who see it. Throws `Uncompilable`. */
export function audienceRule(policy: Policy): SelectorRule {
  const all = testsOf(policy);
  const rowKeys = rowKeysOf(policy);
  if (all.keys.length > 0 && rowKeys.length + all.keys.length > PARTS_MAX) {
    throw new Uncompilable(`it has more than ${PARTS_MAX} different conditions`);
  }
  const tests = essential(policy, all, rowKeys);
  if (tests.keys.length > 0) requireOneAudience(policy, tests, all, rowKeys);
  const everyone = decide(policy, false);
  const holders = tests.keys.length === 0 ? NOBODY : decide(policy, true);
  return ruleOf(everyone, holders, tests.tests);
}

const NOBODY: Condition = { kind: 'constant', value: false };

function ruleOf(
  everyone: Condition,
  holders: Condition,
  tests: readonly ClaimTest[],
): SelectorRule {
  if (isAlways(everyone)) return { kind: 'everyone' };
  const branches: Branch[] = [];
  const literal: SelectorExpression = { kind: 'literal', text: EVERYONE };
  if (!isNever(everyone)) branches.push({ when: everyone, value: literal });
  const own = isNever(holders) ? null : ownExpression(tests);
  const otherwise = own !== null && isAlways(holders) ? own : null;
  if (own !== null && otherwise === null) branches.push({ when: holders, value: own });
  if (branches.length === 0 && otherwise !== null) return written(otherwise);
  if (branches.length === 0) branches.push({ when: NOBODY, value: literal });
  return written({ kind: 'case', branches, otherwise });
}

function written(expression: SelectorExpression): SelectorRule {
  return parseSelectorRule(formatExpression(expression));
}

function ownExpression(tests: readonly ClaimTest[]): SelectorExpression {
  const sorted = tests.toSorted((a, b) => (keyOfTest(a) < keyOfTest(b) ? -1 : 1));
  return classExpression(
    sorted.map(({ part }) => part),
    sorted.map(({ value }) =>
      value.kind === 'column'
        ? { kind: 'column', name: value.name }
        : { kind: 'literal', text: value.text },
    ),
  );
}

/** The tests of claims on which it depends who sees a row. */
function essential(policy: Policy, all: Tests, rowKeys: readonly string[]): Tests {
  const trial = trialOf(policy, [...rowKeys, ...all.keys]);
  const matters = all.keys.map((_, index) => {
    const place = rowKeys.length + index;
    for (const truths of trials(rowKeys.length + all.keys.length)) {
      if (truths[place] !== FALSE) continue;
      const isSeen = trial(truths) === TRUE;
      for (const other of [UNKNOWN, TRUE]) {
        if ((trial(truths.with(place, other)) === TRUE) !== isSeen) return true;
      }
    }
    return false;
  });
  const keep = <Item>(items: readonly Item[]): Item[] => items.filter((_, index) => matters[index]);
  return { keys: keep(all.keys), tests: keep(all.tests) };
}

/** Throws `Uncompilable` when more than one group of readers sees a row, or one that lacks a claim. */
function requireOneAudience(
  policy: Policy,
  tests: Tests,
  all: Tests,
  rowKeys: readonly string[],
): void {
  const trial = trialOf(policy, [...rowKeys, ...all.keys]);
  const places = all.keys.flatMap((key, index) => {
    return tests.keys.includes(key) ? [rowKeys.length + index] : [];
  });
  const forced = (truths: readonly number[], truth: number): readonly number[] =>
    truths.map((one, place) => (place < rowKeys.length ? one : truth));
  for (const truths of trials(rowKeys.length + all.keys.length)) {
    const isHolder = places.every((place) => truths[place] === TRUE);
    const expected =
      trial(forced(truths, FALSE)) === TRUE || (isHolder && trial(forced(truths, TRUE)) === TRUE);
    if ((trial(truths) === TRUE) === expected) continue;
    const names = tests.tests.map(wordsForTest).join(', ');
    throw new Uncompilable(
      tests.tests.length === 1
        ? `it grants rows to readers for whom ${names} does not hold`
        : `it does not require these together, and a row has one audience: ${names}`,
    );
  }
}

/** Every way to give `count` parts a truth. */
function* trials(count: number): Iterable<readonly number[]> {
  const truths = Array.from({ length: count }, () => FALSE);
  for (let trial = 0; trial < 3 ** count; trial += 1) {
    let rest = trial;
    for (let place = 0; place < count; place += 1) {
      truths[place] = rest % 3;
      rest = Math.floor(rest / 3);
    }
    yield truths;
  }
}

/** The policy as a function of the truths of its parts, in the order of `keys`. */
function trialOf(policy: Policy, keys: readonly string[]): Trial {
  switch (policy.kind) {
    case 'row': {
      const { condition } = policy;
      if (condition.kind === 'constant') return () => truthOf(condition.value);
      return partOf(keyOfRow(condition), keys);
    }
    case 'claim':
      return partOf(keyOfTest(policy.test), keys);
    case 'not': {
      const of = trialOf(policy.of, keys);
      return (truths) => TRUE - of(truths);
    }
    case 'is': {
      const of = trialOf(policy.of, keys);
      const wanted = truthOf(policy.value);
      return (truths) => (of(truths) === wanted ? TRUE : FALSE);
    }
    default: {
      const parts = policy.parts.map((part) => trialOf(part, keys));
      const pick = policy.kind === 'and' ? Math.min : Math.max;
      return (truths) => parts.map((part) => part(truths)).reduce((a, b) => pick(a, b));
    }
  }
}

function partOf(key: string, keys: readonly string[]): Trial {
  const place = keys.indexOf(key);
  return (truths) => truths[place] ?? FALSE;
}

function truthOf(value: boolean | null): number {
  return value === null ? UNKNOWN : value ? TRUE : FALSE;
}

/** The policy with all tests of claims true, or all false: a condition about the row. */
function decide(policy: Policy, isHolder: boolean): Condition {
  switch (policy.kind) {
    case 'row':
      return policy.condition;
    case 'claim':
      return { kind: 'constant', value: isHolder };
    case 'not': {
      const of = decide(policy.of, isHolder);
      if (of.kind === 'not') return of.of;
      if (of.kind !== 'constant') return { kind: 'not', of };
      return { kind: 'constant', value: of.value === null ? null : !of.value };
    }
    case 'is': {
      const of = decide(policy.of, isHolder);
      if (of.kind !== 'constant') return { kind: 'is', of, value: policy.value };
      return { kind: 'constant', value: of.value === policy.value };
    }
    default:
      return joined(
        policy.kind,
        policy.parts.map((part) => decide(part, isHolder)),
      );
  }
}

function joined(kind: 'and' | 'or', conditions: readonly Condition[]): Condition {
  const decisive = kind === 'or';
  const parts = conditions.flatMap((part) => (part.kind === kind ? part.parts : [part]));
  if (parts.some((part) => part.kind === 'constant' && part.value === decisive)) {
    return { kind: 'constant', value: decisive };
  }
  const open = parts.filter((part) => part.kind !== 'constant' || part.value === null);
  const [only] = open;
  if (only === undefined) return { kind: 'constant', value: !decisive };
  return open.length === 1 ? only : { kind, parts: open };
}

function isAlways(condition: Condition): boolean {
  return condition.kind === 'constant' && condition.value === true;
}

/** Unknown shows a row to nobody, as false does. */
function isNever(condition: Condition): boolean {
  return condition.kind === 'constant' && condition.value !== true;
}

function testsOf(policy: Policy): Tests {
  const found = new Map<string, ClaimTest>();
  visit(policy, (leaf) => {
    if (leaf.kind === 'claim') found.set(keyOfTest(leaf.test), leaf.test);
  });
  return { keys: [...found.keys()], tests: [...found.values()] };
}

function rowKeysOf(policy: Policy): readonly string[] {
  const found = new Set<string>();
  visit(policy, (leaf) => {
    if (leaf.kind === 'row' && leaf.condition.kind !== 'constant')
      found.add(keyOfRow(leaf.condition));
  });
  return [...found];
}

function visit(policy: Policy, each: (leaf: Policy) => void): void {
  if (policy.kind === 'and' || policy.kind === 'or') {
    for (const part of policy.parts) visit(part, each);
  } else if (policy.kind === 'not' || policy.kind === 'is') {
    visit(policy.of, each);
  } else {
    each(policy);
  }
}

function keyOfRow(condition: Condition): string {
  return `row ${conditionSql(condition, { text: quoteName, plain: quoteName, flag: quoteName })}`;
}

function keyOfTest({ part, value }: ClaimTest): string {
  return JSON.stringify([formatPart(part), value]);
}

function wordsForTest({ part, value }: ClaimTest): string {
  const source = part.claim === null ? 'auth_userid()' : `claim ${part.claim}`;
  return `${value.kind === 'column' ? value.name : `'${value.text}'`} = ${source}`;
}
