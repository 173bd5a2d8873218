/** The naive rules of retention: who may still count on what, by full scan. */
import type { Policy } from '../../../../src/coordinator/types.ts';
import { assert } from '../../../../src/core/assert.ts';
import type { SimLog } from './log.ts';
import { lacking, type Replica } from './readers.ts';

/** `isReported`: since the last restart; before that, the coordinator does not know of it. */
type SimLease = { ts: number; heardAt: number; isReported: boolean };

type Rules = {
  readonly policy: Policy;
  readonly now: number;
  readonly replicas: readonly Replica[];
};

export class SimHolds {
  readonly leases = new Map<string, SimLease>();
  readonly snapshots = new Map<string, number>();

  hear(replica: string, ts: number, now: number): void {
    const known = this.leases.get(replica);
    const before = known?.isReported === true ? known.ts : ts;
    this.set(replica, Math.max(before, ts), now);
  }

  set(replica: string, ts: number, now: number): void {
    this.leases.set(replica, { ts, heardAt: now, isReported: true });
  }

  /** After its time nothing is promised to a replica, also if a late report of it comes in. */
  expire(world: Rules): void {
    for (const [name, lease] of this.leases) {
      if (!isValid(name, lease, world)) this.leases.delete(name);
    }
  }

  /** Our process died: leases are still promised, but only by what the restart holds. */
  restart(): void {
    this.snapshots.clear();
    for (const lease of this.leases.values()) lease.isReported = false;
  }

  clear(): void {
    this.leases.clear();
    this.snapshots.clear();
  }

  /** P25: groups leave by age only when nobody can count on them. */
  checkPurge(log: SimLog, seq: number, world: Rules): void {
    const last = goneUpTo(log, seq).at(-1);
    const keptUntil = (last?.at ?? 0) + world.policy.keepS * 1000;
    assert(keptUntil <= world.now, `group ${seq} is old enough at ${world.now}`);
    this.#checkUnneeded(last?.lastTs ?? 0, log, world);
  }

  /** A log over its byte limit is cut no more than needed, and breaks whoever needed what is gone. */
  checkCut(log: SimLog, seq: number, logBytesMax: number): void {
    assert(log.sizeBytes > logBytesMax, `${log.sizeBytes} bytes are over the limit`);
    const gone = goneUpTo(log, seq);
    const goalBytes = (logBytesMax * 15) / 16;
    const leftBytes = log.sizeBytes - gone.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    assert(leftBytes <= goalBytes, `${leftBytes} bytes are within the limit`);
    const lastBytes = gone.at(-1)?.sizeBytes ?? 0;
    assert(leftBytes + lastBytes > goalBytes, `${leftBytes} bytes are not less than needed`);
    const since = gone.at(-1)?.lastTs ?? 0;
    for (const [name, lease] of this.leases) if (lease.ts < since) this.leases.delete(name);
    for (const [name, ts] of this.snapshots) if (ts < since) this.snapshots.delete(name);
  }

  #checkUnneeded(since: number, log: SimLog, world: Rules): void {
    for (const [name, lease] of this.leases) {
      const isHeld = isValid(name, lease, world) && lease.ts < since;
      assert(!isHeld, `purge up to ${since}: ${name} leases from ${lease.ts}`);
    }
    for (const [name, ts] of this.snapshots) {
      assert(ts >= since, `purge up to ${since}: ${name} holds from ${ts}`);
    }
    for (const replica of world.replicas) {
      if (replica.connection === null) continue;
      const needed = lacking(log, replica).find(({ ts }) => ts <= since);
      assert(needed === undefined, `purge up to ${since}: ${replica.name} reads ${needed?.ts}`);
    }
  }
}

function isValid(name: string, lease: SimLease, { policy, now, replicas }: Rules): boolean {
  const isConnected = replicas.some((one) => one.name === name && one.connection !== null);
  return isConnected || lease.heardAt + policy.leaseS * 1000 > now;
}

function goneUpTo(log: SimLog, seq: number): SimLog['groups'] {
  const gone = log.groups.filter((group) => group.seq <= seq);
  assert(gone.length > 0, `purge ${seq} removes something`);
  for (const { lastTs } of gone) assert(lastTs <= log.upper, `${lastTs} is complete`);
  return gone;
}
