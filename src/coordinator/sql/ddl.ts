/** CREATE of databases, schemas, tables and indexes; ALTER INDEX. */
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import {
  addDatabase,
  addItem,
  addSchema,
  findItem,
  isRelation,
  nextItemId,
  placeOf,
  resolve,
} from './catalog.ts';
import { type Context, command } from './context.ts';
import { addIndex, created, newPlace, stampChange, wrongKind } from './define.ts';
import { addFront, setWindow } from './frontiers.ts';
import { keyPositions } from './keys.ts';
import { LOCAL_TIMELINE } from './state.ts';
import type { Response } from './types.ts';

export function createNamespace(
  context: Context,
  statement: Statement & { readonly kind: 'createDatabase' | 'createSchema' },
): Response {
  return statement.kind === 'createDatabase'
    ? createDatabase(context, statement)
    : createSchema(context, statement);
}

function createDatabase(
  context: Context,
  { name, isIfNotExists }: Statement & { readonly kind: 'createDatabase' | 'createSchema' },
): Response {
  const { catalog, options } = context.state;
  const database = name.parts.at(-1) ?? '';
  if (catalog.databases.has(database)) {
    if (isIfNotExists) return created('database', true);
    throw sqlError('42P04', `database '${database}' already exists`, { offset: name.offset });
  }
  stampChange(context);
  addDatabase(catalog, database, options.schema);
  return created('database');
}

function createSchema(
  { state, session }: Context,
  { name, isIfNotExists }: Statement & { readonly kind: 'createDatabase' | 'createSchema' },
): Response {
  const { catalog } = state;
  const { offset } = name;
  const [schema = '', database = session.database] = [...name.parts].reverse();
  const found = catalog.databases.get(database);
  if (found === undefined) throw sqlError('3D000', `unknown database ${database}`, { offset });
  if (found.schemas.has(schema)) {
    if (isIfNotExists) return created('schema', true);
    throw sqlError('42P06', `schema '${schema}' already exists`, { offset });
  }
  addSchema(catalog, { database, schema });
  return created('schema');
}

export function createTable(
  context: Context,
  statement: Statement & { readonly kind: 'createTable' },
): Response {
  const { state } = context;
  const at = newPlace(context, statement);
  if (at === null) return created('table', true);
  const { text } = statement;
  const columns = statement.columns.map(({ default: _, ...column }) => column);
  const defaults = statement.columns.map((column) => column.default);
  const key = keyPositions(columns, statement.key, statement.offset);
  stampChange(context);
  const id = nextItemId(state.catalog);
  const timeline = LOCAL_TIMELINE;
  addItem(state.catalog, { kind: 'table', id, at, text, columns, defaults, key, timeline });
  addFront(state, id, { since: 0, timeline, inputs: [] });
  command(context, { kind: 'createTable', id, columns, key, since: 0 });
  if (state.options.doesIndexTables) addIndex(context, { on: id, text });
  return created('table');
}

export function createIndex(
  context: Context,
  statement: Statement & { readonly kind: 'createDefaultIndex' },
): Response {
  const { state, session } = context;
  const { name, on, text, isIfNotExists } = statement;
  const item = resolve(state.catalog, on, session);
  if (!isRelation(item)) throw wrongKind(item.at, 'a table, source or view', on.offset);
  if (name === null) {
    stampChange(context);
    addIndex(context, { on: item.id, text });
    return created('index');
  }
  // An index lives where its item does.
  const at = { ...placeOf(state.catalog, name, session), ...placeIfQualified(item.at, name.parts) };
  const before = findItem(state.catalog, at);
  if (before !== undefined) {
    if (isIfNotExists) return created('index', true);
    const isMade = before.kind === 'index' && before.on === item.id;
    if (isMade && state.options.acceptsMadeIndexes) return created('index');
    const message = `catalog item '${at.name}' already exists`;
    throw sqlError('42P07', message, { offset: name.offset });
  }
  stampChange(context);
  addIndex(context, { on: item.id, at, text });
  return created('index');
}

function placeIfQualified(
  of: { readonly database: string; readonly schema: string },
  parts: readonly string[],
): { readonly database?: string; readonly schema?: string } {
  return parts.length > 1 ? {} : { database: of.database, schema: of.schema };
}

export function alterIndex(
  context: Context,
  statement: Statement & { readonly kind: 'alterIndex' },
): Response {
  const { state, session } = context;
  const { name, window, isIfExists } = statement;
  const item = findItem(state.catalog, placeOf(state.catalog, name, session));
  if (item === undefined && isIfExists) return { kind: 'altered', object: 'index' };
  const index = item ?? resolve(state.catalog, name, session);
  if (index.kind !== 'index') throw wrongKind(index.at, 'an index', name.offset);
  const usual = state.options.windowMs;
  setWindow(state, index.id, window === 'off' ? null : (window ?? usual));
  return { kind: 'altered', object: 'index' };
}
