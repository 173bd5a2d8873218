/** The naive rules of retention: who may still count on what, by full scan. */
import type { Policy } from '../../../../src/coordinator/types.ts';
import { assert } from '../../../../src/core/assert.ts';
import type { SimLog } from './log.ts';
import { lacking, type Replica } from './readers.ts';

type SimLease = { ts: number; heardAt: number };

export class SimHolds {
  readonly leases = new Map<string, SimLease>();
  readonly snapshots = new Map<string, number>();

  hear(replica: string, ts: number, now: number): void {
    const known = this.leases.get(replica)?.ts ?? ts;
    this.leases.set(replica, { ts: Math.max(known, ts), heardAt: now });
  }

  set(replica: string, ts: number, now: number): void {
    this.leases.set(replica, { ts, heardAt: now });
  }

  clear(): void {
    this.leases.clear();
    this.snapshots.clear();
  }

  /** P25: groups leave the log for one of the two allowed reasons, and no more of them than that. */
  checkPurge(
    log: SimLog,
    seq: number,
    world: { readonly policy: Policy; readonly now: number; readonly replicas: readonly Replica[] },
  ): void {
    const gone = log.groups.filter((group) => group.seq <= seq);
    assert(gone.length > 0, `purge ${seq} removes something`);
    for (const { lastTs } of gone) assert(lastTs <= log.upper, `${lastTs} is complete`);
    if (log.sizeBytes > world.policy.logBytesMax) {
      this.#checkCut(log, gone.length, world.policy.logBytesMax);
      return;
    }
    const last = gone.at(-1);
    const keptUntil = (last?.at ?? 0) + world.policy.keepS * 1000;
    assert(keptUntil <= world.now, `group ${seq} is old enough at ${world.now}`);
    this.#checkUnneeded(last?.lastTs ?? 0, log, world);
  }

  /** The cut breaks whoever needed what is gone. */
  #checkCut(log: SimLog, goneCount: number, logBytesMax: number): void {
    const left = log.groups.length - goneCount;
    const bytesPerGroup = log.sizeBytes / log.groups.length;
    const goal = (logBytesMax * 15) / 16;
    assert(left * bytesPerGroup <= goal, `${left} groups are within the limit`);
    assert((left + 1) * bytesPerGroup > goal, `${left} groups are not less than needed`);
    const since = log.groups[goneCount - 1]?.lastTs ?? 0;
    for (const [name, lease] of this.leases) if (lease.ts < since) this.leases.delete(name);
    for (const [name, ts] of this.snapshots) if (ts < since) this.snapshots.delete(name);
  }

  #checkUnneeded(
    since: number,
    log: SimLog,
    world: { readonly policy: Policy; readonly now: number; readonly replicas: readonly Replica[] },
  ): void {
    for (const [name, lease] of this.leases) {
      const isConnected = world.replicas.some(
        (one) => one.name === name && one.connection !== null,
      );
      const isValid = isConnected || lease.heardAt + world.policy.leaseS * 1000 > world.now;
      assert(
        !isValid || lease.ts >= since,
        `purge up to ${since}: ${name} leases from ${lease.ts}`,
      );
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
