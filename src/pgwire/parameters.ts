/** Values that a client binds to `$1`, `$2`, .... */

import { fromPostgresText } from '../sql/text-values.ts';
import type { SqlType, SqlValue } from '../sql/types.ts';
import { type Format, textOf } from './incoming.ts';
import { formatAt } from './outgoing.ts';
import { valueOfBinary } from './value-binary.ts';
import { protocolError } from './wire-error.ts';

/** Throws for a wrong count, and for values that are none of their type. */
export function readValues(
  types: readonly SqlType[],
  values: readonly (Buffer | null)[],
  formats: readonly Format[],
): readonly SqlValue[] {
  if (values.length !== types.length) {
    throw protocolError(
      `${values.length} values are bound, but the statement has ${types.length} parameters`,
    );
  }
  if (formats.length > 1 && formats.length !== values.length) {
    throw protocolError('there must be no format, one, or one for each value');
  }
  return values.map((bytes, index) => {
    const type = types[index] ?? 'text';
    if (bytes === null) return null;
    if (formatAt(formats, index) === 'binary') return valueOfBinary(type, bytes);
    return fromPostgresText(type, textOf(bytes));
  });
}
