/** The first line of a CSV file, as the names of a source's columns. */
import { toSqlError } from '../../sql/errors.ts';
import { fieldsOf } from './file-fields.ts';
import { readRecords } from './file-records.ts';

type Header =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'failed'; readonly message: string };

export function readHeader(path: string): Header {
  try {
    const from = { offset: 0, line: 1 };
    for (const { text } of readRecords({ path, format: 'csv', from, isClosed: true })) {
      const count = text.replace(/"(?:[^"]|"")*"/g, '').split(',').length;
      return { kind: 'names', names: fieldsOf('csv', text, count) };
    }
    return { kind: 'failed', message: `${path} is empty: it has no header` };
  } catch (error) {
    return { kind: 'failed', message: toSqlError(error).message };
  }
}
