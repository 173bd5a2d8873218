/** CREATE VIEW and CREATE SINK. */
import { sqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import type { ItemId } from '../../sql/types.ts';
import { bindQuery, timeOf } from './binding.ts';
import {
  addItem,
  dependentsOf,
  findItem,
  fullName,
  type ItemName,
  indexesOf,
  isRelation,
  nextItemId,
  placeOf,
  resolve,
} from './catalog.ts';
import { type Context, command } from './context.ts';
import { addIndex, created, newPlace, stampChange, wrongKind } from './define.ts';
import { removeItems } from './drop.ts';
import { addFront, meet, sinkHold, takeHold } from './frontiers.ts';
import { LOCAL_TIMELINE } from './state.ts';
import { timelineOf, validateTimeline } from './timelines.ts';
import type { Response } from './types.ts';
import type { Time } from './worker.ts';

type ViewStatement = Statement & { readonly kind: 'createView' };

export function createView(context: Context, statement: ViewStatement): Response {
  const { state } = context;
  const query = bindQuery(context, statement.select);
  const timeline = validateTimeline(state, query.items, statement.offset);
  refuseMoving(query, statement.offset);
  const place = statement.isOrReplace ? replace(context, statement) : newPlace(context, statement);
  if (place === null) return created('view', true);
  const columns = named(query.columns, statement);
  stampChange(context);
  const id = nextItemId(state.catalog);
  const { text } = statement;
  addItem(state.catalog, { kind: 'view', id, at: place, text, columns, query, timeline });
  if (statement.isMaterialized) addIndex(context, { on: id, text });
  return created('view');
}

/** A view is the same for everybody and at every time. */
function refuseMoving(query: Query, offset: number): void {
  const what = query.usesNow
    ? 'now()'
    : query.usesSession
      ? 'what the session or pg_catalog tells'
      : query.parameters.length > 0
        ? 'a parameter'
        : null;
  if (what !== null) throw sqlError('0A000', `${what} in a view is not supported`, { offset });
}

/** Only what nothing else is made of can be replaced. */
function replace(context: Context, { name }: ViewStatement): ItemName {
  const { state, session } = context;
  const { catalog } = state;
  const at = placeOf(catalog, name, session);
  const before = findItem(catalog, at);
  if (before === undefined) return at;
  const { offset } = name;
  if (before.kind !== 'view') throw wrongKind(at, 'a view', offset);
  const user = dependentsOf(catalog, before.id).find(({ kind }) => kind !== 'index');
  if (user !== undefined) {
    const message = `cannot replace ${fullName(at)}: ${fullName(user.at)} depends on it`;
    throw sqlError('2BP01', message, { offset });
  }
  removeItems(context, [...indexesOf(catalog, before.id), before.id]);
  return at;
}

function named<Given extends { readonly name: string }>(
  columns: readonly Given[],
  { columnNames, offset }: ViewStatement,
): readonly Given[] {
  if (columnNames === null) return columns;
  if (columnNames.length > columns.length) {
    throw sqlError('42601', 'CREATE VIEW specifies more column names than columns', { offset });
  }
  return columns.map((column, index) => ({ ...column, name: columnNames[index] ?? column.name }));
}

/** The sink is in the catalog from now on, and pending until the worker has opened its target. */
export function createSink(
  context: Context,
  statement: Statement & { readonly kind: 'createSink' },
): Response | null {
  const { state, session } = context;
  const { catalog } = state;
  const at = newPlace(context, statement);
  if (at === null) return created('sink', true);
  const from = resolve(catalog, statement.from, session);
  if (!isRelation(from)) throw wrongKind(from.at, 'a table, source or view', statement.offset);
  const { inputs, asOf } = sinkStart(context, statement, from.id);
  stampChange(context);
  const id = nextItemId(catalog);
  const { text, into, hasSnapshot } = statement;
  addItem(catalog, { kind: 'sink', id, at, text, from: from.id, isPending: true });
  const timeline = timelineOf(state, from.id) ?? LOCAL_TIMELINE;
  addFront(state, id, { since: asOf, timeline, inputs: [] });
  takeHold(state, sinkHold(id), { ids: inputs, time: asOf });
  const { columns } = from;
  command(context, { kind: 'createSink', id, from: from.id, columns, into, asOf, hasSnapshot });
  session.running = { kind: 'sink', id, response: created('sink') };
  return null;
}

/** Where a sink begins: with what is known to be final, and never before what can be read. */
function sinkStart(
  context: Context,
  statement: Statement & { readonly kind: 'createSink' },
  from: ItemId,
): { readonly inputs: readonly ItemId[]; readonly asOf: Time } {
  const { state } = context;
  const item = resolve(state.catalog, statement.from, context.session);
  const indexes = indexesOf(state.catalog, from);
  if (indexes.length === 0 && item.kind === 'view') {
    throw sqlError('55000', `${fullName(item.at)} is not materialized`, {
      offset: statement.from.offset,
      hint: `CREATE DEFAULT INDEX ON ${item.at.name}`,
    });
  }
  const inputs = indexes.length > 0 ? indexes : [from];
  const { upper, since } = meet(state, inputs);
  if (statement.asOf !== null) return { inputs, asOf: timeOf(context, statement.asOf) };
  const known = indexes.length > 0 ? upper : 0;
  return { inputs, asOf: state.options.rules.startTime(known, since) };
}
