/**
 * Simulated replicas, each with a durable position of its own and at most one connection, and the naive rules
 * by which they are judged: full scans over everything that was ever appended.
 */
import { assert } from '../../../../src/core/assert.ts';
import type { SimLog } from './log.ts';
import type { Commit } from './source.ts';

/** What a replica has: everything for it in (base, position] of `timeline`. */
export type Replica = {
  readonly name: string;
  readonly selectors: readonly string[];
  /** Without a lease, only its connection holds the log. */
  readonly hasLease: boolean;
  timeline: string | undefined;
  base: number;
  position: number;
  seen: number[];
  connection: Connection | null;
};

type Connection = {
  readonly id: number;
  /** It reported to have caught up, and was not woken since. */
  isWaiting: boolean;
  /** It has read everything up to here and did not report it yet. */
  unreported: number | null;
  wakesForNothing: number;
};

function concerns(commit: Commit, replica: Replica): boolean {
  return commit.hasAll || commit.selectors.some((one) => replica.selectors.includes(one));
}

/** What a replica still lacks in the log, by full scan. */
export function lacking(log: SimLog, replica: Replica): readonly Commit[] {
  return log.history.filter(({ ts, ...rest }) => {
    return ts > replica.position && concerns({ ts, ...rest }, replica);
  });
}

/** P1, P2: a replica has everything for it up to its position, in order, once. */
export function checkReplica(log: SimLog, replica: Replica): void {
  if (replica.timeline !== log.identity?.timeline) return;
  const { base, position } = replica;
  const expected = log.history.filter((commit) => {
    return commit.ts > base && commit.ts <= position && concerns(commit, replica);
  });
  const wanted = expected.map(({ id }) => id).join();
  assert(wanted === replica.seen.join(), `${replica.name} has ${replica.seen} and not ${wanted}`);
}

/** P1: nobody waits while there is something for it. */
export function checkNobodyForgotten(log: SimLog, replicas: readonly Replica[]): void {
  for (const replica of replicas) {
    if (replica.connection?.isWaiting !== true) continue;
    const [first] = lacking(log, replica);
    assert(
      first === undefined,
      `${replica.name} waits at ${replica.position}, ${first?.ts} is there`,
    );
  }
}

/** A wake: only of those who wait, only with something new (but once), and losing nothing. */
export function wakeReplica(log: SimLog, replica: Replica, after: number): void {
  const { connection } = replica;
  assert(connection?.isWaiting === true, `${replica.name} is woken only while it waits`);
  connection.isWaiting = false;
  const skipped = lacking(log, replica).find(({ ts }) => ts <= after);
  assert(skipped === undefined, `${replica.name} would skip ${skipped?.ts}, woken after ${after}`);
  if (after > replica.position) replica.position = after;
  if (lacking(log, replica).length > 0) return;
  connection.wakesForNothing += 1;
  assert(connection.wakesForNothing <= 1, `${replica.name} is woken for nothing once at most`);
}

/** Reads up to `count` transactions. True when there is nothing more. */
export function read(log: SimLog, replica: Replica, count: number): boolean {
  const next = lacking(log, replica);
  for (const commit of next.slice(0, count)) {
    const isThere = log.groups.some(
      ({ firstTs, lastTs }) => firstTs <= commit.ts && commit.ts <= lastTs,
    );
    assert(isThere, `P25: ${commit.ts} was cut from under ${replica.name} at ${replica.position}`);
    replica.seen.push(commit.id);
    replica.position = commit.ts;
  }
  if (next.length > count) return false;
  replica.position = Math.max(replica.position, log.upper);
  return true;
}
