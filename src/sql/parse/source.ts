/** `CREATE [MATERIALIZED] SOURCE`: a file that may grow, or a table that the engine replicates. */

import { sqlError } from '../errors.ts';
import type { Form } from '../statement.ts';
import { flagOf, readColumnNames, readName, readOptions, takesIfNotExists } from './names.ts';
import type { TokenReader } from './tokens.ts';

/** After the word SOURCE. */
export function readSource(reader: TokenReader, isMaterialized: boolean): Form {
  const isIfNotExists = takesIfNotExists(reader);
  const name = readName(reader);
  const columnNames = readColumnNames(reader);
  const head = { name, isIfNotExists, isMaterialized };
  reader.expect('from');
  if (reader.sees('postgres') && columnNames === null) {
    reader.expect('postgres', 'table');
    return { kind: 'createPostgresSource', ...head, table: readName(reader) };
  }
  reader.expect('file');
  const path = reader.text();
  const before = readTail(reader);
  const format = readFormat(reader);
  const isTail = readTail(reader) ?? before ?? false;
  return {
    kind: 'createFileSource',
    ...head,
    path,
    isTail,
    ...withNames(format, columnNames, reader),
  };
}

function readTail(reader: TokenReader): boolean | null {
  if (!reader.takes('with')) return null;
  return flagOf(readOptions(reader, ['tail']).get('tail'), false);
}

type Format = Pick<
  Extract<Form, { kind: 'createFileSource' }>,
  'format' | 'columnNames' | 'columnCount'
>;

function readFormat(reader: TokenReader): Format {
  reader.expect('format');
  const format = reader.expectOneOf(['text', 'csv', 'json']);
  if (format !== 'csv') return { format, columnNames: null, columnCount: null };
  reader.expect('with');
  if (reader.takes('header')) {
    return { format, columnNames: readColumnNames(reader) ?? 'header', columnCount: null };
  }
  const columnCount = reader.count();
  reader.expect('columns');
  return { format, columnNames: null, columnCount };
}

function withNames(format: Format, names: readonly string[] | null, reader: TokenReader): Format {
  if (names === null) return format;
  const width = format.format === 'csv' ? format.columnCount : 1;
  if (width !== null && width !== names.length) {
    throw sqlError('42601', `the source has ${width} columns, ${names.length} are named`, {
      offset: reader.offset,
    });
  }
  return { ...format, columnNames: names };
}
