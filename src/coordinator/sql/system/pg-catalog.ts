/** The tables of `pg_catalog` that have rows: schemas, relations, columns, types, indexes, roles. */
import type { Column } from '../../../sql/types.ts';
import { type Collection, columnsOf, type SystemRow } from './collection.ts';
import { defaultOf, definitionOf, nameOf } from './definitions.ts';
import {
  COLLATED,
  COLLATION_OID,
  OWNER,
  OWNER_OID,
  oidOfName,
  PG_CATALOG_OID,
  type ShownIndex,
  type ShownObject,
  type SystemView,
  typeOf,
} from './objects.ts';
import { typeRows } from './types.ts';

const HEAP_OID = 2;
const INDEX_AM_OID = 403;
const TABLESPACE_OID = 1663;
const UTF8 = 6;

const collection = (
  name: string,
  oid: number | null,
  list: string,
  rows: Collection['rows'],
): Collection => ({ schema: 'pg_catalog', name, oid, columns: columnsOf(list), rows });

const classes = (view: SystemView): readonly SystemRow[] =>
  view.objects.map((object) => {
    const { oid, name, schemaOid, kind, columns } = object;
    return {
      ...{ oid, relname: name, relnamespace: schemaOid, relowner: OWNER_OID, relkind: kind },
      relam: kind === 'i' ? INDEX_AM_OID : kind === 'v' ? 0 : HEAP_OID,
      ...{ relfilenode: oid, reltuples: -1, relpersistence: 'p', relreplident: 'd' },
      relhasindex: view.indexes.some(({ on }) => on.oid === oid),
      ...{
        relnatts: columns.length,
        relhasrules: kind === 'v' || kind === 'm',
        relispopulated: true,
      },
    };
  });

const attributes = (view: SystemView): readonly SystemRow[] =>
  view.objects.flatMap((object) =>
    object.columns.map((column, index) => attribute(object, column, index)),
  );

function attribute(object: ShownObject, column: Column, index: number): SystemRow {
  const { oid, mod } = typeOf(column);
  const isText = COLLATED.has(oid);
  return {
    ...{ attrelid: object.oid, attname: column.name, atttypid: oid, atttypmod: mod },
    ...{ attnum: index + 1, attlen: -1, attnotnull: !column.isNullable && object.kind === 'r' },
    atthasdef: defaultOf(object, index) !== null,
    ...{ attstorage: isText ? 'x' : 'p', attalign: 'i', attislocal: true },
    attcollation: isText ? COLLATION_OID : 0,
  };
}

const defaults = (view: SystemView): readonly SystemRow[] =>
  view.objects.flatMap((object) =>
    object.columns.flatMap((_, index) => {
      const adbin = defaultOf(object, index);
      if (adbin === null) return [];
      const oid = oidOfName(`default ${object.oid} ${index}`);
      return [{ oid, adrelid: object.oid, adnum: index + 1, adbin }];
    }),
  );

const indexRow = ({ object, on, places, isKey }: ShownIndex): SystemRow => ({
  ...{ indexrelid: object.oid, indrelid: on.oid, indisunique: isKey, indisprimary: isKey },
  ...{ indnatts: places.length, indnkeyatts: places.length, indkey: places.join(' ') },
  ...{ indimmediate: true, indisvalid: true, indisready: true, indislive: true },
});

const constraintRow = ({ object, on, places }: ShownIndex): SystemRow => ({
  ...{ oid: object.oid, conname: object.name, connamespace: on.schemaOid, contype: 'p' },
  ...{ convalidated: true, conenforced: true, conrelid: on.oid, conindid: object.oid },
  ...{ conislocal: true, conkey: `{${places.join(',')}}` },
});

const databases = ({ state }: SystemView): readonly SystemRow[] =>
  [...state.catalog.databases.keys()].map((datname) => ({
    ...{ oid: oidOfName(`database ${datname}`), datname, datdba: OWNER_OID, encoding: UTF8 },
    ...{ datlocprovider: 'b', datcollate: 'C', datctype: 'C', datlocale: 'C.UTF-8' },
    ...{ datallowconn: true, datconnlimit: -1, dattablespace: TABLESPACE_OID },
  }));

/** The owner of everything, and whoever asks. */
const roles = ({ session }: SystemView): readonly SystemRow[] =>
  [...new Set([OWNER, session.user])].map((rolname) => ({
    oid: rolname === OWNER ? OWNER_OID : oidOfName(`role ${rolname}`),
    ...{ rolname, rolinherit: true, rolcanlogin: true, rolconnlimit: -1 },
    ...(rolname === OWNER ? { rolsuper: true, rolcreaterole: true, rolcreatedb: true } : {}),
  }));

/** What functions like `pg_get_viewdef` and casts like `oid::regclass` look up. */
const texts = (view: SystemView): readonly SystemRow[] => [
  ...view.objects.map((object) => ({
    ...{ oid: object.oid, name: nameOf(view, object), definition: definitionOf(view, object) },
    ...{ kind: 'class', relname: object.name, nspname: object.schema },
    isvisible: object.schema === view.session.schema || object.schemaOid === PG_CATALOG_OID,
  })),
  ...view.schemas.map(({ oid, name }) => ({ oid, name, kind: 'namespace', relname: name })),
  ...roles(view).map(({ oid = 0, rolname = '' }) => ({
    ...{ oid, name: rolname, kind: 'role', relname: rolname },
  })),
];

