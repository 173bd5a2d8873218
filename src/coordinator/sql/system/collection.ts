/** How a system collection is declared: its columns in one text, and its rows by the names of those columns. */
import { assert } from '../../../core/assert.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../../sql/types.ts';
import type { SystemView } from './objects.ts';

/** Columns that a row leaves out are NULL where they may be, else the nothing of their type. */
export type SystemRow = Readonly<Record<string, SqlValue>>;

export type Collection = {
  readonly schema: 'pg_catalog' | 'information_schema';
  readonly name: string;
  /** PostgreSQL's own number for the few that clients know by heart; the others get one by their place. */
  readonly oid: number | null;
  readonly columns: readonly Column[];
  readonly rows: (view: SystemView) => readonly SystemRow[];
};

const TYPES: Readonly<Record<string, SqlType>> = {
  bool: 'bool',
  char: 'text',
  float4: 'float4',
  int2: 'int2',
  int4: 'int4',
  int8: 'int8',
  name: 'text',
  oid: 'oid',
  text: 'text',
  texts: '_text',
  timestamptz: 'timestamptz',
};

/** `name:type` with a blank between two columns, and `?` behind the type of one that may be NULL. */
export function columnsOf(list: string): readonly Column[] {
  return list
    .trim()
    .split(/\s+/)
    .map((written) => {
      const [name = '', type = ''] = written.split(':');
      const known = TYPES[type.replace('?', '')];
      assert(known !== undefined, `${written} has a type`);
      return { name, type: known, isNullable: type.endsWith('?') };
    });
}

export function valuesOf({ columns }: Collection, rows: readonly SystemRow[]): readonly SqlRow[] {
  return rows.map((row) =>
    columns.map(({ name, type, isNullable }) => row[name] ?? (isNullable ? null : nothing(type))),
  );
}

function nothing(type: SqlType): SqlValue {
  if (type === 'bool') return false;
  if (type === 'int8') return 0n;
  return type === 'text' ? '' : type === '_text' ? '{}' : 0;
}
