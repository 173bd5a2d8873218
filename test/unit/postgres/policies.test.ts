import { beforeAll, describe, expect, test } from 'vitest';
import type { PolicyColumn } from '../../../src/postgres/policy/policy.ts';
import { compilePolicies, type PolicyFacts } from '../../../src/postgres/policy/rule.ts';
import { loadPgParser } from '../../../src/sql/pg-parser.ts';

const OIDS: Readonly<Record<string, number>> = {
  ...{ text: 25, varchar: 1043, uuid: 2950, int: 23, bigint: 20, bool: 16, 'char(3)': 1042 },
};

const column = (name: string, type: string, isDeterministic = true): PolicyColumn => {
  return { name, type, baseOid: OIDS[type] ?? 99_999, isDeterministic };
};

const COLUMNS = [
  ...[column('id', 'text'), column('user_id', 'text'), column('owner', 'varchar')],
  ...[column('org', 'uuid'), column('team', 'int'), column('n', 'bigint'), column('done', 'bool')],
  ...[column('status', 'text'), column('padded', 'char(3)'), column('loose', 'text', false)],
  column('kind', 'mood'),
];

const USER = '(user_id = tidelock.auth_userid())';

function policy(using: string | null, rest: Partial<PolicyFacts> = {}): PolicyFacts {
  return { name: 'p', isPermissive: true, command: 'r', roles: null, using, ...rest };
}

function compile(...policies: readonly PolicyFacts[]): string {
  const compiled = compilePolicies({ policies, columns: COLUMNS, role: 'tidelock_user' });
  if (compiled.kind === 'refused') return `refused: ${compiled.reason}`;
  return compiled.rule.kind === 'everyone' ? '*' : compiled.rule.text;
}

beforeAll(loadPgParser);

describe('what compiles', () => {
  test.each([
    [USER, `('user:' || "user_id")`],
    ['(tidelock.auth_userid() = user_id)', `('user:' || "user_id")`],
    ['(user_id = ( SELECT tidelock.auth_userid() AS auth_userid))', `('user:' || "user_id")`],
    ['((owner)::text = tidelock.auth_userid())', `('user:' || "owner")`],
    ['((org)::text = tidelock.auth_userid())', `('user:' || "org")`],
    ['(org = (tidelock.auth_userid())::uuid)', `('user~uuid:' || "org")`],
    ['(org = (( SELECT tidelock.auth_userid() AS auth_userid))::uuid)', `('user~uuid:' || "org")`],
    ["(org = (tidelock.claim('org'::text))::uuid)", `('claim.org~uuid:' || "org")`],
    ["(team = (tidelock.claim('team'::text))::integer)", `('claim.team~bigint:' || "team")`],
    ["(status = ANY (tidelock.claim_list('s'::text)))", `('claim.s[]:' || "status")`],
    ["(org = ANY ((tidelock.claim_list('o'::text))::uuid[]))", `('claim.o[]~uuid:' || "org")`],
    ["(tidelock.claim('role'::text) = 'admin'::text)", `('claim.role:' || 'admin')`],
    ['true', '*'],
    ['false', "CASE WHEN FALSE THEN '*' END"],
    ['NULL::boolean', "CASE WHEN FALSE THEN '*' END"],
    ['done', `CASE WHEN "done" THEN '*' END`],
    ['(NOT done)', `CASE WHEN (NOT "done") THEN '*' END`],
    ['(done = true)', `CASE WHEN "done" THEN '*' END`],
    ['(done IS NOT TRUE)', `CASE WHEN (NOT (("done") IS TRUE)) THEN '*' END`],
    ['COALESCE(done, false)', `CASE WHEN (("done") IS TRUE) THEN '*' END`],
    [
      "(status IS DISTINCT FROM 'x'::text)",
      `CASE WHEN (NOT ((("status" = 'x')) IS TRUE)) THEN '*' END`,
    ],
    ["(status <> 'x'::text)", `CASE WHEN (NOT ("status" = 'x')) THEN '*' END`],
    ["((owner)::text = 'x'::text)", `CASE WHEN ("owner" = 'x') THEN '*' END`],
    [
      "((owner)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))",
      `CASE WHEN ("owner" IN ('a', 'b')) THEN '*' END`,
    ],
    ["(status = ANY ('{a,b}'::text[]))", `CASE WHEN ("status" IN ('a', 'b')) THEN '*' END`],
    ['(team <> ALL (ARRAY[1, 2]))', `CASE WHEN (NOT ("team" IN (1, 2))) THEN '*' END`],
    ["(n >= '-5'::integer)", `CASE WHEN ("n" >= -5) THEN '*' END`],
    ['(5 < team)', `CASE WHEN ("team" > 5) THEN '*' END`],
    ["(n = '5000000000'::bigint)", `CASE WHEN ("n" = 5000000000) THEN '*' END`],
    ['(kind IS NOT NULL)', `CASE WHEN (NOT ("kind" IS NULL)) THEN '*' END`],
    [`(done OR ${USER})`, `CASE WHEN "done" THEN '*' ELSE ('user:' || "user_id") END`],
    [`(done AND ${USER})`, `CASE WHEN "done" THEN ('user:' || "user_id") END`],
    [
      `((team = 1) OR (done AND ${USER}))`,
      `CASE WHEN ("team" = 1) THEN '*' WHEN (("team" = 1) OR "done") THEN ('user:' || "user_id") END`,
    ],
    [`(${USER} OR (done AND ${USER}))`, `('user:' || "user_id")`],
    [
      `(${USER} AND (tidelock.claim('r'::text) = 'w'::text))`,
      `('claim.r,user:' || replace(replace('w', '%', '%25'), ',', '%2C') || ',' || replace(replace("user_id", '%', '%25'), ',', '%2C'))`,
    ],
  ])('%s becomes %s', (using, rule) => {
    expect(compile(policy(using))).toBe(rule);
  });

  test('permissive policies are joined by OR, restrictive ones by AND', () => {
    const open = policy("(status = 'open'::text)");
    const own = policy(USER, { command: '*' });
    expect(compile(open, own)).toBe(
      `CASE WHEN ("status" = 'open') THEN '*' ELSE ('user:' || "user_id") END`,
    );
    const living = policy('(NOT done)', { isPermissive: false });
    expect(compile(own, living)).toBe(`CASE WHEN (NOT "done") THEN ('user:' || "user_id") END`);
  });

  test('what does not concern reading by this role does not count', () => {
    const others = [
      policy('true', { command: 'w' }),
      policy('true', { command: 'a' }),
      policy('true', { roles: ['somebody'] }),
      policy(null, { command: '*' }),
    ];
    expect(compile(...others)).toBe("CASE WHEN FALSE THEN '*' END");
    expect(compile(...others, policy(USER, { roles: ['x', 'tidelock_user'] }))).toContain('user:');
  });

  test('without a permissive policy nobody sees a row, whatever the restrictive ones say', () => {
    expect(compile()).toBe("CASE WHEN FALSE THEN '*' END");
    expect(compile(policy('true', { isPermissive: false }))).toBe("CASE WHEN FALSE THEN '*' END");
  });
});

