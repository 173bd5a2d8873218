/** SHOW: what the catalog has, and settings. */
import { notSupported, sqlError } from '../../sql/errors.ts';
import type { Name, Statement } from '../../sql/statement.ts';
import type { Column, SqlRow } from '../../sql/types.ts';
import { fullName, type Item, indexesOf, isRelation, itemOf, resolve } from './catalog.ts';
import type { Context } from './context.ts';
import { settingOf } from './settings.ts';
import type { Response } from './types.ts';

type ShowStatement = Statement & { readonly kind: 'show' };

const ITEM_KINDS: ReadonlyMap<string, Item['kind']> = new Map([
  ['tables', 'table'],
  ['sources', 'source'],
  ['views', 'view'],
  ['indexes', 'index'],
  ['sinks', 'sink'],
]);

export function show(context: Context, statement: ShowStatement): Response {
  const { what, of, offset } = statement;
  const kind = ITEM_KINDS.get(what);
  if (kind !== undefined) return showItems(context, kind, of);
  if (what.startsWith('create ')) return showCreate(context, statement);
  const { state, session } = context;
  switch (what) {
    case 'objects':
      return showObjects(context, of);
    case 'databases':
      return names('name', [...state.catalog.databases.keys()]);
    case 'schemas': {
      const database = of?.parts.at(-1) ?? session.database;
      const found = state.catalog.databases.get(database);
      if (found === undefined) throw sqlError('3D000', `unknown database ${database}`, { offset });
      return names('name', [...found.schemas.keys()]);
    }
    case 'columns':
      if (of === null) throw notSupported('SHOW COLUMNS without FROM', offset);
      return showColumns(context, of);
    case 'replicated tables':
      return names('name', [...state.replicated.keys()]);
    default:
      return names(what, [settingOf(context, what, offset)]);
  }
}

/** Of one schema, or with `FROM t` the indexes of one item. */
function showItems(context: Context, kind: Item['kind'], of: Name | null): Response {
  const { state, session } = context;
  const isWanted = kind === 'index' && of !== null ? onItem(context, of) : inSchema(session, of);
  const items = [...state.catalog.items.values()].filter(
    (item) => item.kind === kind && isWanted(item),
  );
  const sorted = items.sort((a, b) => (a.at.name < b.at.name ? -1 : 1));
  if (kind !== 'index')
    return names(
      'name',
      sorted.map(({ at }) => at.name),
    );
  const rows = sorted.map((item) => [
    item.at.name,
    item.kind === 'index' ? fullName(itemOf(state.catalog, item.on).at) : null,
  ]);
  return table(['name', 'on'], rows);
}

/** Everything of a schema that has a name, and what it is. */
function showObjects({ state, session }: Context, of: Name | null): Response {
  const isWanted = inSchema(session, of);
  const items = [...state.catalog.items.values()].filter(isWanted);
  const rows = items.map((item) => {
    const isKept = item.kind === 'view' && indexesOf(state.catalog, item.id).length > 0;
    return [item.at.name, isKept ? 'materialized view' : item.kind];
  });
  return table(
    ['name', 'type'],
    rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
}

function onItem({ state, session }: Context, of: Name): (item: Item) => boolean {
  const { id } = resolve(state.catalog, of, session);
  return (item) => item.kind === 'index' && item.on === id;
}

function inSchema(
  session: { readonly database: string; readonly schema: string },
  of: Name | null,
): (item: Item) => boolean {
  const [schema = session.schema, database = session.database] = [...(of?.parts ?? [])].reverse();
  return ({ at }) => at.schema === schema && at.database === database;
}

function showColumns({ state, session }: Context, of: Name): Response {
  const item = resolve(state.catalog, of, session);
  if (!isRelation(item)) {
    throw sqlError('42809', `${item.at.name} has no columns`, { offset: of.offset });
  }
  const rows = item.columns.map(({ name, type, isNullable }) => [name, isNullable, type]);
  return table(['name', 'nullable', 'type'], rows);
}

function showCreate({ state, session }: Context, { what, of, offset }: ShowStatement): Response {
  if (of === null) throw notSupported(`SHOW ${what} without a name`, offset);
  const item = resolve(state.catalog, of, session);
  if (item.kind !== what.slice('create '.length)) {
    throw sqlError('42809', `${fullName(item.at)} is a ${item.kind}`, { offset: of.offset });
  }
  return table(['name', 'create_sql'], [[fullName(item.at), item.text]]);
}

function names(column: string, values: readonly string[]): Response {
  const rows = values.map((value) => [value]);
  return table([column], rows);
}

function table(columns: readonly string[], rows: readonly SqlRow[]): Response {
  const typed = columns.map(
    (name): Column => ({ name, type: name === 'nullable' ? 'bool' : 'text', isNullable: true }),
  );
  return { kind: 'rows', what: 'show', columns: typed, rows, time: null };
}
