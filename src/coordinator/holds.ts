/**
 * Who keeps the log from being cut: leases of replicas, holds of snapshots. (Reading subscribers hold it too,
 * see subscribers.ts; waiting ones need nothing that is already there.)
 */
import type { Ts } from '../core/lsn.ts';
import { leaseChanged } from './lease-store.ts';
import { type CoordinatorState, LEASE_RENEWALS, LEASES_MAX, NEVER } from './state.ts';
import type { HoldId } from './types.ts';

/** A lease that was silent for so many times the time between renewals is stored at once when it is heard of. */
const LATE_RENEWALS = 2;

/** A hold moved or went: retention may have work again. */
export function holdsMoved(state: CoordinatorState): void {
  state.retention.isBlocked = false;
}

/**
 * A replica was heard of and says that it has everything up to `ts`. Late and repeated reports never move
 * its lease back. Nothing is promised before the first history.
 */
export function hearReplica(state: CoordinatorState, replica: string, ts: Ts): void {
  const known = state.leases.get(replica)?.ts ?? ts;
  setLease(state, replica, known > ts ? known : ts);
}

/**
 * A replica starts to read after `ts`. That says exactly what it has, so here its lease may move back: the
 * replica was restored from an older state or switched to a snapshot that was made meanwhile.
 */
export function connectReplica(state: CoordinatorState, replica: string, ts: Ts): void {
  if (state.connectedReplicas.size === 0) state.leaseStore.renewAt = renewalAfter(state);
  state.connectedReplicas.set(replica, (state.connectedReplicas.get(replica) ?? 0) + 1);
  setLease(state, replica, ts);
}

/** One of a replica's connections ended; its lease, if it still has one, runs from now. */
export function disconnectReplica(state: CoordinatorState, replica: string): void {
  const count = state.connectedReplicas.get(replica) ?? 0;
  if (count > 1) state.connectedReplicas.set(replica, count - 1);
  else state.connectedReplicas.delete(replica);
  const lease = state.leases.get(replica);
  if (lease !== undefined) setLease(state, replica, lease.ts);
}

/** Gives a replica up. A restart must not bring it back. */
export function endLease(state: CoordinatorState, replica: string): void {
  if (!state.leases.delete(replica)) return;
  leaseChanged(state, replica, true);
  holdsMoved(state);
}

/** Ends the leases of replicas not heard of in time; connected ones count as heard of. */
export function expireLeases(state: CoordinatorState): void {
  for (const { expiresAt, replica, ts } of state.leases.values()) {
    state.leaseDueAt = expiresAt;
    if (expiresAt > state.now) return;
    if (state.connectedReplicas.has(replica)) setLease(state, replica, ts);
    else {
      // Also after a restart its time is over: forgetting it is no hurry.
      state.leases.delete(replica);
      leaseChanged(state, replica, false);
      holdsMoved(state);
    }
  }
  state.leaseDueAt = NEVER;
}

/**
 * Notes now and then that connected replicas are heard of: if we die, their leases count from there, though
 * they may have had nothing to report.
 */
export function renewConnected(state: CoordinatorState): void {
  if (renewalDueAt(state) > state.now) return;
  for (const replica of state.connectedReplicas.keys()) {
    const lease = state.leases.get(replica);
    if (lease !== undefined) setLease(state, replica, lease.ts);
  }
  state.leaseStore.renewAt = renewalAfter(state);
}

export function renewalDueAt({ connectedReplicas, leaseStore }: CoordinatorState): number {
  return connectedReplicas.size === 0 ? NEVER : leaseStore.renewAt;
}

function renewalAfter({ now, policy }: CoordinatorState): number {
  return now + (policy.leaseS * 1000) / LEASE_RENEWALS;
}

/**
 * Keeps what commits after `ts`. A hold that comes too late is broken from the start. A replica that it is
 * taken for starts anew at `ts`: its lease moves there, back too.
 */
export function takeHold(
  state: CoordinatorState,
  hold: { readonly hold: HoldId; readonly ts: Ts; readonly replica?: string | undefined },
): void {
  if (state.history.timeline === null) return;
  const { hold: id, ts, replica } = hold;
  state.holds.set(id, { id, ts, isBroken: ts < state.log.since });
  if (replica !== undefined) setLease(state, replica, ts);
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
  // It stands for leases that we do not know: those within what is left are still good.
  if (state.restartHold !== null && state.restartHold.ts < since) state.restartHold.ts = since;
}

/** The lowest position that a lease or a hold needs kept. */
export function lowestHold(state: CoordinatorState): number {
  let lowest = Number.POSITIVE_INFINITY;
  const { leases, holds, restartHold } = state;
  for (const lease of leases.values()) if (!lease.isBroken) lowest = Math.min(lowest, lease.ts);
  for (const hold of holds.values()) if (!hold.isBroken) lowest = Math.min(lowest, hold.ts);
  if (restartHold !== null) lowest = Math.min(lowest, restartHold.ts);
  return lowest;
}

/**
 * Sets a lease and moves it to the end of the order of expiry. `leaseDueAt` is not moved back with it: it may
 * be early, never late, and is set right when it comes due.
 */
function setLease(state: CoordinatorState, replica: string, ts: Ts): void {
  if (state.history.timeline === null) return;
  const known = state.leases.get(replica);
  state.leases.delete(replica);
  if (known === undefined && state.leases.size >= LEASES_MAX) return;
  const leaseMs = state.policy.leaseS * 1000;
  const expiresAt = state.now + leaseMs;
  state.leases.set(replica, { replica, ts, expiresAt, isBroken: ts < state.log.since });
  if (expiresAt < state.leaseDueAt) state.leaseDueAt = expiresAt;
  // Who was silent for long and dies with us must not have its lease's end near.
  const silentMs = expiresAt - (known?.expiresAt ?? 0);
  const isLate = silentMs > (LATE_RENEWALS * leaseMs) / LEASE_RENEWALS;
  leaseChanged(state, replica, known === undefined || ts < known.ts || isLate);
  holdsMoved(state);
}