describe('what is refused', () => {
  test.each([
    ['(EXISTS ( SELECT 1 FROM public.members))', 'a subquery'],
    ['(id IN ( SELECT members.id FROM public.members))', 'a subquery'],
    ['(user_id = ( SELECT max(m.id) AS max FROM public.members m))', 'a subquery'],
    ['public.is_member(id)', 'the function public.is_member()'],
    ['(user_id = (CURRENT_USER)::text)', 'a function of the session or the clock'],
    ["(user_id = current_setting('x'::text))", 'the function current_setting()'],
    ['(user_id = public.auth_userid())', 'the function public.auth_userid()'],
    ['(user_id OPERATOR(public.=) tidelock.auth_userid())', 'the operator public.='],
    ["(status ~~ 'a%'::text)", 'the operator ~~'],
    ["(status < 'b'::text)", 'compared with <: only integers have an order'],
    ['(user_id > tidelock.auth_userid())', 'a claim that is compared with >'],
    ['(user_id = status)', 'column user_id is compared with column status'],
    ["(padded = 'a'::bpchar)", 'column padded has type char(3)'],
    ["(kind = 'a'::public.mood)", 'column kind has type mood'],
    ["(loose = 'a'::text)", 'a collation in which different texts may be equal'],
    ["((owner)::character varying(2) = 'a')", 'a cast to varchar of limited length'],
    ["((done)::text = 'true'::text)", 'a cast of column done'],
    ['(team = (1.5)::numeric)', 'a cast to type numeric'],
    ['((team + 1) = 5)', 'the operator +'],
    ["(lower(status) = 'a'::text)", 'the function lower()'],
    ['(status = \'a\'::text COLLATE "C")', 'a COLLATE clause'],
    ['CASE WHEN done THEN true ELSE false END', 'CASE'],
    ['(tidelock.auth_userid() IS NOT NULL)', 'IS NULL of a claim'],
    [
      "(tidelock.claim(status) = 'a'::text)",
      'status is no column|something else than a plain name',
    ],
    ["(status = ANY (ARRAY['a'::text, NULL::text]))", 'something else than constants'],
    ['(missing = 1)', 'missing is no column of the table'],
    [`(NOT ${USER})`, 'to readers for whom user_id = auth_userid() does not hold'],
    ['(user_id <> tidelock.auth_userid())', 'for whom user_id = auth_userid() does not hold'],
    [`((${USER}) IS NOT TRUE)`, 'for whom user_id = auth_userid() does not hold'],
    [
      `(${USER} OR ((owner)::text = tidelock.auth_userid()))`,
      'it does not require these together, and a row has one audience: user_id = auth_userid(), owner = auth_userid()',
    ],
    [
      `(${USER} OR (tidelock.claim('role'::text) = 'admin'::text))`,
      "a row has one audience: user_id = auth_userid(), 'admin' = claim role",
    ],
    [
      `(${USER} AND (${Array.from({ length: 11 }, (_, at) => `(n = ${at})`).join(' OR ')}))`,
      'more than 11 different conditions',
    ],
  ])('%s: %s', (using, reason) => {
    const said = compile(policy(using));
    expect(said).toMatch(/^refused: policy p: /);
    expect(
      reason.split('|').some((one) => said.includes(one)),
      said,
    ).toBe(true);
  });

  test('policies that only fail together are told so', () => {
    const said = compile(
      policy(USER),
      policy('((owner)::text = tidelock.auth_userid())', { name: 'q' }),
    );
    expect(said).toMatch(/^refused: its policies together: it does not require these together/);
  });
});
