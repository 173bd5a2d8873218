/** The naive rules of retention: who may still count on what, by full scan. */
import type { CoordinatorEffect, LoadedLease, Policy } from '../../../../src/coordinator/types.ts';
import { assert } from '../../../../src/core/assert.ts';
import { lsn } from '../support.ts';
import type { SimLog } from './log.ts';
import { lacking, type Replica } from './readers.ts';

type SimLease = { ts: number; heardAt: number };

type Rules = {
  readonly policy: Policy;
  readonly now: number;
  readonly replicas: readonly Replica[];
};

export class SimHolds {
  readonly leases = new Map<string, SimLease>();
  /** Durable. */
  readonly stored = new Map<string, SimLease>();
  readonly snapshots = new Map<string, number>();

  hear(replica: string, ts: number, now: number): void {
    this.set(replica, Math.max(this.leases.get(replica)?.ts ?? ts, ts), now);
  }

  set(replica: string, ts: number, now: number): void {
    this.leases.set(replica, { ts, heardAt: now });
  }

  /** After its time nothing is promised to a replica, also if a late report of it comes in. */
  expire(world: Rules): void {
    for (const [name, lease] of this.leases) {
      if (!isValid(name, lease, world)) this.leases.delete(name);
    }
  }

  store({ kept, ended }: Extract<CoordinatorEffect, { readonly kind: 'storeLeases' }>): void {
    for (const replica of ended) this.stored.delete(replica);
    for (const { replica, ts, heardAt } of kept) this.stored.set(replica, { ts, heardAt });
  }

  loaded(now: number): readonly LoadedLease[] {
    return [...this.stored].map(([replica, { ts, heardAt }]) => {
      return { replica, ts: lsn(ts), heardMsAgo: now - heardAt };
    });
  }

  /** Our process died: what is promised is what is stored, and that is hardly less than what was promised. */
  restart(since: number, lateMsMax: number): void {
    this.snapshots.clear();
    for (const [name, lease] of this.leases) {
      const stored = this.stored.get(name);
      assert(stored !== undefined, `P25: the lease of ${name} is stored`);
      assert(stored.ts <= lease.ts, `P25: ${name} is stored at ${stored.ts}, not ${lease.ts}`);
      const lateMs = lease.heardAt - stored.heardAt;
      assert(lateMs <= lateMsMax, `P25: ${name} is stored ${lateMs} ms late`);
      this.leases.set(name, { ...stored, ts: Math.max(stored.ts, since) });
    }
  }

  clear(): void {
    this.leases.clear();
    this.stored.clear();
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
