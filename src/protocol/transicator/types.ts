/**
 * Type OIDs of columns, from the names that the log keeps of them. Types that Postgres ships are known by name, so
 * a snapshot and the changes after it always agree, whether or not Postgres can be asked. Everything else (enums,
 * extensions, domains) is reported as the type that its values read as.
 */
import type { ColumnDef } from '../../core/table.ts';
import type { ValueKind } from '../../core/value.ts';

export const TIMESTAMP_OID = 1114;
export const TIMESTAMPTZ_OID = 1184;

/** name, OID, OID of the array */
const TYPES = `
boolean 16 1000; bytea 17 1001; "char" 18 1002; name 19 1003; bigint 20 1016; smallint 21 1005;
int2vector 22 1006; integer 23 1007; regproc 24 1008; text 25 1009; oid 26 1028; tid 27 1010; xid 28 1011;
cid 29 1012; oidvector 30 1013; json 114 199; xml 142 143; point 600 1017; lseg 601 1018; path 602 1019;
box 603 1020; polygon 604 1027; line 628 629; cidr 650 651; real 700 1021; double precision 701 1022;
circle 718 719; macaddr8 774 775; money 790 791; macaddr 829 1040; inet 869 1041; aclitem 1033 1034;
character 1042 1014; bpchar 1042 1014; character varying 1043 1015; date 1082 1182;
time without time zone 1083 1183; timestamp without time zone 1114 1115; timestamp with time zone 1184 1185;
interval 1186 1187; time with time zone 1266 1270; bit 1560 1561; bit varying 1562 1563; numeric 1700 1231;
refcursor 1790 2201; regprocedure 2202 2207; regoper 2203 2208; regoperator 2204 2209; regclass 2205 2210;
regtype 2206 2211; uuid 2950 2951; txid_snapshot 2970 2949; pg_lsn 3220 3221; tsvector 3614 3643;
tsquery 3615 3645; regconfig 3734 3735; regdictionary 3769 3770; jsonb 3802 3807; int4range 3904 3905;
numrange 3906 3907; tsrange 3908 3909; tstzrange 3910 3911; daterange 3912 3913; int8range 3926 3927;
jsonpath 4072 4073; regnamespace 4089 4090; regrole 4096 4097; regcollation 4191 4192;
int4multirange 4451 6150; nummultirange 4532 6151; tsmultirange 4533 6152; tstzmultirange 4534 6153;
datemultirange 4535 6155; int8multirange 4536 6157; pg_snapshot 5038 5039; xid8 5069 271`;

const OIDS: ReadonlyMap<string, number> = new Map(
  TYPES.split(';').flatMap((entry): [string, number][] => {
    const words = entry.trim().split(' ');
    const name = words.slice(0, -2).join(' ');
    return [
      [name, Number(words.at(-2))],
      [`${name}[]`, Number(words.at(-1))],
    ];
  }),
);

const OID_BY_KIND: Readonly<Record<ValueKind, number>> = {
  ...{ int: 23, bigint: 20, float: 701, bool: 16, bytes: 17 },
  ...{ timestamptz: TIMESTAMPTZ_OID, text: 25 },
};

/** `numeric(10,2)[]`, `timestamp(3) with time zone`, `interval day to second(3)` */
const MODIFIERS = /\(\d+(?:,-?\d+)?\)/;
const INTERVAL_FIELDS = /^interval [a-z ]+?(?=\[\]|$)/;

/** The OID of a column's type. */
export function typeOidOf({ type, kind }: ColumnDef): number {
  const name = type.replace(MODIFIERS, '').replace(INTERVAL_FIELDS, 'interval');
  return OIDS.get(name) ?? OID_BY_KIND[kind];
}
