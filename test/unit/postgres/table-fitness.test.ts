import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type {
  ColumnFacts,
  IndexFacts,
  LeafFacts,
  TableFacts,
} from '../../../src/postgres/table-facts.ts';
import { judgeTable } from '../../../src/postgres/table-fitness.ts';

const column = (name: string, rest: Partial<ColumnFacts> = {}): ColumnFacts => ({
  name,
  type: 'integer',
  baseOid: 23,
  storage: 'p',
  generated: '',
  hasMissing: false,
  missing: null,
  hasDefault: false,
  ...rest,
});

const text = (name: string): ColumnFacts =>
  column(name, { type: 'text', baseOid: 25, storage: 'x' });

const primary: IndexFacts = {
  name: 'city_pkey',
  isPrimary: true,
  isUnique: true,
  isImmediate: true,
  isReplicaIdentity: false,
  isPlain: true,
  columns: ['id'],
};

const CITY: TableFacts = {
  oid: 1,
  schema: 'public',
  table: 'city',
  kind: 'r',
  persistence: 'p',
  identity: 'd',
  isPartition: false,
  root: null,
  columns: [column('id'), column('country')],
  indexes: [primary],
};

const FULL: Partial<TableFacts> = { identity: 'f' };

function judge(facts: Partial<TableFacts>, rule = 'id', version = 180_000) {
  return judgeTable({ ...CITY, ...facts }, parseSelectorRule(rule), version);
}

const identityIndex = (columns: string[]): IndexFacts => ({
  ...primary,
  name: 'city_i',
  isPrimary: false,
  isReplicaIdentity: true,
  columns,
});

test.each([
  ['everyone, default identity', {}, '*'],
  ['everyone with large columns', { columns: [column('id'), text('t')] }, '*'],
  ['selector in the key', {}, 'id'],
  ['full identity', FULL, 'country'],
  ['full identity with large columns', { ...FULL, columns: [column('id'), text('t')] }, 't'],
  [
    'an identity index over key and selector',
    { identity: 'i', indexes: [primary, identityIndex(['country', 'id'])] },
    'country',
  ],
  ['a partitioned table', { kind: 'p' }, 'id'],
] as const)('fit: %s', (_, facts, rule) => {
  expect(judge(facts as Partial<TableFacts>, rule)).toMatchObject({ kind: 'table' });
});

const FULL_SQL = 'ALTER TABLE "public"."city" REPLICA IDENTITY FULL';

test.each([
  ['no key', { indexes: [] }, '*', 'ALTER TABLE "public"."city" ADD PRIMARY KEY (...)'],
  [
    'a deferrable key',
    { indexes: [{ ...primary, isImmediate: false }] },
    '*',
    'ALTER TABLE "public"."city" DROP CONSTRAINT "city_pkey", ADD PRIMARY KEY ("id")',
  ],
  ['an unlogged table', { persistence: 'u' }, '*', 'ALTER TABLE "public"."city" SET LOGGED'],
  ['a partition', { isPartition: true, root: 'public.c' }, '*', 'declare public.c instead of'],
  ['a view', { kind: 'v' }, '*', 'declare the tables behind it'],
  ['identity nothing', { identity: 'n' }, '*', 'REPLICA IDENTITY DEFAULT'],
  ['an identity index that is gone', { identity: 'i' }, '*', 'REPLICA IDENTITY DEFAULT'],
  ['an identity without the selector', {}, 'country', FULL_SQL],
  [
    'an identity index without the key',
    { identity: 'i', indexes: [primary, identityIndex(['country'])] },
    'country',
    FULL_SQL,
  ],
  [
    'a moved row that would not be sent whole',
    {
      identity: 'i',
      indexes: [primary, identityIndex(['id', 'country'])],
      columns: [column('id'), column('country'), text('t')],
    },
    'country',
    FULL_SQL,
  ],
  ['a selector that does not exist', {}, 'land', 'ADD COLUMN "land" text'],
  [
    'a selector of a type that prints differently elsewhere',
    { columns: [column('id'), column('country', { baseOid: 16, type: 'boolean' })] },
    'country',
    'use a column of type text',
  ],
  [
    'a virtual column with full identity',
    { ...FULL, columns: [column('id'), column('v', { generated: 'v' })] },
    '*',
    'DROP COLUMN "v"',
  ],
  ['a schema with a dot', { schema: 'a.b' }, '*', 'rename schema'],
] as const)('unfit, with the statement that mends it: %s', (_, facts, rule, remedy) => {
  const verdict = judge(facts as Partial<TableFacts>, rule);
  expect(verdict.kind).toBe('unfit');
  expect(verdict.kind === 'unfit' && verdict.remedy).toContain(remedy);
});

test('stored generated columns are replicated from version 18 on, virtual ones never', () => {
  const columns = [column('id'), column('s', { generated: 's' }), column('v', { generated: 'v' })];
  const names = (version: number) => {
    const verdict = judge({ columns }, '*', version);
    return verdict.kind === 'table' ? verdict.table.columns.map(({ name }) => name) : [];
  };
  expect(names(170_005)).toEqual(['id']);
  expect(names(180_000)).toEqual(['id', 's']);
});

test('the definition has the key in its own order, plain indexes, and values of older rows', () => {
  const indexes: IndexFacts[] = [
    { ...primary, columns: ['country', 'id'] },
    { ...primary, name: 'plain', isPrimary: false, columns: ['country'] },
    { ...primary, name: 'lower', isPrimary: false, isPlain: false, columns: ['country'] },
  ];
  const columns = [column('id'), column('country', { hasMissing: true, missing: '7' })];
  expect(judge({ indexes, columns }, '*')).toMatchObject({
    table: {
      key: ['country', 'id'],
      indexes: [{ name: 'plain', columns: ['country'] }],
      columns: [{ name: 'id' }, { name: 'country', missing: 7 }],
    },
    fills: { id: 'null', country: 'constant' },
  });
});

const leaf = (identity: LeafFacts['identity'], columns: readonly string[] = []): LeafFacts => ({
  ...{ name: 'public.low', identity, columns },
});
const PARTITIONED: Partial<TableFacts> = { kind: 'p' };

test.each([
  ['both full', { identity: 'f', leaves: [leaf('f')] }, 'country'],
  ['both the key', { leaves: [leaf('d', ['id'])] }, 'id'],
  ['the partition says more', { leaves: [leaf('f')] }, 'id'],
] as const)('fit partitions: %s', (_, facts, rule) => {
  expect(judge({ ...PARTITIONED, ...facts }, rule)).toMatchObject({ kind: 'table' });
});

test.each([
  ['the table is full, the partition not', { identity: 'f', leaves: [leaf('d', ['id'])] }],
  ['the partition has nothing', { leaves: [leaf('f'), leaf('n')] }],
  ['the partition has an index without the key', { leaves: [leaf('i', ['country'])] }],
] as const)('unfit partitions: %s', (_, facts) => {
  expect(judge({ ...PARTITIONED, ...facts }, 'id')).toMatchObject({
    kind: 'unfit',
    remedy: expect.stringContaining('ALTER TABLE "public"."low" REPLICA IDENTITY FULL'),
  });
});
