/** CREATE, ALTER and DROP. */
import { notSupported, sqlError } from '../errors.ts';
import type { Form, ObjectKind } from '../statement.ts';
import { durationMs, readColumnNames, readName, readNames, takesIfNotExists } from './names.ts';
import { readSink } from './sink.ts';
import { readSource } from './source.ts';
import { readTable } from './table.ts';
import type { TokenReader } from './tokens.ts';
import { parseSelect } from './tree.ts';

export function readCreate(reader: TokenReader, sql: string): Form {
  const { offset } = reader;
  reader.expect('create');
  const isOrReplace = reader.takes('or', 'replace');
  const isMaterialized = reader.takes('materialized');
  if (reader.takes('view')) return readView(reader, sql, { isOrReplace, isMaterialized });
  if (isOrReplace) throw notSupported('OR REPLACE of anything but a view', offset);
  if (reader.takes('source')) return readSource(reader, isMaterialized);
  if (isMaterialized) throw reader.failure();
  if (reader.takes('sink')) return readSink(reader, sql);
  if (reader.takes('default', 'index')) return readDefaultIndex(reader);
  if (reader.takes('schema')) return readNamespace(reader, 'createSchema');
  if (reader.takes('database')) return readNamespace(reader, 'createDatabase');
  if (reader.sees('table')) return readTable(reader, sql, offset);
  throw notSupported(`CREATE ${reader.next?.value.toUpperCase() ?? ''}`.trimEnd(), offset);
}

function readNamespace(reader: TokenReader, kind: 'createSchema' | 'createDatabase'): Form {
  const isIfNotExists = takesIfNotExists(reader);
  return { kind, name: readName(reader), isIfNotExists };
}

function readView(
  reader: TokenReader,
  sql: string,
  flags: { readonly isOrReplace: boolean; readonly isMaterialized: boolean },
): Form {
  const isIfNotExists = takesIfNotExists(reader);
  const name = readName(reader);
  const columnNames = readColumnNames(reader);
  reader.expect('as');
  const [first, last] = [reader.next, reader.rest.at(-1)];
  if (first === undefined || last === undefined) throw reader.failure();
  const select = parseSelect(sql.slice(first.start, last.end), first.start);
  reader.skipTo(last.end);
  return { kind: 'createView', name, isIfNotExists, ...flags, columnNames, select };
}

function readDefaultIndex(reader: TokenReader): Form {
  const isIfNotExists = takesIfNotExists(reader);
  const name = reader.sees('on') ? null : readName(reader);
  reader.expect('on');
  return { kind: 'createDefaultIndex', name, on: readName(reader), isIfNotExists };
}

const WINDOW = 'logical_compaction_window';

export function readAlter(reader: TokenReader): Form {
  const { offset } = reader;
  reader.expect('alter');
  if (!reader.takes('index')) throw notSupported('ALTER of anything but an index', offset);
  const isIfExists = reader.takes('if', 'exists');
  const name = readName(reader);
  const isSet = reader.expectOneOf(['set', 'reset']) === 'set';
  reader.expect('(', WINDOW);
  if (isSet) reader.expect('=');
  const window = isSet ? readWindow(reader) : null;
  reader.expect(')');
  return { kind: 'alterIndex', name, window, isIfExists };
}

function readWindow(reader: TokenReader): number | 'off' {
  if (reader.takes('off')) return 'off';
  const { offset } = reader;
  const value = reader.next?.kind === 'number' ? reader.count() : reader.text();
  if (value === 'off') return 'off';
  const window = durationMs(value);
  if (!Number.isSafeInteger(window)) {
    throw sqlError('22023', `${WINDOW} is whole milliseconds`, { offset });
  }
  return window;
}

const OBJECTS: readonly ObjectKind[] = [
  'table',
  'source',
  'view',
  'index',
  'sink',
  'schema',
  'database',
];

export function readDrop(reader: TokenReader): Form {
  const { offset } = reader;
  reader.expect('drop');
  reader.takes('materialized');
  const object = OBJECTS.find((kind) => reader.takes(kind));
  if (object === undefined) {
    throw notSupported(`DROP ${reader.next?.value.toUpperCase() ?? ''}`.trimEnd(), offset);
  }
  const isIfExists = reader.takes('if', 'exists');
  const names = readNames(reader);
  const isCascade = reader.takes('cascade');
  if (!isCascade) reader.takes('restrict');
  return { kind: 'drop', object, names, isIfExists, isCascade };
}
