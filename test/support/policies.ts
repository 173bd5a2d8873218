/** Random policies, rows and users, for the test that holds compiled policies against Postgres itself. */
import * as fc from 'fast-check';

export const POLICY_TABLE_SQL = `
  CREATE TABLE public.held (id int PRIMARY KEY, owner text, helper varchar(20), org uuid, team int, big bigint, done bool, hidden bool, status text);
  ALTER TABLE public.held REPLICA IDENTITY FULL, ENABLE ROW LEVEL SECURITY;`;

const UUIDS = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'];
const USERS = ['ann', 'bob', 'a,b', '%2C', 'x%', '7', "o'neil", '*'];

export type User = {
  readonly userid: string;
  readonly claims: Readonly<Record<string, unknown>>;
};

/** Users who differ in everything that policies ask for; one says nothing about itself. */
export const POLICY_USERS: readonly User[] = [
  { userid: 'ann', claims: { org: UUIDS[0], team: 7, role: 'admin', orgs: UUIDS, name: 'x%' } },
  {
    userid: 'bob',
    claims: { org: UUIDS[0]?.toUpperCase(), team: '+08', orgs: [UUIDS[1]], name: 'a,b' },
  },
  { userid: 'a,b', claims: { org: UUIDS[1], team: null, role: true, orgs: [], name: 'ann' } },
  { userid: "o'neil", claims: { team: '7', org: 'nobody', orgs: 'no list', name: '' } },
  { userid: '', claims: {} },
];

/** A row without its `id`, as texts. */
export type HeldRow = readonly (string | null)[];

const maybe = (values: readonly string[]) =>
  fc.option(fc.constantFrom(...values), { nil: null, freq: 6 });

export const heldRow: fc.Arbitrary<HeldRow> = fc.tuple(
  ...[
    maybe([...USERS, '']),
    maybe(USERS),
    maybe(UUIDS),
    maybe(['7', '8', '-1']),
    maybe(['7', '9223372036854775807']),
  ],
  ...[maybe(['true', 'false']), maybe(['true', 'false']), maybe(['open', 'closed', 'Open', 'a,b'])],
);

/** Conditions about the row alone. */
const aboutRow = fc.constantFrom(
  ...[
    'done',
    'NOT done',
    'done = false',
    'hidden IS NOT TRUE',
    'coalesce(hidden, false)',
    'done IS NULL',
  ],
  ...[
    "status = 'open'",
    "status <> 'open'",
    "status IN ('open', 'a,b')",
    "status NOT IN ('closed')",
  ],
  ...[
    "status IS DISTINCT FROM 'open'",
    "'closed' = status",
    'status IS NOT NULL',
    "helper = 'bob'",
  ],
  ...[
    'team > 7',
    'team <= 7',
    '8 > team',
    'team BETWEEN 0 AND 7',
    'big = 7',
    'big <> 9223372036854775807',
  ],
  ...[
    'team = ANY (ARRAY[7, -1])',
    `org = '${UUIDS[0]}'`,
    `org <> '${UUIDS[1]}'`,
    'true',
    'false',
    'NULL',
  ],
);

/** Conditions about the row and the reader. */
const aboutReader = fc.constantFrom(
  ...[
    'owner = tidelock.auth_userid()',
    '(SELECT tidelock.auth_userid()) = owner',
    'helper = tidelock.auth_userid()',
  ],
  ...[
    "org = tidelock.claim('org')::uuid",
    "org = (SELECT tidelock.claim('org')::uuid)",
    "org::text = tidelock.claim('org')",
  ],
  ...[
    "team = tidelock.claim('team')::int",
    "big = tidelock.claim('team')::bigint",
    "owner = tidelock.claim('name')",
  ],
  ...[
    "org = ANY (tidelock.claim_list('orgs')::uuid[])",
    "org::text = ANY (tidelock.claim_list('orgs'))",
  ],
  ...["tidelock.claim('role') = 'admin'", "status = tidelock.claim('name')"],
);

const both = (kind: 'AND' | 'OR', parts: fc.Arbitrary<string>) =>
  fc.array(parts, { minLength: 1, maxLength: 3 }).map((list) => `(${list.join(` ${kind} `)})`);

const rowCondition = fc.oneof(
  aboutRow,
  both('AND', aboutRow),
  both('OR', both('AND', aboutRow)),
  both('OR', aboutRow).map((one) => `NOT ${one}`),
);

const readerCondition = fc.oneof(
  { weight: 4, arbitrary: aboutReader },
  {
    weight: 2,
    arbitrary: fc.tuple(aboutReader, rowCondition).map((parts) => `(${parts.join(' AND ')})`),
  },
  { weight: 2, arbitrary: both('AND', aboutReader) },
  { weight: 1, arbitrary: aboutReader.map((one) => `NOT (${one})`) },
);

const using = fc.oneof(
  rowCondition,
  readerCondition,
  fc.tuple(rowCondition, readerCondition).map((parts) => `(${parts.join(' OR ')})`),
  fc.tuple(readerCondition, rowCondition).map((parts) => `(${parts.join(' AND ')})`),
);

const policy = fc.record({
  using,
  isPermissive: fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, fc.constant(false)),
  command: fc.constantFrom('SELECT', 'SELECT', 'ALL', 'UPDATE'),
  role: fc.constantFrom('PUBLIC', 'PUBLIC', 'tidelock_user', 'pg_monitor'),
});

/** The first one grants something to everybody who may read at all. */
const first = using.map((one) => {
  return { using: one, isPermissive: true, command: 'SELECT', role: 'PUBLIC' };
});

/** Statements that create them. */
export const policiesSql: fc.Arbitrary<readonly string[]> = fc
  .tuple(first, fc.array(policy, { maxLength: 2 }))
  .map(([one, others]) =>
    [one, ...others].map(
      (
        made,
        at,
      ) => `CREATE POLICY p${at} ON public.held AS ${made.isPermissive ? 'PERMISSIVE' : 'RESTRICTIVE'}
        FOR ${made.command} TO ${made.role} USING (${made.using})`,
    ),
  );
