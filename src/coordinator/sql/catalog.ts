/**
 * The catalog: databases, schemas, items and their ids. Names lead to ids; everything else goes by id.
 */
import { assert } from '../../core/assert.ts';
import { sqlError } from '../../sql/errors.ts';
import type { Node } from '../../sql/pg-parser.ts';
import type { Query } from '../../sql/plan.ts';
import type { Name } from '../../sql/statement.ts';
import type { Column, ItemId } from '../../sql/types.ts';

/** Items of all databases together. */
export const ITEMS_MAX = 100_000;

export type ItemName = {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
};

type Contents =
  | {
      readonly kind: 'table';
      readonly columns: readonly Column[];
      /** By column; null for none. */
      readonly defaults: readonly (Node | null)[];
      /** Positions of the primary key's columns; empty without one. */
      readonly key: readonly number[];
      readonly timeline: string;
    }
  | {
      readonly kind: 'source';
      readonly columns: readonly Column[];
      readonly timeline: string;
      readonly from: string;
    }
  /** `timeline` is null when it reads nothing. */
  | {
      readonly kind: 'view';
      readonly columns: readonly Column[];
      readonly timeline: string | null;
      readonly query: Query;
    }
  | { readonly kind: 'index'; readonly on: ItemId }
  /** Pending until its target is open. */
  | { readonly kind: 'sink'; readonly from: ItemId; isPending: boolean };

export type Item = Contents & {
  readonly id: ItemId;
  readonly at: ItemName;
  /** The statement that made it; of a default index the one that made its item. */
  readonly text: string;
};

/** What has rows. */
export type Relation = Item & { readonly kind: 'table' | 'source' | 'view' };

/** Schemas of a database, and of each the ids of its items by name. */
type Database = { readonly schemas: Map<string, Map<string, ItemId>> };

export type Catalog = {
  readonly databases: Map<string, Database>;
  readonly items: Map<ItemId, Item>;
  /** By what they are on, in the order of creation. */
  readonly indexes: Map<ItemId, readonly ItemId[]>;
  lastItem: number;
};

/** Where names without database or schema are looked up. */
export type NameScope = { readonly database: string; readonly schema: string };

export function newCatalog(scope: NameScope): Catalog {
  const catalog: Catalog = {
    databases: new Map(),
    items: new Map(),
    indexes: new Map(),
    lastItem: 0,
  };
  addDatabase(catalog, scope.database, scope.schema);
  return catalog;
}

/** A database comes with one schema. */
export function addDatabase(catalog: Catalog, name: string, schema: string): void {
  catalog.databases.set(name, { schemas: new Map([[schema, new Map()]]) });
}

export function addSchema(catalog: Catalog, at: { database: string; schema: string }): void {
  catalog.databases.get(at.database)?.schemas.set(at.schema, new Map());
}

/** The id of the next item: `u1`, `u2`, ... in the order of creation. */
export function nextItemId(catalog: Catalog): ItemId {
  catalog.lastItem += 1;
  return `u${catalog.lastItem}`;
}

/** The place of an item in the order of creation: inputs come before what is made of them. */
export function rankOf(id: ItemId): number {
  return Number(id.slice(1));
}

export function addItem(catalog: Catalog, item: Item): void {
  if (catalog.items.size >= ITEMS_MAX) throw sqlError('54000', `more than ${ITEMS_MAX} items`);
  const names = namesOf(catalog, item.at);
  assert(names !== undefined && !names.has(item.at.name), `${item.at.name} is a new name`);
  names.set(item.at.name, item.id);
  catalog.items.set(item.id, item);
  if (item.kind === 'index') {
    catalog.indexes.set(item.on, [...indexesOf(catalog, item.on), item.id]);
  }
}

export function removeItem(catalog: Catalog, item: Item): void {
  namesOf(catalog, item.at)?.delete(item.at.name);
  catalog.items.delete(item.id);
  catalog.indexes.delete(item.id);
  if (item.kind === 'index') {
    const others = indexesOf(catalog, item.on).filter((id) => id !== item.id);
    catalog.indexes.set(item.on, others);
  }
}

export function itemOf(catalog: Catalog, id: ItemId): Item {
  const item = catalog.items.get(id);
  assert(item !== undefined, `item ${id} is in the catalog`);
  return item;
}

