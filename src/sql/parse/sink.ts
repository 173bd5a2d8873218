/**
 * `CREATE SINK s FROM v INTO target`: `AVRO OCF [FILE] 'path'`, `JSON [FILE] 'path'`, `SQLITE [FILE] 'path'`, and
 * `FILE 'path' [FORMAT AVRO | JSON | SQLITE]`, which is JSON lines when no format is named.
 */
import type { Form, SinkTarget } from '../statement.ts';
import { readAsOf } from './as-of.ts';
import { flagOf, readName, readOptions, takesIfNotExists } from './names.ts';
import type { TokenReader } from './tokens.ts';

/** After the word SINK. */
export function readSink(reader: TokenReader, sql: string): Form {
  const isIfNotExists = takesIfNotExists(reader);
  const name = readName(reader);
  reader.expect('from');
  const from = readName(reader);
  reader.expect('into');
  const into = readTarget(reader);
  const hasSnapshot = readSnapshot(reader);
  const asOf = readAsOf(reader, sql);
  return { kind: 'createSink', name, isIfNotExists, from, into, asOf, hasSnapshot };
}

function readTarget(reader: TokenReader): SinkTarget {
  if (reader.takes('file')) {
    const path = reader.text();
    const kind = reader.takes('format') ? readKind(reader) : 'json';
    return { kind, path };
  }
  const kind = readKind(reader);
  reader.takes('file');
  return { kind, path: reader.text() };
}

function readKind(reader: TokenReader): SinkTarget['kind'] {
  const kind = reader.expectOneOf(['avro', 'json', 'sqlite']);
  if (kind === 'avro') reader.takes('ocf');
  return kind;
}

function readSnapshot(reader: TokenReader): boolean {
  if (reader.takes('without', 'snapshot')) return false;
  if (reader.takes('with', 'snapshot')) return true;
  if (!reader.takes('with')) return true;
  return flagOf(readOptions(reader, ['snapshot']).get('snapshot'), true);
}
