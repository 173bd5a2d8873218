/**
 * The server and the replica are killed at every named point, under a seeded workload, and started again
 * (P19). Afterwards replicas are equal to Postgres, by SQL and by digest, and nothing was copied anew where
 * nothing had to be.
 */
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  onTestFinished,
  test,
} from 'vitest';
import type { ReplicaNews } from '../../src/bench/script/replica-program.ts';
import type { CrashPoint } from '../../src/client/crash-points.ts';
import type { EngineCrashPoint } from '../../src/engine/crash-points.ts';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import type { Child } from '../support/child.ts';
import { CrashBed, eventsOf, trap } from '../support/crash-bed.ts';
import { until } from '../support/stack.ts';
import { COUNTRIES, TOTAL } from '../support/workload.ts';

/** Change it to look for trouble elsewhere; a failure tells it by the tests' names. */
const SEED = 20_261;

/** Points that a running server passes under the workload, and up to which hit of them the trap may wait. */
const STREAM_POINTS: readonly (readonly [EngineCrashPoint, number])[] = [
  ['read', 6],
  ['decoded', 6],
  ['beforeAppend', 6],
  ['afterAppend', 6],
  ['beforeStage', 12],
  ['afterStage', 12],
  ['beforeSeal', 2],
  ['afterSeal', 2],
  ['beforeNoteUpper', 1],
  ['afterNoteUpper', 1],
  ['beforeConfirm', 6],
  ['afterConfirm', 6],
  ['frameRead', 9],
];

describe(`the server, seed ${SEED}`, () => {
  let bed: CrashBed;

  beforeAll(async () => {
    bed = await CrashBed.open({ postgresUrl: inject('postgresUrl'), seed: SEED });
    await bed.startServer();
    await bed.follow('fr', ['FR']);
    await bed.follow('all', ['FR', 'DE', 'IT']);
  });
  beforeEach(() => bed.startServer());
  afterAll(() => bed?.close());

  test.each(STREAM_POINTS)('P19: killed at %s', async (point, hitsMax) => {
    trap(bed.server, { point, hit: bed.random.between(1, hitsMax) });
    await bed.workUntilTrapped();
    await bed.startAgain();
    await bed.expectEqual();
    expect(bed.resyncs).toEqual([]);
  });

  test.each(['beforeDiscard', 'afterDiscard'])('P19, P3: killed at %s', async (point) => {
    trap(bed.server, { point, hit: 1 });
    await bed.rollBackLarge();
    await bed.expectTrapped();
    await bed.work();
    await bed.startAgain();
    await bed.expectEqual();
    expect(bed.resyncs).toEqual([]);
  });

  test.each(['snapshotOpened', 'snapshotCopied', 'snapshotFinished'])(
    'P19, P7: killed at %s of a first copy',
    async (point) => {
      trap(bed.server, { point, hit: 1 });
      const following = bed.follow(point, ['DE', 'IT']);
      await bed.expectTrapped();
      await bed.work();
      await bed.startAgain();
      const followed = await following;
      await bed.expectEqual();
      expect(bed.resyncs).toEqual([]);
      await bed.leave(followed);
    },
  );

  test.each(['snapshotOpened', 'snapshotCopied', 'snapshotFinished'])(
    'P19, P7: killed at %s of a difference',
    async (point) => {
      await bed.leave(await bed.follow(`${point} 2`, ['DE']));
      trap(bed.server, { point, hit: 1 });
      const followed = await bed.follow(`${point} 2`, ['FR', 'DE']);
      await bed.expectTrapped();
      await bed.work();
      await bed.startAgain();
      await bed.expectEqual();
      expect(bed.resyncs).toEqual(['the selectors changed from DE to FR, DE']);
      await bed.leave(followed);
    },
  );

  test.each(['published', 'connected'])('P19: killed at %s while it starts', async (point) => {
    await bed.server.kill();
    await bed.work();
    await bed.startServer({ point, hit: 1 });
    await bed.expectTrapped();
    await bed.startAgain();
    await bed.expectEqual();
    expect(bed.resyncs).toEqual([]);
  });

  test('P19, P21: killed at announced; another column comes before it reads what it announced', async () => {
    await bed.server.kill();
    await bed.stack.sql.query(bed.workload.addColumn());
    await bed.startServer({ point: 'announced', hit: 1 });
    await bed.expectTrapped();
    await bed.work();
    await bed.startAgain();
    await bed.expectEqual();
    expect(bed.resyncs).toEqual([]);
  });

  test.each(['published', 'announced'])(
    'P19, P20: killed at %s, what a table was through while it was not published is copied',
    async (point) => {
      await bed.server.kill();
      const { sql, name } = bed.stack;
      const other = await bed.stack.client();
      const triggers = ['ddl', 'drop', 'rewrite'].map(
        (one) => `DROP EVENT TRIGGER tidelock_${one};`,
      );
      await sql.query(`${triggers.join(' ')} ALTER PUBLICATION ${name} DROP TABLE city`);
      await sql.query(`UPDATE city SET people = people + 1000 WHERE id = 1`);
      await other.query(`BEGIN; UPDATE city SET people = people + 1000 WHERE id = 2`);
      await bed.startServer({ point, hit: 1 });
      // It announces only when whoever wrote to the unpublished table has ended.
      if (point === 'announced') await other.query('COMMIT');
      await bed.expectTrapped();
      await bed.startAgain();
      if (point === 'published') await other.query('COMMIT');
      await until('the table was copied again', () => {
        const asked = bed.resyncs.filter((reason) => !reason.startsWith('the digest differs'));
        return asked.length >= bed.followed.length;
      });
      // Until then a check of the digests may have found the difference first.
      bed.forgetResyncs();
      await bed.expectEqual();
      bed.forgetResyncs();
    },
  );

  test.each(['slotDropped', 'slotCreated', 'afterReset'])(
    'P19, P20: killed at %s, while a new history begins',
    async (point) => {
      await bed.work();
      await bed.settle();
      const before = await bed.timeline();
      await bed.server.kill();
      await bed.dropSlot();
      await bed.work();
      await bed.startServer({ point, hit: 1 });
      await bed.expectTrapped();
      await bed.work();
      await bed.startAgain();
      await bed.expectEqual();
      expect(await bed.timeline()).not.toBe(before);
      // One for each replica: it never saw the history that was given up.
      expect(bed.resyncs).toHaveLength(bed.followed.length);
      bed.forgetResyncs();
    },
  );
});