export const pgCatalog: readonly Collection[] = [
  collection(
    'pg_class',
    1259,
    `oid:oid relname:name relnamespace:oid reltype:oid reloftype:oid relowner:oid relam:oid relfilenode:oid
    reltablespace:oid relpages:int4 reltuples:float4 relallvisible:int4 reltoastrelid:oid relhasindex:bool
    relisshared:bool relpersistence:char relkind:char relnatts:int2 relchecks:int2 relhasrules:bool relhastriggers:bool
    relhassubclass:bool relrowsecurity:bool relforcerowsecurity:bool relispopulated:bool relreplident:char
    relispartition:bool relrewrite:oid relacl:texts? reloptions:texts? relpartbound:text?`,
    classes,
  ),
  collection(
    'pg_attribute',
    1249,
    `attrelid:oid attname:name atttypid:oid attlen:int2 attnum:int2 attndims:int2 atttypmod:int4 attalign:char
    attstorage:char attcompression:char attnotnull:bool atthasdef:bool atthasmissing:bool attidentity:char
    attgenerated:char attisdropped:bool attislocal:bool attinhcount:int2 attcollation:oid attstattarget:int2?
    attacl:texts? attoptions:texts? attfdwoptions:texts?`,
    attributes,
  ),
  collection('pg_attrdef', 2604, 'oid:oid adrelid:oid adnum:int2 adbin:text', defaults),
  collection(
    'pg_namespace',
    2615,
    'oid:oid nspname:name nspowner:oid nspacl:texts?',
    ({ schemas }) => schemas.map(({ oid, name }) => ({ oid, nspname: name, nspowner: OWNER_OID })),
  ),
  collection(
    'pg_type',
    1247,
    `oid:oid typname:name typnamespace:oid typowner:oid typlen:int2 typbyval:bool typtype:char typcategory:char
    typispreferred:bool typisdefined:bool typdelim:char typrelid:oid typelem:oid typarray:oid typinput:text
    typoutput:text typreceive:text typsend:text typalign:char typstorage:char typnotnull:bool typbasetype:oid
    typtypmod:int4 typndims:int4 typcollation:oid typdefault:text? typacl:texts?`,
    typeRows,
  ),
  collection(
    'pg_index',
    2610,
    `indexrelid:oid indrelid:oid indnatts:int2 indnkeyatts:int2 indisunique:bool indnullsnotdistinct:bool
    indisprimary:bool indisexclusion:bool indimmediate:bool indisclustered:bool indisvalid:bool indcheckxmin:bool
    indisready:bool indislive:bool indisreplident:bool indkey:text indexprs:text? indpred:text?`,
    ({ indexes }) => indexes.map(indexRow),
  ),
  collection(
    'pg_constraint',
    2606,
    `oid:oid conname:name connamespace:oid contype:char condeferrable:bool condeferred:bool conenforced:bool
    convalidated:bool conrelid:oid contypid:oid conindid:oid conparentid:oid confrelid:oid confupdtype:char
    confdeltype:char confmatchtype:char conislocal:bool coninhcount:int2 connoinherit:bool conperiod:bool conkey:texts?
    confkey:texts? conbin:text?`,
    ({ indexes }) => indexes.filter(({ isKey }) => isKey).map(constraintRow),
  ),
  collection(
    'pg_database',
    1262,
    `oid:oid datname:name datdba:oid encoding:int4 datlocprovider:char datistemplate:bool datallowconn:bool
    dathasloginevt:bool datconnlimit:int4 dattablespace:oid datcollate:text datctype:text datlocale:text?
    daticulocale:text? daticurules:text? datcollversion:text? datacl:texts?`,
    databases,
  ),
  collection(
    'pg_roles',
    null,
    `rolname:name rolsuper:bool rolinherit:bool rolcreaterole:bool rolcreatedb:bool rolcanlogin:bool
    rolreplication:bool rolconnlimit:int4 rolpassword:text? rolvaliduntil:timestamptz? rolbypassrls:bool
    rolconfig:texts? oid:oid`,
    roles,
  ),
  collection('pg_am', 2601, 'oid:oid amname:name amhandler:text amtype:char', () => [
    { oid: HEAP_OID, amname: 'heap', amtype: 't' },
    { oid: INDEX_AM_OID, amname: 'btree', amtype: 'i' },
  ]),
  collection(
    'pg_collation',
    3456,
    'oid:oid collname:name collnamespace:oid collowner:oid collprovider:char collencoding:int4',
    () => [
      { oid: 100, collname: 'default', collnamespace: PG_CATALOG_OID, collprovider: 'd' },
      { oid: COLLATION_OID, collname: 'C', collnamespace: PG_CATALOG_OID, collprovider: 'c' },
    ],
  ),
  collection('pg_tablespace', 1213, 'oid:oid spcname:name spcowner:oid spcacl:texts?', () => [
    { oid: TABLESPACE_OID, spcname: 'pg_default', spcowner: OWNER_OID },
  ]),
  collection(
    '?texts',
    null,
    'oid:oid kind:text name:text relname:text nspname:text? isvisible:bool definition:text?',
    texts,
  ),
];
