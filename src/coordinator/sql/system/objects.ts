/**
 * What system collections are made of: databases, schemas and items of one session, with the numbers that PostgreSQL's
 * clients know them by. Numbers of items are those of their ids; others come from their names, so that they stay.
 */
import type { Column, SqlType } from '../../../sql/types.ts';
import { type Item, indexesOf, isRelation, type Relation, rankOf } from '../catalog.ts';
import type { Context } from '../context.ts';

/** The role that owns everything; there are no others. */
export const OWNER = 'tidelock';
export const OWNER_OID = 10;
export const PG_CATALOG_OID = 11;
const INFORMATION_SCHEMA_OID = 13_000;
/** The one collation, by code points, and the types that have it: text, varchar, text[]. */
export const COLLATION_OID = 950;
export const COLLATED: ReadonlySet<number> = new Set([25, 1009, 1043]);
const PUBLIC_OID = 2200;
/** The first number of what users make. */
const FIRST_OID = 16_384;
const KEYS_OID = 1_000_000_000;
const NAMES_OID = 2_000_000_000;
const NAMES = 1_000_000_000;

export type Names = Pick<Context, 'state' | 'session'>;

/** A table, source, view, index or primary key. */
export type ShownObject = {
  readonly oid: number;
  readonly name: string;
  readonly schema: string;
  readonly schemaOid: number;
  /** PostgreSQL's letter: table, view, materialized view, index. */
  readonly kind: 'r' | 'v' | 'm' | 'i';
  readonly columns: readonly Column[];
  /** Null for what the system has itself, and for the index of a primary key. */
  readonly item: Item | null;
};

/** An index, or a primary key, which has one in PostgreSQL. */
export type ShownIndex = {
  readonly object: ShownObject;
  readonly on: ShownObject;
  /** Places of its columns, from 1. */
  readonly places: readonly number[];
  readonly isKey: boolean;
};

export type SystemView = Names & {
  readonly objects: readonly ShownObject[];
  readonly indexes: readonly ShownIndex[];
  readonly schemas: readonly { readonly oid: number; readonly name: string }[];
};

/** A collection of the system as others see it. */
type OwnCollection = {
  readonly schema: string;
  readonly name: string;
  readonly oid: number | null;
  readonly columns: readonly Column[];
};

/** What a session sees of its database; `own`: the system's collections. */
export function viewOf(names: Names, own: readonly OwnCollection[]): SystemView {
  const { state, session } = names;
  const written = [...(state.catalog.databases.get(session.database)?.schemas.keys() ?? [])];
  const schemas = [
    { oid: PG_CATALOG_OID, name: 'pg_catalog' },
    { oid: INFORMATION_SCHEMA_OID, name: 'information_schema' },
    ...written.map((name) => ({ oid: schemaOid(name), name })),
  ];
  const items = [...state.catalog.items.values()].filter(
    ({ at }) => at.database === session.database,
  );
  const relations = items.filter(isRelation).map((item) => relationObject(names, item));
  const byId = new Map(relations.map((one) => [one.item?.id ?? '', one] as const));
  const indexes = [
    ...relations.flatMap(keyOf),
    ...items.flatMap((item) => (item.kind === 'index' ? indexOf(item, byId.get(item.on)) : [])),
  ];
  const system = own.map(systemObject);
  const objects = [...system, ...relations, ...indexes.map(({ object }) => object)];
  return { ...names, objects, indexes, schemas };
}

const schemaOid = (name: string): number =>
  name === 'public' ? PUBLIC_OID : oidOfName(`schema ${name}`);

/** A number that a name always has. */
export function oidOfName(name: string): number {
  let hash = 2_166_136_261;
  for (const character of name)
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619);
  return NAMES_OID + ((hash >>> 0) % NAMES);
}

function relationObject({ state }: Names, item: Relation): ShownObject {
  const { at, columns } = item;
  const isKept = indexesOf(state.catalog, item.id).length > 0;
  const kind = item.kind === 'view' ? (isKept ? 'm' : 'v') : 'r';
  const oid = FIRST_OID + rankOf(item.id);
  return {
    oid,
    name: at.name,
    schema: at.schema,
    schemaOid: schemaOid(at.schema),
    kind,
    columns,
    item,
  };
}

function keyOf(table: ShownObject): readonly ShownIndex[] {
  const { item } = table;
  if (item?.kind !== 'table' || item.key.length === 0) return [];
  const columns = item.key.flatMap((place) => item.columns[place] ?? []);
  const object: ShownObject = {
    ...table,
    ...{ oid: KEYS_OID + table.oid, name: `${table.name}_pkey`, kind: 'i', columns, item: null },
  };
  return [{ object, on: table, places: item.key.map((place) => place + 1), isKey: true }];
}

function indexOf(item: Item, on: ShownObject | undefined): readonly ShownIndex[] {
  if (on === undefined) return [];
  const { schema, name } = item.at;
  const object: ShownObject = {
    ...{ oid: FIRST_OID + rankOf(item.id), name, schema, schemaOid: schemaOid(schema) },
    ...{ kind: 'i', columns: on.columns, item },
  };
  return [{ object, on, places: on.columns.map((_, index) => index + 1), isKey: false }];
}

function systemObject({ schema, name, oid, columns }: OwnCollection, place: number): ShownObject {
  const isView = schema === 'information_schema';
  const kind = isView ? 'v' : 'r';
  const owner = isView ? INFORMATION_SCHEMA_OID : PG_CATALOG_OID;
  return { oid: oid ?? 12_000 + place, name, schema, schemaOid: owner, kind, columns, item: null };
}

/** PostgreSQL's number and modifier of a column's type: `varchar(20)` is text with a length here. */
export function typeOf({ type, modifier }: Column): { readonly oid: number; readonly mod: number } {
  const [first, second = 0] = modifier ?? [];
  if (first === undefined) return { oid: TYPE_OIDS[type], mod: -1 };
  if (type === 'numeric') return { oid: TYPE_OIDS.numeric, mod: first * 65_536 + second + 4 };
  return { oid: VARCHAR_OID, mod: first + 4 };
}

const VARCHAR_OID = 1043;

/** Source: `pg_type.dat` of PostgreSQL. */
const TYPE_OIDS: Readonly<Record<SqlType, number>> = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int2: 21,
  int4: 23,
  text: 25,
  oid: 26,
  float4: 700,
  float8: 701,
  unknown: 705,
  _text: 1009,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  numeric: 1700,
  uuid: 2950,
  jsonb: 3802,
};