/** Points that a following replica passes, and up to which hit of them the trap may wait. */
const FOLLOW_POINTS: readonly (readonly [CrashPoint, number])[] = [
  ['feed: after parse', 6],
  ['apply: before begin', 4],
  ['apply: before commit', 4],
  ['apply: after commit', 4],
  ['stream: inside a large transaction', 3],
  ['stream: before commit', 1],
  ['lease: before report', 1],
];

describe(`a replica, seed ${SEED}`, () => {
  let bed: CrashBed;
  let child: Child<ReplicaNews>;

  beforeAll(async () => {
    bed = await CrashBed.open({ postgresUrl: inject('postgresUrl'), seed: SEED });
    await bed.startServer();
    child = bed.startReplica('all', COUNTRIES);
  });
  afterAll(async () => {
    await child?.kill();
    await bed?.close();
  });

  test.each(FOLLOW_POINTS)('P19: killed at "%s"', async (point, hitsMax) => {
    await child.first('ready');
    trap(child, { point, hit: bed.random.between(1, hitsMax) });
    await bed.workUntilTrapped(child);
    expect(bed.totalIn('all')).toBe(TOTAL);
    child = bed.startReplica('all', COUNTRIES);
    await bed.expectChildEqual(child, 'all', COUNTRIES);
    expect(eventsOf(child, 'resync')).toEqual([]);
  });

  test.each<CrashPoint>([
    'bootstrap: half downloaded',
    'bootstrap: before adopt',
    'bootstrap: after adopt',
  ])('P19: killed at "%s"', async (point) => {
    await bed.expectTrapped(bed.startReplica(point, ['DE'], { point, hit: 1 }));
    await bed.work();
    const fresh = bed.startReplica(point, ['DE']);
    await bed.expectChildEqual(fresh, point, ['DE']);
    expect(eventsOf(fresh, 'resync')).toEqual([]);
    await fresh.kill();
  });

  test.each<readonly [CrashPoint, number]>([
    ['resync: after begin', 1],
    ['resync: between rows', 1],
    ['resync: before commit', 1],
    ['resync: after commit', 0],
  ])('P19: killed at "%s"', async (point, resyncs) => {
    const before = bed.startReplica(point, ['DE']);
    await bed.expectChildEqual(before, point, ['DE']);
    await before.kill();
    await bed.expectTrapped(bed.startReplica(point, ['DE', 'IT'], { point, hit: 1 }));
    await bed.work();
    const after = bed.startReplica(point, ['DE', 'IT']);
    await bed.expectChildEqual(after, point, ['DE', 'IT']);
    // The difference counts only when it was committed, and then it is not fetched again.
    expect(eventsOf(after, 'resync')).toHaveLength(resyncs);
    await after.kill();
  });
});

test.each(['beforePurge', 'afterPurge'])('P19, P25: killed at %s', async (point) => {
  const bed = await CrashBed.open({
    ...{ postgresUrl: inject('postgresUrl'), seed: SEED },
    // Nothing is kept but what a replica needs, and it may be away for as long as a restart takes.
    settings: { policy: { ...DEFAULT_POLICY, keepS: 0, leaseS: 20 } },
  });
  onTestFinished(() => bed.close());
  await bed.startServer();
  await bed.follow('all', ['FR', 'DE', 'IT']);
  trap(bed.server, { point, hit: 1 });
  await bed.workUntilTrapped();
  await bed.startAgain();
  await bed.expectEqual();
  expect(bed.resyncs).toEqual([]);
});

test.each(['beforeMerge', 'afterMerge'])('P19: killed at %s', async (point) => {
  const bed = await CrashBed.open({
    ...{ postgresUrl: inject('postgresUrl'), seed: SEED },
    settings: { merge: { freshGroups: 2, bytesMax: 1e6, groupsMin: 2, groupsMax: 4 } },
  });
  onTestFinished(() => bed.close());
  await bed.startServer();
  await bed.follow('all', ['FR', 'DE', 'IT']);
  trap(bed.server, { point, hit: 1 });
  await bed.workUntilTrapped();
  await bed.startAgain();
  await bed.expectEqual();
  expect(bed.resyncs).toEqual([]);
});
