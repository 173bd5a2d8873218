/**
 * Who keeps the log from being cut: leases of replicas, holds of snapshots. (Reading subscribers hold it too,
 * see subscribers.ts; waiting ones need nothing that is already there.)
 */
import type { Ts } from '../core/lsn.ts';
import { type CoordinatorState, LEASES_MAX, type LeaseRecord } from './state.ts';
import type { HoldId } from './types.ts';

/** A hold moved or went: retention may have work again. */
export function holdsMoved(state: CoordinatorState): void {
  state.retention.isBlocked = false;
}

/**
 * A replica was heard of and says that it has everything up to `ts`. Late and repeated reports never move
 * its lease back. Nothing is promised before the first history.
 */
export function hearReplica(state: CoordinatorState, replica: string, ts: Ts): void {
  if (state.history.timeline === null) return;
  const lease = state.leases.get(replica);
  if (lease === undefined) addLease(state, newLease(state, replica, ts));
  else {
    lease.ts = lease.ts > ts ? lease.ts : ts;
    renew(state, lease);
  }
}

/**
 * A replica starts to read after `ts`. That says exactly what it has, so here its lease may move back: the
 * replica was restored from an older state or switched to a snapshot that was made meanwhile.
 */
export function leaseAtSubscribe(state: CoordinatorState, replica: string, ts: Ts): void {
  const lease = state.leases.get(replica) ?? newLease(state, replica, ts);
  lease.ts = ts;
  lease.subscriberCount += 1;
  if (state.leases.has(replica)) renew(state, lease);
  else addLease(state, lease);
}

/** A replica's connection ended; its lease runs from now. */
export function leaseAtUnsubscribe(state: CoordinatorState, replica: string): void {
  const lease = state.leases.get(replica);
  if (lease === undefined) return;
  lease.subscriberCount = Math.max(0, lease.subscriberCount - 1);
  renew(state, lease);
}

/** Gives a replica up. */
export function endLease(state: CoordinatorState, replica: string): void {
  if (state.leases.delete(replica)) holdsMoved(state);
}

/** Ends the leases of replicas not heard of in time; connected ones count as heard of. */
export function expireLeases(state: CoordinatorState): void {
  for (const lease of state.leases.values()) {
    if (lease.expiresAt > state.now) return;
    if (lease.subscriberCount > 0) renew(state, lease);
    else endLease(state, lease.replica);
  }
}

/** When the first lease may expire. */
export function firstExpiry(state: CoordinatorState): number {
  for (const lease of state.leases.values()) return lease.expiresAt;
  return Number.POSITIVE_INFINITY;
}

/** Keeps what commits after `ts`. A hold that comes too late is broken from the start. */
export function takeHold(state: CoordinatorState, id: HoldId, ts: Ts): void {
  if (state.history.timeline === null) return;
  state.holds.set(id, { id, ts, isBroken: ts < state.log.since });
  holdsMoved(state);
}

export function releaseHold(state: CoordinatorState, id: HoldId): void {
  if (state.holds.delete(id)) holdsMoved(state);
}

/** The log was cut: what reached further back is broken, visibly, and holds nothing any more. */
export function breakHolds(state: CoordinatorState): void {
  const { since } = state.log;
  for (const lease of state.leases.values()) lease.isBroken = lease.ts < since;
  for (const hold of state.holds.values()) hold.isBroken ||= hold.ts < since;
  if (state.restartHold !== null) state.restartHold.isBroken ||= state.restartHold.ts < since;
}

/** The lowest position that a lease or a hold needs kept. */
export function lowestHold(state: CoordinatorState): number {
  let lowest = Number.POSITIVE_INFINITY;
  const { leases, holds, restartHold } = state;
  for (const lease of leases.values()) if (!lease.isBroken) lowest = Math.min(lowest, lease.ts);
  for (const hold of holds.values()) if (!hold.isBroken) lowest = Math.min(lowest, hold.ts);
  if (restartHold !== null && !restartHold.isBroken) lowest = Math.min(lowest, restartHold.ts);
  return lowest;
}

function newLease(state: CoordinatorState, replica: string, ts: Ts): LeaseRecord {
  const expiresAt = state.now + state.policy.leaseS * 1000;
  return { replica, ts, expiresAt, subscriberCount: 0, isBroken: ts < state.log.since };
}

function addLease(state: CoordinatorState, lease: LeaseRecord): void {
  if (state.leases.size >= LEASES_MAX) return;
  state.leases.set(lease.replica, lease);
}

/** Moves a lease to the end of the order of expiry. */
function renew(state: CoordinatorState, lease: LeaseRecord): void {
  lease.expiresAt = state.now + state.policy.leaseS * 1000;
  lease.isBroken = lease.ts < state.log.since;
  state.leases.delete(lease.replica);
  state.leases.set(lease.replica, lease);
  holdsMoved(state);
}
