/** CREATE SOURCE: files that are read from this machine, and replicated tables of PostgreSQL. */
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, SqlType } from '../../sql/types.ts';
import { addItem, type ItemName, nextItemId } from './catalog.ts';
import { type Context, command } from './context.ts';
import { addIndex, created, newPlace, stampChange } from './define.ts';
import { addFront } from './frontiers.ts';
import { LOCAL_TIMELINE, POSTGRES_TIMELINE } from './state.ts';
import type { Response } from './types.ts';

type FileStatement = Statement & { readonly kind: 'createFileSource' };

/** Of a CSV source. */
const COLUMNS_MAX = 1600;

export function createFileSource(context: Context, statement: FileStatement): Response | null {
  const { session, out } = context;
  if (newPlace(context, statement) === null) return created('source', true);
  if (statement.columnNames !== 'header') {
    return addFileSource(context, statement, columnsOf(statement));
  }
  const { connection } = session;
  session.running = { kind: 'header', statement };
  out.push({ kind: 'readHeader', connection, path: statement.path });
  return null;
}

/** The header was read while other sessions went on: the name may be taken by now. */
export function headerRead(
  context: Context,
  statement: FileStatement,
  names: readonly string[],
): Response {
  return addFileSource(context, statement, names.map(textColumn));
}

function addFileSource(
  context: Context,
  statement: FileStatement,
  columns: readonly Column[],
): Response {
  const at = newPlace(context, statement);
  if (at === null) return created('source', true);
  if (columns.length === 0 || columns.length > COLUMNS_MAX) {
    const message = `a source has 1 to ${COLUMNS_MAX} columns`;
    throw sqlError('54011', message, { offset: statement.offset });
  }
  const { path, isTail, format } = statement;
  const source = { at, columns, timeline: LOCAL_TIMELINE, from: `file ${path}` };
  const id = addSource(context, statement, source);
  const hasHeader = format === 'csv' && statement.columnCount === null;
  const file = { path, isTail, format, hasHeader };
  command(context, { kind: 'createFileSource', id, columns, ...file });
  if (statement.isMaterialized) addIndex(context, { on: id, text: statement.text });
  return created('source');
}

export function createPostgresSource(
  context: Context,
  statement: Statement & { readonly kind: 'createPostgresSource' },
): Response {
  const at = newPlace(context, statement);
  if (at === null) return created('source', true);
  const { parts, offset } = statement.table;
  const [table = '', schema = 'public'] = [...parts].reverse();
  const columns = context.state.replicated.get(`${schema}.${table}`);
  if (columns === undefined) {
    const hint = 'SHOW REPLICATED TABLES lists them; /v1/status says what another table lacks';
    throw sqlError('42P01', `${schema}.${table} is not a replicated table`, { offset, hint });
  }
  const from = `postgres ${schema}.${table}`;
  const timeline = POSTGRES_TIMELINE;
  const id = addSource(context, statement, { at, columns, timeline, from });
  command(context, { kind: 'createPostgresSource', id, columns, schema, table });
  if (statement.isMaterialized) addIndex(context, { on: id, text: statement.text });
  return created('source');
}

function addSource(
  context: Context,
  { text }: Statement,
  source: {
    readonly at: ItemName;
    readonly columns: readonly Column[];
    readonly timeline: string;
    readonly from: string;
  },
): string {
  const { state } = context;
  stampChange(context);
  const id = nextItemId(state.catalog);
  addItem(state.catalog, { kind: 'source', id, text, ...source });
  addFront(state, id, { since: 0, timeline: source.timeline, inputs: [] });
  return id;
}

function columnsOf({ format, columnNames, columnCount }: FileStatement): readonly Column[] {
  if (format === 'text') return [column('text', 'text')];
  if (format === 'json') return [column('data', 'jsonb')];
  if (Array.isArray(columnNames)) return columnNames.map(textColumn);
  const count = Math.min(columnCount ?? 0, COLUMNS_MAX + 1);
  return Array.from({ length: count }, (_, index) => textColumn(`column${index + 1}`));
}

function textColumn(name: string): Column {
  return column(name, 'text');
}

function column(name: string, type: SqlType): Column {
  return { name, type, isNullable: true };
}
