/**
 * What may leave the log: groups older than the policy that nobody holds; and, over the byte limit, the
 * oldest groups, whoever holds them.
 */
import { assert } from '../core/assert.ts';
import type { Ts } from '../core/lsn.ts';
import { breakHolds, lowestHold } from './holds.ts';
import {
  type CoordinatorState,
  type GroupRecord,
  LOG_BYTES_SLACK,
  type LogRecord,
  NEVER,
  RETENTION_MS,
} from './state.ts';
import { endSubscribers, lowestReader } from './subscribers.ts';
import type { CoordinatorEffect } from './types.ts';

/** Purged records are dropped from the array when they are this many and outnumber the others. */
const DEAD_GROUPS_MIN = 1024;

/** Purges what is old enough and needed by nobody. */
export function purgeByAge(state: CoordinatorState, out: CoordinatorEffect[]): void {
  state.retention.lastRun = state.now;
  const oldest = state.log.groups[state.log.head];
  if (oldest === undefined || !isOldEnough(state, oldest)) return;
  const held = Math.min(lowestHold(state), lowestReader(state));
  const mayGo = Math.min(held, state.log.upper);
  const seq = cut(state, (group) => group.lastTs <= mayGo && isOldEnough(state, group));
  if (seq !== undefined) out.push({ kind: 'purge', seq });
  // While a hold stands before the oldest group there is nothing to do until one moves.
  const next = state.log.groups[state.log.head];
  state.retention.isBlocked = next !== undefined && next.lastTs > held && isOldEnough(state, next);
}

/**
 * Cuts a log that is over its byte limit and ends whoever needed what is gone. Returns what to purge, for
 * the caller to put last: it is the slowest effect.
 */
export function cutToBytes(state: CoordinatorState, out: CoordinatorEffect[]): number | undefined {
  const { log, policy } = state;
  if (log.sizeBytes <= policy.logBytesMax) return undefined;
  const goalBytes = policy.logBytesMax * (1 - LOG_BYTES_SLACK);
  const seq = cut(state, (group) => log.sizeBytes > goalBytes && group.lastTs <= log.upper);
  if (seq === undefined) return undefined;
  breakHolds(state);
  endSubscribers(state, 'TOO_OLD', out);
  return seq;
}

/**
 * One record for the merged group in the place of its members: it goes when the youngest of them may go, and
 * whoever needs one of them holds it. Also while a history is being replaced: its groups are purged by age until they go with it.
 */
export function groupsMerged(
  state: CoordinatorState,
  merged: { readonly firstSeq: number; readonly seq: number; readonly sizeBytes: number },
): void {
  const { log, history } = state;
  const { firstSeq, seq, sizeBytes } = merged;
  const first = placeOf(log, firstSeq);
  if (history.timeline === null && log.groups[first]?.seq !== firstSeq) return; // they are gone
  const place = placeOf(log, seq);
  const last = log.groups[place];
  assert(log.groups[first]?.seq === firstSeq, `C14: merged group ${firstSeq} is there`);
  assert(last?.seq === seq, `C14: merged group ${seq} is there`);
  assert(last.lastTs <= log.upper, `C14: merged group ${seq} is complete`);
  const { lastTs, at } = last;
  const count = place + 1 - first;
  for (const member of log.groups.splice(first, count, { seq, lastTs, sizeBytes, at })) {
    log.sizeBytes -= member.sizeBytes;
  }
  log.sizeBytes += sizeBytes;
}

/** When retention has work by age. */
export function retentionDueAt(state: CoordinatorState): number {
  const oldest = state.log.groups[state.log.head];
  if (oldest === undefined || state.retention.isBlocked) return NEVER;
  return Math.max(oldest.at + state.policy.keepS * 1000, state.retention.lastRun + RETENTION_MS);
}

/** The position up to which the policy alone keeps the log: for status. */
export function policyHold(state: CoordinatorState): Ts {
  let ts = state.log.since;
  for (let at = state.log.head; at < state.log.groups.length; at += 1) {
    const group = state.log.groups[at];
    if (group === undefined || !isOldEnough(state, group)) return ts;
    ts = group.lastTs;
  }
  return ts;
}

function isOldEnough(state: CoordinatorState, group: GroupRecord): boolean {
  return group.at + state.policy.keepS * 1000 <= state.now;
}

function cut(state: CoordinatorState, mayGo: (group: GroupRecord) => boolean): number | undefined {
  const { log } = state;
  let seq: number | undefined;
  for (let group = log.groups[log.head]; group !== undefined && mayGo(group); ) {
    seq = group.seq;
    log.since = group.lastTs;
    log.sizeBytes -= group.sizeBytes;
    log.head += 1;
    group = log.groups[log.head];
  }
  if (log.head >= DEAD_GROUPS_MIN && log.head * 2 > log.groups.length) {
    log.groups = log.groups.slice(log.head);
    log.head = 0;
  }
  return seq;
}

/** Where the first group that is left stands whose number is not below `seq`. */
function placeOf(log: LogRecord, seq: number): number {
  let low = log.head;
  let high = log.groups.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((log.groups[middle]?.seq ?? 0) >= seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