export function relationOf(catalog: Catalog, id: ItemId): Relation {
  const item = itemOf(catalog, id);
  assert(isRelation(item), `item ${id} has rows`);
  return item;
}

export function isRelation(item: Item): item is Relation {
  return item.kind === 'table' || item.kind === 'source' || item.kind === 'view';
}

/** The place that a written name means. Database and schema must be there, the item need not. */
export function placeOf(catalog: Catalog, name: Name, scope: NameScope): ItemName {
  const [last = '', schema = scope.schema, database = scope.database] = [...name.parts].reverse();
  const { offset } = name;
  const found = catalog.databases.get(database);
  if (found === undefined) throw sqlError('3D000', `unknown database ${database}`, { offset });
  if (!found.schemas.has(schema)) throw sqlError('3F000', `unknown schema ${schema}`, { offset });
  return { database, schema, name: last };
}

export function findItem(catalog: Catalog, at: ItemName): Item | undefined {
  const id = namesOf(catalog, at)?.get(at.name);
  return id === undefined ? undefined : catalog.items.get(id);
}

/** The item of a written name, or undefined when anything of the name is unknown. */
export function lookUp(catalog: Catalog, name: Name, scope: NameScope): Item | undefined {
  const [last = '', schema = scope.schema, database = scope.database] = [...name.parts].reverse();
  return findItem(catalog, { database, schema, name: last });
}

/** The item of a written name. Throws when there is none. */
export function resolve(catalog: Catalog, name: Name, scope: NameScope): Item {
  const item = findItem(catalog, placeOf(catalog, name, scope));
  if (item !== undefined) return item;
  const { offset, parts } = name;
  throw sqlError('42P01', `unknown catalog item '${parts.join('.')}'`, { offset });
}

/** `name`, or `name1`, `name2`, ...: the first that is free. */
function availableName(catalog: Catalog, at: ItemName): ItemName {
  if (findItem(catalog, at) === undefined) return at;
  for (let number = 1; number <= ITEMS_MAX; number++) {
    const candidate = { ...at, name: `${at.name}${number}` };
    if (findItem(catalog, candidate) === undefined) return candidate;
  }
  throw sqlError('54000', `no name is left for ${at.name}`);
}

export function defaultIndexName(catalog: Catalog, of: ItemName): ItemName {
  return availableName(catalog, { ...of, name: `${of.name}_primary_idx` });
}

export function indexesOf(catalog: Catalog, on: ItemId): readonly ItemId[] {
  return catalog.indexes.get(on) ?? [];
}

/** What the item is made of. */
export function inputsOf(item: Item): readonly ItemId[] {
  if (item.kind === 'view') return item.query.items;
  if (item.kind === 'index') return [item.on];
  return item.kind === 'sink' ? [item.from] : [];
}

/** What is made of the item, in the order of creation. */
export function dependentsOf(catalog: Catalog, id: ItemId): readonly Item[] {
  return [...catalog.items.values()].filter((item) => inputsOf(item).includes(id));
}

/** `database.schema.name` */
export function fullName({ database, schema, name }: ItemName): string {
  return `${database}.${schema}.${name}`;
}

/** How something is read: through all indexes of what is indexed first, and the rest as it is. */
export type Nearest = {
  /** Tables, sources and indexed views: what a plan may name once it is expanded. */
  readonly items: readonly ItemId[];
  readonly indexes: readonly ItemId[];
  /** Those of `items` without an index. */
  readonly unindexed: readonly ItemId[];
};

/** Looks through views that have no index, never beyond an index. */
export function nearestIndexes(catalog: Catalog, ids: readonly ItemId[]): Nearest {
  const items = new Set<ItemId>();
  const indexes = new Set<ItemId>();
  const unindexed = new Set<ItemId>();
  const visit = (id: ItemId): void => {
    const found = indexesOf(catalog, id);
    const item = itemOf(catalog, id);
    if (found.length === 0 && item.kind === 'view') {
      for (const input of item.query.items) visit(input);
      return;
    }
    items.add(id);
    for (const index of found) indexes.add(index);
    if (found.length === 0) unindexed.add(id);
  };
  for (const id of ids) visit(id);
  return { items: [...items], indexes: [...indexes], unindexed: [...unindexed] };
}

function namesOf(catalog: Catalog, { database, schema }: ItemName) {
  return catalog.databases.get(database)?.schemas.get(schema);
}
