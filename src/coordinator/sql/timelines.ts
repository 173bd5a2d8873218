/** Timelines: items whose times compare. What is read together stands on one of them. */
import { sqlError } from '../../sql/errors.ts';
import type { ItemId } from '../../sql/types.ts';
import { fullName, itemOf, type Relation, relationOf } from './catalog.ts';
import { LOCAL_TIMELINE, oracleOf, type SqlCoordinator } from './state.ts';
import type { SqlEffect } from './types.ts';
import type { Time } from './worker.ts';

/** The one timeline of all of these, or null when they need none. */
export function validateTimeline(
  state: SqlCoordinator,
  ids: readonly ItemId[],
  offset: number,
): string | null {
  let first: { readonly timeline: string; readonly item: Relation } | null = null;
  for (const id of ids) {
    const item = relationOf(state.catalog, id);
    const { timeline } = item;
    if (timeline === null) continue;
    first ??= { timeline, item };
    if (timeline === first.timeline) continue;
    const names = `${fullName(first.item.at)} and ${fullName(item.at)}`;
    throw sqlError('0A000', `times of different timelines do not compare: ${names}`, {
      offset,
      hint: 'read replicated tables and local ones in separate statements',
    });
  }
  return first?.timeline ?? null;
}

/** The timeline that an item of the catalog lives on. */
export function timelineOf(state: SqlCoordinator, id: ItemId): string | null {
  const item = itemOf(state.catalog, id);
  if (item.kind === 'index') return timelineOf(state, item.on);
  return item.kind === 'sink' ? timelineOf(state, item.from) : item.timeline;
}

/** Somebody is told of `time`: nobody is told of an earlier one afterwards. */
export function tell(state: SqlCoordinator, timeline: string, time: Time): void {
  const oracle = oracleOf(state, timeline);
  state.oracles.set(timeline, state.options.rules.afterRead(oracle, time));
}

/** Closes what was told: tables get no more writes at or before the oracle's time, so reads there are answered. */
export function advanceTables(state: SqlCoordinator, out: SqlEffect[]): void {
  const to = oracleOf(state, LOCAL_TIMELINE) + 1;
  if (to <= state.closedUpTo) return;
  state.closedUpTo = to;
  out.push({ kind: 'worker', command: { kind: 'advanceTables', to } });
}
