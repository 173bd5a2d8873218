/** PostgreSQL's numbers of the types that we have. Source: `pg_type.dat`. */
import type { SqlType } from '../sql/types.ts';

type TypeFacts = { readonly oid: number /** `typlen`; -1 = varies. */; readonly size: number };

const FACTS: Readonly<Record<SqlType, TypeFacts>> = {
  bool: { oid: 16, size: 1 },
  int2: { oid: 21, size: 2 },
  int4: { oid: 23, size: 4 },
  int8: { oid: 20, size: 8 },
  float4: { oid: 700, size: 4 },
  float8: { oid: 701, size: 8 },
  numeric: { oid: 1700, size: -1 },
  text: { oid: 25, size: -1 },
  uuid: { oid: 2950, size: 16 },
  bytea: { oid: 17, size: -1 },
  date: { oid: 1082, size: 4 },
  timestamp: { oid: 1114, size: 8 },
  timestamptz: { oid: 1184, size: 8 },
  interval: { oid: 1186, size: 16 },
  jsonb: { oid: 3802, size: -1 },
  oid: { oid: 26, size: 4 },
  _text: { oid: 1009, size: -1 },
  // A literal that nothing decided is text to whoever reads it.
  unknown: { oid: 25, size: -1 },
};

/** Types that clients name for what is one of ours here. */
const SYNONYMS: readonly (readonly [number, SqlType])[] = [
  [1043, 'text'],
  [1042, 'text'],
  [19, 'text'],
  [114, 'jsonb'],
];

const BY_OID: ReadonlyMap<number, SqlType> = new Map([
  ...SYNONYMS,
  ...Object.entries(FACTS)
    .filter(([type]) => type !== 'unknown')
    .map(([type, { oid }]) => [oid, type as SqlType] as const),
]);

export function oidOf(type: SqlType): number {
  return FACTS[type].oid;
}

export function sizeOf(type: SqlType): number {
  return FACTS[type].size;
}

/** Undefined for a type that we do not have. */
export function typeOfOid(oid: number): SqlType | undefined {
  return BY_OID.get(oid);
}
