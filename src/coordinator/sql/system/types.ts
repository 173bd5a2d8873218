/** Rows of `pg_type`. Source: `pg_type.dat` of PostgreSQL. */
import type { SystemRow } from './collection.ts';
import { COLLATED, COLLATION_OID, OWNER_OID, PG_CATALOG_OID } from './objects.ts';

/** Number, name, length, category. */
const BASE: readonly (readonly [oid: number, name: string, size: number, category: string])[] = [
  [16, 'bool', 1, 'B'],
  [17, 'bytea', -1, 'U'],
  [18, 'char', 1, 'Z'],
  [19, 'name', 64, 'S'],
  [20, 'int8', 8, 'N'],
  [21, 'int2', 2, 'N'],
  [23, 'int4', 4, 'N'],
  [25, 'text', -1, 'S'],
  [26, 'oid', 4, 'N'],
  [700, 'float4', 4, 'N'],
  [701, 'float8', 8, 'N'],
  [1009, '_text', -1, 'A'],
  [1043, 'varchar', -1, 'S'],
  [1082, 'date', 4, 'D'],
  [1114, 'timestamp', 8, 'D'],
  [1184, 'timestamptz', 8, 'D'],
  [1186, 'interval', 16, 'T'],
  [1700, 'numeric', -1, 'N'],
  [2950, 'uuid', 16, 'U'],
  [3802, 'jsonb', -1, 'U'],
];

const TEXT_OID = 25;
const TEXTS_OID = 1009;
const PREFERRED = new Set(['bool', 'text', 'float8', 'timestamptz', 'interval', 'oid']);

export const typeRows = (): readonly SystemRow[] =>
  BASE.map(([oid, typname, typlen, typcategory]) => ({
    ...{ oid, typname, typlen, typcategory, typnamespace: PG_CATALOG_OID, typowner: OWNER_OID },
    ...{ typtype: 'b', typisdefined: true, typdelim: ',', typtypmod: -1 },
    typispreferred: PREFERRED.has(typname),
    typelem: oid === TEXTS_OID ? TEXT_OID : 0,
    typcollation: COLLATED.has(oid) ? COLLATION_OID : 0,
    typarray: oid === TEXT_OID ? TEXTS_OID : 0,
    ...{ typinput: `${typname}in`, typoutput: `${typname}out` },
    ...{ typreceive: `${typname}recv`, typsend: `${typname}send` },
  }));
