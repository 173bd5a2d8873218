import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import {
  classExpression,
  classesOf,
  type Holder,
  isOwnSelector,
  type SelectorClass,
  selectorsOfClaims,
} from '../../../src/core/selector-class.ts';
import {
  evaluateSelector,
  type SelectorExpression,
} from '../../../src/core/selector-expression.ts';
import { formatExpression } from '../../../src/core/selector-parser.ts';

const UUID = '0190aaaa-bbbb-7ccc-8ddd-0123456789ab';

function selectors(rules: readonly string[], holder: Partial<Holder>): readonly string[] {
  return selectorsOfClaims(classesOf(rules.map(parseSelectorRule)), {
    ...{ userid: '', claims: {} },
    ...holder,
  });
}

test('a user reads under the own id, whatever tables there are', () => {
  expect(selectors([], { userid: 'ann' })).toEqual(['user:ann']);
  expect(selectors(['country', '*'], { userid: 'ann' })).toEqual(['user:ann']);
  expect(selectors([], {})).toEqual([]);
});

test.each<[string, Holder['claims'], readonly string[]]>([
  ["'claim.org:' || org", { org: 'x' }, ['claim.org:x']],
  ["CASE WHEN a THEN '*' ELSE 'claim.org:' || org END", { org: 7 }, ['claim.org:7']],
  ["'claim.org:' || org", { org: true }, ['claim.org:true']],
  ["'claim.org:' || org", { org: '' }, ['claim.org:']],
  ["'claim.org:' || org", { org: null }, []],
  ["'claim.org:' || org", { org: 1.5 }, []],
  ["'claim.org:' || org", { org: ['x'] }, []],
  ["'claim.org:' || org", {}, []],
  ["'claim.toString:' || org", {}, []],
  ["'claim.org:' || org", { org: 'line\nbreak' }, []],
  ["'claim.org:' || org", { org: 'x'.repeat(200) }, []],
  [
    "'claim.org[]:' || org",
    { org: ['a', 'b', 3, null] },
    ['claim.org[]:3', 'claim.org[]:a', 'claim.org[]:b'],
  ],
  ["'claim.org[]:' || org", { org: 'a' }, []],
  ["'claim.org~bigint:' || org", { org: '+007' }, ['claim.org~bigint:7']],
  ["'claim.org~bigint:' || org", { org: '7a' }, []],
  [
    "'claim.org~uuid:' || org",
    { org: UUID.toUpperCase().replaceAll('-', '') },
    [`claim.org~uuid:${UUID}`],
  ],
  ["'claim.org~uuid:' || org", { org: 'nobody' }, []],
  ["'tenant:' || org", { tenant: 'x' }, []],
])('the rule %s gives a holder of %o the selectors %j', (rule, claims, expected) => {
  expect(selectors([rule], { claims })).toEqual(expected);
});

test('claims that are required together fill a class in every way, and never another class', () => {
  const parts: SelectorClass = [
    { claim: null, isList: false, type: 'text' },
    { claim: 'org', isList: true, type: 'text' },
  ];
  const column = (name: string): SelectorExpression => ({ kind: 'column', name });
  const expression = classExpression(parts, [column('owner'), column('org')]);
  const found = selectors([formatExpression(expression)], {
    userid: 'a,b',
    claims: { org: ['x', '%2C'] },
  });
  expect(found).toEqual(['user,claim.org[]:a%2Cb,%252C', 'user,claim.org[]:a%2Cb,x', 'user:a,b']);
  const row = { owner: 'a', org: 'b,x' };
  const selector = evaluateSelector(expression, (name) => row[name as keyof typeof row]);
  expect(selector).toBe('user,claim.org[]:a,b%2Cx');
  expect(found).not.toContain(selector);
});

test('a token with very many claims gets a limited number of selectors', () => {
  const org = Array.from({ length: 1000 }, (_, at) => `o${at}`);
  expect(selectors(["'claim.org[]:' || org"], { userid: 'ann', claims: { org } })).toHaveLength(
    200,
  );
});

test('a selector is the own one of a holder by its class alone, and no value imitates a class', () => {
  const holder: Holder = { userid: 'ann', claims: { org: UUID, orgs: ['x'], name: '~uuid:x' } };
  for (const own of ['user:ann', `claim.org:${UUID}`, `claim.org~uuid:${UUID}`, 'claim.orgs[]:x']) {
    expect(isOwnSelector(own, holder), own).toBe(true);
  }
  const foreign = [
    'user:bob',
    'ann',
    '*',
    '',
    'user',
    'user:',
    'claim.none:x',
    'tenant:ann',
    'claim.name~uuid:x',
  ];
  for (const other of foreign) expect(isOwnSelector(other, holder), other).toBe(false);
  expect(isOwnSelector('user~uuid:x', { userid: '~uuid:x', claims: {} })).toBe(false);
  expect(isOwnSelector('user,claim.orgs[]:ann,x', holder)).toBe(true);
  expect(isOwnSelector('user,user:ann,bob', holder)).toBe(false);
});
