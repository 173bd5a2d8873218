/**
 * Which leases the log does not have yet as they are, and when it is given them: what is new, or holds more than
 * before, at once; renewals in batches, because a lease that is stored a little too old only keeps more.
 */
import {
  type CoordinatorState,
  LEASES_MAX,
  LEASES_STORE_MS,
  LEASES_STORED_MAX,
  NEVER,
} from './state.ts';
import type { CoordinatorEffect, LoadedLease } from './types.ts';

/** The lease of this replica is not the stored one any more. `isUrgent`: a restart must not find the stored one. */
export function leaseChanged(state: CoordinatorState, replica: string, isUrgent: boolean): void {
  const { changed, urgent } = state.leaseStore;
  if (isUrgent) urgent.add(replica);
  else if (!urgent.has(replica)) changed.add(replica);
}

/** The history that they belong to is over. */
export function forgetLeases(state: CoordinatorState): void {
  state.leases.clear();
  state.leaseStore.changed.clear();
  state.leaseStore.urgent.clear();
}

/**
 * What the log had stored when it was opened. Leases whose time ended while we were down are forgotten. One that
 * was stored from before `since` may have moved past it: what is left is kept for it.
 */
export function loadLeases(state: CoordinatorState, loaded: readonly LoadedLease[]): void {
  if (state.history.timeline === null) return;
  const leaseMs = state.policy.leaseS * 1000;
  const oldestFirst = [...loaded].sort((a, b) => b.heardMsAgo - a.heardMsAgo);
  const { since } = state.log;
  for (const { replica, ts: stored, heardMsAgo } of oldestFirst) {
    const leftMs = leaseMs - Math.max(0, heardMsAgo);
    if (leftMs <= 0 || state.leases.size >= LEASES_MAX) {
      leaseChanged(state, replica, false);
      continue;
    }
    const expiresAt = state.now + leftMs;
    const ts = stored > since ? stored : since;
    state.leases.set(replica, { replica, ts, expiresAt, isBroken: false });
    if (expiresAt < state.leaseDueAt) state.leaseDueAt = expiresAt;
  }
}

/** When the next batch is due. */
export function leaseStoreDueAt({ leaseStore }: CoordinatorState): number {
  return leaseStore.changed.size === 0 ? NEVER : leaseStore.storedAt + LEASES_STORE_MS;
}

/** Asks to store what is urgent, and a batch of the others when its time has come: all of them while draining. */
export function storeLeases(state: CoordinatorState, out: CoordinatorEffect[]): void {
  const { changed, urgent } = state.leaseStore;
  if (changed.size === 0 && urgent.size === 0) return;
  const names = [...urgent];
  urgent.clear();
  for (const name of names) changed.delete(name);
  if (state.isDraining || leaseStoreDueAt(state) <= state.now) {
    const countMax = state.isDraining ? NEVER : LEASES_STORED_MAX;
    state.leaseStore.storedAt = state.now;
    for (const name of changed) {
      if (names.length >= countMax) break;
      changed.delete(name);
      names.push(name);
    }
  }
  if (names.length > 0) out.push(effectOf(state, names));
}

function effectOf(state: CoordinatorState, names: readonly string[]): CoordinatorEffect {
  const leaseMs = state.policy.leaseS * 1000;
  const kept = names.flatMap((name) => {
    const lease = state.leases.get(name);
    if (lease === undefined) return [];
    return [{ replica: name, ts: lease.ts, heardAt: lease.expiresAt - leaseMs }];
  });
  return { kind: 'storeLeases', kept, ended: names.filter((name) => !state.leases.has(name)) };
}
