import { expect, test } from 'vitest';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type { Relation } from '../../../src/core/source.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { type Catalog, ReplicatedTables } from '../../../src/engine/replicated-tables.ts';

function table(columns: readonly string[]): TableDef {
  return {
    name: 'public.t',
    columns: columns.map((name) => ({ name, type: 'text', kind: 'text' })),
    key: ['id'],
    indexes: [],
    selector: parseSelectorRule('*'),
  };
}

function layout(columns: readonly string[]): Relation {
  return {
    oid: 7,
    name: 'public.t',
    identity: 'd',
    columns: columns.map((name) => ({ name, isIdentity: false, typeOid: 25, typeModifier: -1 })),
  };
}

/** A catalog that shows `columns`, and which transactions it was asked to wait for. */
function catalogOf(columns: readonly string[]): Catalog & { readonly waitedFor: number[] } {
  const waitedFor: number[] = [];
  return {
    waitedFor,
    parse: () => null,
    describe: async (name, txid) => {
      waitedFor.push(txid);
      return { kind: 'table', name, oid: 7, table: table(columns), fills: {}, files: '' };
    },
  };
}

function tablesOf(
  catalog: Catalog,
  hasTriggers: boolean,
  onNotice?: (notice: string) => void,
): ReplicatedTables {
  return new ReplicatedTables({
    ...{ catalog, onNotice },
    hasTriggers,
    known: [table(['id', 'a'])],
    unfit: [],
    held: new Map(),
  });
}

test('a layout that the triggers have announced is taken without a question', () => {
  const catalog = catalogOf(['id', 'a']);
  const tables = tablesOf(catalog, true);
  const relation = layout(['id', 'a']);
  expect(tables.announce(relation, { write: () => undefined, txid: 9 })).toBe(undefined);
  expect(tables.plan(relation)).not.toBe(null);
});

test('without triggers a new layout is asked for, once its transaction shows in the catalog', async () => {
  const catalog = catalogOf(['id', 'a', 'b']);
  const tables = tablesOf(catalog, false);
  const lines: object[] = [];
  const relation = layout(['id', 'a', 'b']);
  await tables.announce(relation, { write: (line) => lines.push(line), txid: 9 });
  expect(catalog.waitedFor).toEqual([9]);
  expect(lines).toEqual([{ type: 'table', table: table(['id', 'a', 'b']) }]);
  expect(tables.plan(relation)).not.toBe(null);
  expect(tables.takeChanged()).toEqual([table(['id', 'a', 'b'])]);
});

test('rows older than a change that the catalog has already are left to a new copy of the table', async () => {
  const tables = tablesOf(catalogOf(['id', 'c']), false);
  const lines: { type?: string }[] = [];
  const older = layout(['id', 'a']);
  await tables.announce(older, { write: (line) => lines.push(line), txid: 9 });
  expect(lines.map(({ type }) => type)).toEqual(['table', 'resync', 'resync']);
  expect(tables.plan(older)).toBe(null);
  const newer = layout(['id', 'c']);
  await tables.announce(newer, { write: (line) => lines.push(line), txid: 10 });
  expect(tables.plan(newer)).not.toBe(null);
  expect(lines).toHaveLength(3);
});

test('the log says when a table is lost, when it is unfit, and when it is there again', async () => {
  const notices: string[] = [];
  const fit = catalogOf(['id', 'a', 'b']);
  let describe: Catalog['describe'] = async (name) => ({ kind: 'missing', name });
  const catalog: Catalog = { ...fit, describe: (name, txid) => describe(name, txid) };
  const tables = tablesOf(catalog, false, (notice) => notices.push(notice));
  const place = { write: () => undefined, txid: 9 };
  await tables.announce(layout(['id', 'a', 'b']), place);
  describe = async (name, txid) => await fit.describe(name, txid);
  await tables.announce(layout(['id', 'a', 'b']), place);
  const unfit = {
    kind: 'unfit',
    name: 'public.t',
    reason: 'it has no key',
    remedy: 'add one',
  } as const;
  describe = async () => unfit;
  await tables.announce(layout(['id', 'c']), place);
  expect(notices).toEqual([
    'the table public.t is not replicated any more: it was dropped, or is not in the publication',
    'the table public.t is copied anew: it is replicated from now on',
    expect.stringContaining('public.t is not replicated any more: it has no key; add one'),
  ]);
});
