/** Responses as the historic coordinator printed them, variant by variant. */

import type { Response } from '../../coordinator/sql/types.ts';
import { unreachable } from '../../core/assert.ts';
import type { ObjectKind } from '../../sql/statement.ts';
import type { Column, SqlRow, SqlType, SqlValue } from '../../sql/types.ts';
import { type DebugValue, struct, tuple, word } from './debug-value.ts';

export function debugResponse(response: Response): DebugValue {
  switch (response.kind) {
    case 'created':
      return struct(`Created${nameOf(response.object)}`, { existed: word(response.existed) });
    case 'dropped':
      return word(`Dropped${nameOf(response.object)}`);
    case 'altered':
      return tuple('AlteredObject', word(nameOf(response.object)));
    case 'inserted':
      return tuple('Inserted', word(response.count));
    case 'updated':
      return tuple('Updated', word(response.count));
    case 'deleted':
      return tuple('Deleted', word(response.count));
    case 'rows':
      return debugRows(response.columns, response.rows);
    case 'canceled':
      // Two spellings: a peek's answer has one l, a statement's has two.
      return word(response.what === 'read' ? 'Canceled' : 'Cancelled');
    case 'streamEnded':
      return word('Tailing');
    case 'started':
      return struct('StartedTransaction', { duplicated: word(response.duplicated) });
    case 'ended': {
      const tag: DebugValue = { kind: 'string', text: response.tag };
      return struct('TransactionExited', { was_implicit: word(response.wasImplicit), tag });
    }
    case 'set':
      return struct('SetVariable', { name: { kind: 'string', text: response.name } });
    case 'declared':
      return word('DeclaredCursor');
    case 'closed':
      return word('ClosedCursor');
    default:
      return unreachable(response);
  }
}

function debugRows(columns: readonly Column[], rows: readonly SqlRow[]): DebugValue {
  const values = rows.map(
    (row): DebugValue => ({
      kind: 'row',
      values: row.map((value, index) => debugDatum(value, columns[index]?.type ?? 'unknown')),
    }),
  );
  return tuple('Rows', { kind: 'list', values });
}

/** The innermost text of floats and decimals differed between versions: scripts of ours do not show them. */
function debugDatum(value: SqlValue, type: SqlType): DebugValue {
  if (value === null) return word('Null');
  const text = String(value);
  switch (type) {
    case 'bool':
      return word(value === true ? 'True' : 'False');
    case 'int2':
      return tuple('Int16', word(text));
    case 'int4':
      return tuple('Int32', word(text));
    case 'int8':
      return tuple('Int64', word(text));
    case 'float4':
      return tuple('Float32', tuple('OrderedFloat', word(text)));
    case 'float8':
      return tuple('Float64', tuple('OrderedFloat', word(text)));
    case 'numeric':
      return tuple('Numeric', tuple('OrderedDecimal', word(text)));
    case 'bytea': {
      const bytes = value instanceof Uint8Array ? [...value] : [];
      return tuple('Bytes', { kind: 'list', values: bytes.map(word) });
    }
    case 'date':
      return tuple('Date', word(text));
    case 'timestamp':
      return tuple('Timestamp', word(text));
    case 'timestamptz':
      return tuple('TimestampTz', word(text));
    case 'interval':
      return tuple('Interval', word(text));
    case 'uuid':
      return tuple('Uuid', word(text));
    default:
      return tuple('String', { kind: 'string', text });
  }
}

function nameOf(object: ObjectKind): string {
  return `${object[0]?.toUpperCase()}${object.slice(1)}`;
}
