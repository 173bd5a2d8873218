/** Primary keys: at the commit, under the write lock, no key that comes may be there already. */
import { notSupported, sqlError } from '../../sql/errors.ts';
import type { Expression, Plan, Query } from '../../sql/plan.ts';
import type { Column, ItemId, SqlRow, SqlType } from '../../sql/types.ts';
import type { Item } from './catalog.ts';
import type { SqlCoordinator, Transaction } from './state.ts';

type Table = Item & { readonly kind: 'table' };

/** Types whose equal values are written in one way only. */
const KEY_TYPES: ReadonlySet<SqlType> = new Set<SqlType>([
  'bool',
  'int2',
  'int4',
  'int8',
  'text',
  'uuid',
  'date',
  'timestamp',
  'timestamptz',
]);

/** Positions of the key's columns. Throws 0A000 for a type that no key here can have. */
export function keyPositions(
  columns: readonly Column[],
  names: readonly string[],
  offset: number,
): readonly number[] {
  const positions = names.map((name) => columns.findIndex((column) => column.name === name));
  for (const position of positions) {
    const type = columns[position]?.type;
    if (type !== undefined && !KEY_TYPES.has(type)) throw notSupported(`a key of ${type}`, offset);
  }
  return positions;
}

/** Keys of one table that the transaction brings. */
export type NewKeys = { readonly table: Table; readonly keys: readonly SqlRow[] };

/** By table. Throws 23505 for a key that the transaction brings twice. */
export function newKeys(state: SqlCoordinator, { writes }: Transaction): readonly NewKeys[] {
  const tables = new Map<ItemId, { table: Table; keys: Map<string, Counted> }>();
  for (const { id, deltas } of writes) {
    const item = state.catalog.items.get(id);
    if (item?.kind !== 'table' || item.key.length === 0) continue;
    const known = tables.get(id) ?? { table: item, keys: new Map() };
    tables.set(id, known);
    for (const { row, diff } of deltas) count(known.keys, keyOf(item, row), diff);
  }
  return [...tables.values()]
    .map(({ table, keys }) => ({ table, keys: added(table, keys) }))
    .filter(({ keys }) => keys.length > 0);
}

/** The rows of the table that have one of the keys, as far as their keys go. */
export function rowsWithKeys({ table, keys }: NewKeys): Query {
  const columns = table.key.flatMap((position) => table.columns[position] ?? []);
  const values: Plan = {
    kind: 'values',
    columns,
    rows: keys.map((key) =>
      columns.map(({ type }, index): Expression => {
        return { kind: 'constant', type, value: key[index] ?? null };
      }),
    ),
  };
  const sides = columns.map(({ type }, index): Expression => {
    const own: Expression = { kind: 'column', type, index: table.key[index] ?? 0 };
    const given: Expression = { kind: 'column', type, index: table.columns.length + index };
    return { kind: 'call', type: 'bool', name: 'eq', args: [own, given] };
  });
  const [first] = sides;
  const on: Expression =
    sides.length === 1 && first !== undefined ? first : { kind: 'and', type: 'bool', args: sides };
  const get: Plan = { kind: 'get', columns: table.columns, item: table.id };
  const joined = [...table.columns, ...columns];
  const both: Plan = { kind: 'join', type: 'inner', columns: joined, left: get, right: values, on };
  const expressions = table.key.map((position, index): Expression => {
    return { kind: 'column', type: columns[index]?.type ?? 'unknown', index: position };
  });
  return {
    columns,
    plan: { kind: 'project', columns, input: both, expressions },
    order: [],
    items: [table.id],
    parameters: [],
    usesLogicalTimestamp: false,
    usesNow: false,
    usesSession: false,
  };
}

/** Throws 23505 when there is one. */
export function refuseTaken(state: SqlCoordinator, id: ItemId, taken: readonly SqlRow[]): void {
  const [key] = taken;
  const table = state.catalog.items.get(id);
  if (key !== undefined && table?.kind === 'table') throw duplicate(table, key);
}

type Counted = { readonly key: SqlRow; count: number };

function count(keys: Map<string, Counted>, key: SqlRow, diff: number): void {
  const text = JSON.stringify(key.map(String));
  const known = keys.get(text) ?? { key, count: 0 };
  known.count += diff;
  keys.set(text, known);
}

function added(table: Table, keys: ReadonlyMap<string, Counted>): readonly SqlRow[] {
  const found: SqlRow[] = [];
  for (const { key, count } of keys.values()) {
    if (count > 1) throw duplicate(table, key);
    if (count === 1) found.push(key);
  }
  return found;
}

function keyOf({ key }: Table, row: SqlRow): SqlRow {
  return key.map((position) => row[position] ?? null);
}

function duplicate(table: Table, key: SqlRow) {
  const names = table.key.map((position) => table.columns[position]?.name);
  const values = key.map(String).join(', ');
  const message = `duplicate key value violates the primary key of "${table.at.name}"`;
  return sqlError('23505', message, { hint: `Key (${names.join(', ')})=(${values}) is there.` });
}
