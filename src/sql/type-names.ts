/** Types as statements write them. PostgreSQL's parser has turned `int`, `varchar` and the like into its own names. */
import { notSupported, sqlError } from './errors.ts';
import type { Node, TypeName } from './pg-parser.ts';
import type { SqlType } from './types.ts';

/** What PostgreSQL calls a type inside, and what we hold it as. `varchar` is text with a length. */
const TYPES: ReadonlyMap<string, SqlType> = new Map([
  ['bool', 'bool'],
  ['int2', 'int2'],
  ['int4', 'int4'],
  ['int8', 'int8'],
  ['float4', 'float4'],
  ['float8', 'float8'],
  ['numeric', 'numeric'],
  ['text', 'text'],
  ['varchar', 'text'],
  ['uuid', 'uuid'],
  ['bytea', 'bytea'],
  ['date', 'date'],
  ['timestamp', 'timestamp'],
  ['timestamptz', 'timestamptz'],
  ['interval', 'interval'],
  ['jsonb', 'jsonb'],
  ['oid', 'oid'],
  ['name', 'text'],
]);

/** The name that messages and column headers use: PostgreSQL's. */
const LONG_NAMES: Readonly<Record<SqlType, string>> = {
  bool: 'boolean',
  int2: 'smallint',
  int4: 'integer',
  int8: 'bigint',
  float4: 'real',
  float8: 'double precision',
  numeric: 'numeric',
  text: 'text',
  uuid: 'uuid',
  bytea: 'bytea',
  date: 'date',
  timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
  interval: 'interval',
  jsonb: 'jsonb',
  oid: 'oid',
  _text: 'text[]',
  unknown: 'unknown',
};

export const typeNames = [...TYPES.keys()];

export const longName = (type: SqlType): string => LONG_NAMES[type];

/** A type with what stands in its parentheses: `[10, 2]` of `numeric(10, 2)`, `[20]` of `varchar(20)`. */
export type TypeUse = { readonly type: SqlType; readonly modifier: readonly number[] | null };

export function readTypeName(name: TypeName): TypeUse {
  const offset = name.location;
  const parts = (name.names ?? []).map((part) =>
    'String' in part ? (part.String.sval ?? '') : '',
  );
  const written = parts.at(-1) ?? '';
  if (name.setof || name.pct_type) throw notSupported(`the type ${written}`, offset);
  if (name.arrayBounds) return { type: arrayOf(written, name, offset), modifier: null };
  const type = parts.length === 1 || parts[0] === 'pg_catalog' ? TYPES.get(written) : undefined;
  if (type === undefined) throw unknownType(parts, offset);
  const modifier = name.typmods?.map(modifierOf) ?? null;
  return { type, modifier: modifier === null ? null : checkModifier(written, modifier, offset) };
}

/** Arrays are of texts, in one dimension. */
function arrayOf(written: string, name: TypeName, offset: number | undefined): SqlType {
  if (written === 'text' && name.arrayBounds?.length === 1) return '_text';
  throw notSupported(`an array (${written}[])`, offset);
}

function unknownType(parts: readonly string[], offset: number | undefined): Error {
  const [schema, name] = parts.length > 1 ? parts : ['', parts[0]];
  if (schema === 'pg_catalog') return notSupported(`the type ${name}`, offset);
  return sqlError('42704', `type "${parts.join('.')}" does not exist or is not supported`, {
    offset,
    hint: `there are: ${typeNames.join(', ')}`,
  });
}

function modifierOf(node: Node): number {
  return 'A_Const' in node ? (node.A_Const.ival?.ival ?? 0) : Number.NaN;
}

/** PostgreSQL's bounds. */
const NUMERIC_PRECISION_MAX = 1000;
const LENGTH_MAX = 10_485_760;

function checkModifier(
  written: string,
  modifier: readonly number[],
  offset: number | undefined,
): readonly number[] {
  const [first = Number.NaN, second = 0] = modifier;
  if (written === 'numeric') {
    if (!(first >= 1 && first <= NUMERIC_PRECISION_MAX)) {
      throw sqlError('22023', `NUMERIC precision ${first} must be between 1 and 1000`, { offset });
    }
    if (!(second >= 0 && second <= first)) {
      throw notSupported('a numeric scale below 0 or above the precision', offset);
    }
    return [first, second];
  }
  if (written === 'varchar') {
    if (!(first >= 1 && first <= LENGTH_MAX)) {
      throw sqlError('22023', 'length for type varchar must be at least 1', { offset });
    }
    return [first];
  }
  throw notSupported(`a precision of the type ${written}`, offset);
}
