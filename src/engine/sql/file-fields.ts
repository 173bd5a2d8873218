/** Records of files as rows. */
import { messageOf } from '../../core/errors.ts';
import { sqlError } from '../../sql/errors.ts';
import type { FileFormat } from '../../sql/statement.ts';
import type { Column } from '../../sql/types.ts';
import { formatJson, parseJson } from '../../sql/values/json.ts';

/** The columns that a file's records fill: all but a last one for the number of the line. */
export function fieldCount(format: FileFormat, columns: readonly Column[]): number {
  const last = columns.at(-1);
  const least = format === 'csv' ? columns.length : 1;
  return columns.length > 1 && last?.type === 'int8' ? columns.length - 1 : least;
}

/** The fields of a record. Throws 22P02 without a place: the caller knows the line. */
export function fieldsOf(format: FileFormat, text: string, count: number): readonly string[] {
  switch (format) {
    case 'csv':
      return csvFields(text, count);
    case 'json':
      return [jsonText(text)];
    default:
      return [text];
  }
}

/** A field ends at a comma or the end; quotes around it, doubled inside. An empty field is an empty text. */
const CSV_FIELD = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;

function csvFields(text: string, count: number): string[] {
  const fields: string[] = [];
  let at = 0;
  for (let isMore = true; isMore; ) {
    CSV_FIELD.lastIndex = at;
    const match = CSV_FIELD.exec(text);
    if (match === null) {
      throw sqlError('22P02', `misplaced quote in field ${fields.length + 1}`);
    }
    const [whole, quoted, plain, end] = match;
    fields.push(quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"'));
    at += whole.length;
    isMore = end === ',';
  }
  if (fields.length !== count) {
    throw sqlError('22P02', `${fields.length} fields instead of ${count}`);
  }
  return fields;
}

function jsonText(text: string): string {
  try {
    return formatJson(parseJson(text));
  } catch (error) {
    throw sqlError('22P02', `not JSON: ${messageOf(error)}`, { cause: error });
  }
}
