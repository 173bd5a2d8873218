/**
 * Reads: which time, of what, and the peek. The coordinator never waits for a time to be final; the worker answers
 * when it is.
 */
import { assert } from '../../core/assert.ts';
import { sqlError } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { AsOf, Statement } from '../../sql/statement.ts';
import type { ItemId } from '../../sql/types.ts';
import { bindQuery, timeOf } from './binding.ts';
import { isRelation, itemOf, nearestIndexes } from './catalog.ts';
import { type Context, command, transactionOf } from './context.ts';
import type { ReadInput, When } from './determine.ts';
import { expandQuery } from './expand.ts';
import { meet, releaseHold, takeHold } from './frontiers.ts';
import {
  type AfterPeek,
  type HoldId,
  LOCAL_TIMELINE,
  oracleOf,
  type ReadDomain,
  type Transaction,
} from './state.ts';
import { tell, validateTimeline } from './timelines.ts';
import { startOperation } from './transactions.ts';
import { TIME_END, type Time } from './worker.ts';

/** What a query reads and when. `ids` have frontiers; both are empty for a query over nothing. */
export type Read = { readonly ids: readonly ItemId[]; readonly time: Time };

/** Items that are read at one time. */
export type Bundle = {
  readonly timeline: string;
  readonly items: ReadonlySet<ItemId>;
  readonly ids: readonly ItemId[];
};

export function select(
  context: Context,
  statement: Statement & { readonly kind: 'select' },
  goal?: AfterPeek,
): null {
  const query = bindQuery(context, statement.select);
  const { offset } = statement;
  const read = planRead(context, query, { asOf: statement.asOf, offset });
  peek(context, { query, read, goal: goal ?? { kind: 'select', columns: query.columns } });
  return null;
}

/** Chooses the time of a read within the session's transaction. */
function planRead(
  context: Context,
  query: Query,
  want: { readonly asOf: AsOf | null; readonly offset: number },
): Read {
  const { offset } = want;
  const bundle = bundleOf(context, query, offset);
  if (bundle === null) return { ids: [], time: TIME_END };
  const transaction = transactionOf(context);
  if (want.asOf !== null) return readAsOf(context, bundle, { asOf: want.asOf, offset });
  startOperation(transaction, 'read', offset);
  const domain = fixedDomain(transaction) ?? openDomain(context, bundle, offset);
  if (domain.timeline !== bundle.timeline || query.items.some((id) => !domain.items.has(id))) {
    throw sqlError('0A000', 'transactions can only reference objects in the same timedomain', {
      offset,
      hint: 'that is what the schemas of the first query have on its timeline',
    });
  }
  return { ids: bundle.ids, time: domain.time };
}

/** Reads at the freshest that others were told of; for reads that a write depends on. */
export function planFreshRead(context: Context, query: Query, offset: number): Read {
  const bundle = bundleOf(context, query, offset);
  if (bundle === null) return { ids: [], time: TIME_END };
  const time = chooseTime(context, bundle, { when: { kind: 'freshestWrite' }, offset });
  return { ids: bundle.ids, time };
}

/** Null for a query that reads nothing. */
export function bundleOf({ state }: Context, query: Query, offset: number): Bundle | null {
  const timeline = validateTimeline(state, query.items, offset);
  if (timeline === null) return null;
  const { indexes, unindexed } = nearestIndexes(state.catalog, query.items);
  return { timeline, items: new Set(query.items), ids: [...indexes, ...unindexed] };
}

/** Sends the peek and remembers what its answer is for. */
export function peek(
  context: Context,
  what: { readonly query: Query; readonly read: Read; readonly goal: AfterPeek },
): void {
  const { state, session } = context;
  const { connection } = session;
  const { ids, time } = what.read;
  state.lastPeek += 1;
  const number = state.lastPeek;
  state.peeks.set(number, { connection, time, ids });
  if (ids.length > 0) takeHold(state, peekHold(number), { ids, time });
  session.running = { kind: 'peek', peek: number, goal: what.goal, toldRows: 0 };
  const query = expandQuery(state, what.query);
  const { now } = transactionOf(context);
  const mayStream = what.goal.kind === 'select';
  command(context, { kind: 'peek', peek: number, query, time, now, mayStream });
}

function peekHold(peek: number): HoldId {
  return `peek:${peek}`;
}

/** The peek is over, in whatever way. */
export function forgetPeek({ state }: Context, peek: number): void {
  state.peeks.delete(peek);
  releaseHold(state, peekHold(peek));
}

