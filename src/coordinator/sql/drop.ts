/** DROP: what goes with it, and what it must not take away from others. */
import { notSupported, sqlError } from '../../sql/errors.ts';
import type { Name, ObjectKind, Statement } from '../../sql/statement.ts';
import type { ItemId } from '../../sql/types.ts';
import {
  dependentsOf,
  findItem,
  fullName,
  type Item,
  itemOf,
  placeOf,
  removeItem,
  resolve,
} from './catalog.ts';
import { type Context, command, type Turn } from './context.ts';
import { stampChange, wrongKind } from './define.ts';
import { releaseHold, removeFront, sinkHold } from './frontiers.ts';
import { endSubscriptionsOf } from './subscriptions.ts';
import type { Response } from './types.ts';

type DropStatement = Statement & { readonly kind: 'drop' };

export function dropObjects(context: Context, statement: DropStatement): Response {
  const { object, names } = statement;
  const ids = new Set<ItemId>();
  for (const name of names) {
    if (object === 'schema' || object === 'database') {
      dropNamespace(context, statement, name);
    } else for (const id of doomed(context, statement, name)) ids.add(id);
  }
  if (ids.size > 0) {
    stampChange(context);
    removeItems(context, [...ids]);
  }
  return { kind: 'dropped', object };
}

/** The item with its indexes, and with CASCADE everything that is made of it. */
function doomed(context: Context, statement: DropStatement, name: Name): readonly ItemId[] {
  const { state, session } = context;
  const { catalog } = state;
  const { object, isIfExists, isCascade } = statement;
  if (isIfExists && findItem(catalog, placeOf(catalog, name, session)) === undefined) return [];
  const item = resolve(catalog, name, session);
  if (item.kind !== object) throw wrongKind(item.at, article(object), name.offset);
  return closure(context, item, { isCascade, offset: name.offset });
}

function closure(
  context: Context,
  item: Item,
  how: { readonly isCascade: boolean; readonly offset: number },
): readonly ItemId[] {
  const found: ItemId[] = [];
  for (const user of dependentsOf(context.state.catalog, item.id)) {
    if (user.kind !== 'index' && !how.isCascade) {
      const message = `cannot drop ${fullName(item.at)}: ${fullName(user.at)} depends on it`;
      throw sqlError('2BP01', message, { offset: how.offset, hint: 'DROP ... CASCADE' });
    }
    found.push(...closure(context, user, how));
  }
  return [...found, item.id];
}

/** What is made of something goes before it. */
export function removeItems(turn: Turn, ids: readonly ItemId[]): void {
  const { state } = turn;
  command(turn, { kind: 'drop', ids });
  for (const id of ids) {
    removeItem(state.catalog, itemOf(state.catalog, id));
    releaseHold(state, sinkHold(id));
    removeFront(state, id);
  }
  endSubscriptionsOf(turn, ids);
}

function dropNamespace(context: Context, statement: DropStatement, name: Name): void {
  const { state, session } = context;
  const { databases } = state.catalog;
  const { object, isIfExists, isCascade } = statement;
  const { offset } = name;
  const [last = '', second = session.database] = [...name.parts].reverse();
  const database = object === 'database' ? last : second;
  const found = databases.get(database);
  const isThere = object === 'database' ? found !== undefined : found?.schemas.has(last) === true;
  if (!isThere) {
    if (isIfExists) return;
    const code = object === 'database' ? '3D000' : '3F000';
    throw sqlError(code, `unknown ${object} ${last}`, { offset });
  }
  const items = [...state.catalog.items.values()].filter(
    ({ at }) => at.database === database && (object === 'database' || at.schema === last),
  );
  if (items.length > 0 && !isCascade) {
    const message = `cannot drop ${object} ${last}: it is not empty`;
    throw sqlError('2BP01', message, { offset, hint: 'DROP ... CASCADE' });
  }
  if (database === session.database && (object === 'database' || last === session.schema)) {
    throw notSupported(`dropping the ${object} that this session is in`, offset);
  }
  const ids = new Set(items.flatMap((item) => closure(context, item, { isCascade, offset })));
  stampChange(context);
  if (ids.size > 0) removeItems(context, [...ids]);
  if (object === 'database') databases.delete(database);
  else found?.schemas.delete(last);
}

function article(object: ObjectKind): string {
  return object === 'index' ? 'an index' : `a ${object}`;
}
