/** What all statements that change the catalog share. */
import { sqlError } from '../../sql/errors.ts';
import type { Name, ObjectKind } from '../../sql/statement.ts';
import type { ItemId } from '../../sql/types.ts';
import {
  addItem,
  defaultIndexName,
  findItem,
  fullName,
  type ItemName,
  inputsOf,
  itemOf,
  nearestIndexes,
  nextItemId,
  placeOf,
} from './catalog.ts';
import { type Context, command } from './context.ts';
import { expandQuery } from './expand.ts';
import { addFront, meet } from './frontiers.ts';
import { LOCAL_TIMELINE } from './state.ts';
import { timelineOf } from './timelines.ts';
import { takeWriteTime } from './transactions.ts';
import type { Response } from './types.ts';

export function created(object: ObjectKind, existed = false): Response {
  return { kind: 'created', object, existed };
}

/** The place of a new item, or null when it is there already and that is fine. */
export function newPlace(
  context: Context,
  statement: { readonly name: Name; readonly isIfNotExists: boolean },
): ItemName | null {
  const { state, session } = context;
  const { name } = statement;
  const at = placeOf(state.catalog, name, session);
  if (findItem(state.catalog, at) === undefined) return at;
  if (statement.isIfNotExists) return null;
  const message = `catalog item '${at.name}' already exists`;
  throw sqlError('42P07', message, { offset: name.offset });
}

/** A change of the catalog has a time of its own: what was read before it is before it. */
export function stampChange({ state }: Context): void {
  takeWriteTime(state);
}

/** An index over all rows of `on`. It begins at its inputs' since, which may be ahead of what is known of it. */
export function addIndex(
  context: Context,
  index: { readonly on: ItemId; readonly at?: ItemName; readonly text: string },
): ItemId {
  const { state } = context;
  const { catalog } = state;
  const { on, text } = index;
  const item = itemOf(catalog, on);
  const inputs = inputIds(context, on);
  const { since } = meet(state, inputs);
  const id = nextItemId(catalog);
  const at = index.at ?? defaultIndexName(catalog, item.at);
  addItem(catalog, { kind: 'index', id, on, at, text });
  addFront(state, id, { since, timeline: timelineOf(state, on) ?? LOCAL_TIMELINE, inputs });
  if (item.kind === 'view') {
    const query = expandQuery(state, item.query);
    command(context, { kind: 'createView', id, view: on, query, asOf: since });
  } else command(context, { kind: 'createIndex', id, on, asOf: since });
  return id;
}

/** What an index on the item reads: the item itself, or what a view is made of. */
function inputIds({ state }: Context, on: ItemId): readonly ItemId[] {
  const { catalog } = state;
  const item = itemOf(catalog, on);
  if (item.kind !== 'view') return [on];
  const { indexes, unindexed } = nearestIndexes(catalog, inputsOf(item));
  return [...indexes, ...unindexed];
}

export function wrongKind(at: ItemName, wanted: string, offset: number) {
  return sqlError('42809', `${fullName(at)} is not ${wanted}`, { offset });
}