/** The user's time, as it is: the oracle neither chooses it nor hears of it. */
function readAsOf(
  context: Context,
  bundle: Bundle,
  want: { readonly asOf: AsOf; readonly offset: number },
): Read {
  const { asOf, offset } = want;
  const named = timeOf(context, asOf);
  const { since } = meet(context.state, bundle.ids);
  const time = asOf.isAtLeast ? Math.max(named, since) : named;
  if (time >= since) return { ids: bundle.ids, time };
  throw sqlError('55000', `Timestamp (${time}) is not valid for all inputs: since is ${since}`, {
    offset,
    hint: 'older times are no longer kept; a larger logical_compaction_window keeps more',
  });
}

/** A statement that began alone fixed nothing for those that follow it. */
function fixedDomain({ domain, kind }: Transaction): ReadDomain | null {
  return domain?.hold === null && kind !== 'started' ? null : domain;
}

/** The first read of a transaction fixes its time, and with several statements also what may be read at it. */
function openDomain(context: Context, first: Bundle, offset: number): ReadDomain {
  const { state, session } = context;
  const transaction = transactionOf(context);
  const isShared = transaction.kind !== 'started';
  const bundle = isShared ? domainOf(context, first) : first;
  const time = chooseTime(context, bundle, { when: { kind: 'immediately' }, offset });
  const hold = isShared ? `transaction:${session.connection}` : null;
  if (hold !== null) takeHold(state, hold, { ids: bundle.ids, time });
  const { timeline, items } = bundle;
  const domain = { timeline, items, time, hold };
  transaction.domain = domain;
  return domain;
}

/** Everything readable on the timeline that stands in the schemas of what was named. */
function domainOf({ state }: Context, first: Bundle): Bundle {
  const { catalog, options } = state;
  const schemas = new Set<string>();
  for (const id of first.items) schemas.add(schemaOf(itemOf(catalog, id).at));
  const items = new Set<ItemId>(first.items);
  const ids = new Set<ItemId>(first.ids);
  for (const item of catalog.items.values()) {
    if (!isRelation(item) || item.timeline !== first.timeline) continue;
    if (!schemas.has(schemaOf(item.at))) continue;
    const nearest = nearestIndexes(catalog, [item.id]);
    const isSource = (id: ItemId) => itemOf(catalog, id).kind === 'source';
    if (options.needsIndexedSources && nearest.unindexed.some(isSource)) continue;
    items.add(item.id);
    for (const id of [...nearest.indexes, ...nearest.unindexed]) ids.add(id);
  }
  return { timeline: first.timeline, items, ids: [...ids] };
}

function chooseTime(
  context: Context,
  bundle: Bundle,
  want: { readonly when: When; readonly offset: number },
): Time {
  const { state, session } = context;
  const { timeline, ids } = bundle;
  const isSource = (id: ItemId) => itemOf(state.catalog, id).kind === 'source';
  if (state.options.needsIndexedSources && ids.some(isSource)) throw noTime(want.offset);
  const { rules } = state.options;
  const chosen = rules.readTime(readInput(context, bundle, want.when));
  if (chosen.kind !== 'at') throw noTime(want.offset);
  const isOrdered = chosen.time >= oracleOf(state, timeline) || session.isolation !== 'strict';
  assert(isOrdered || !rules.promisesOrder, `Q4: ${chosen.time} is not before what was told`);
  if (chosen.isTold) tell(state, timeline, chosen.time);
  session.times.set(timeline, Math.max(session.times.get(timeline) ?? 0, chosen.time));
  return chosen.time;
}

/** Everything that the time of a read depends on. */
export function readInput(context: Context, bundle: Bundle, when: When): ReadInput {
  const { state, session } = context;
  const { timeline, ids, items } = bundle;
  return {
    when,
    isolation: session.isolation,
    oracle: oracleOf(state, timeline),
    sessionTime: session.times.get(timeline) ?? 0,
    ...meet(state, ids),
    now: state.now,
    isClocked: timeline === LOCAL_TIMELINE,
    readsTables: readsTables(context, [...items]),
  };
}

function readsTables({ state }: Context, ids: readonly ItemId[]): boolean {
  const visit = (id: ItemId): boolean => {
    const item = itemOf(state.catalog, id);
    return item.kind === 'table' || (item.kind === 'view' && item.query.items.some(visit));
  };
  return ids.some(visit);
}

function noTime(offset: number) {
  return sqlError('55000', 'unable to automatically determine a query timestamp', {
    offset,
    hint: 'a source is not materialized, or nothing of it was read yet',
  });
}

function schemaOf({ database, schema }: { database: string; schema: string }): string {
  return `${database}.${schema}`;
}
