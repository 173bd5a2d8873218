/** The parts of the simulated world that can lie: time, disks, Postgres. */
import { describe, expect, test } from 'vitest';
import { Chance } from '../../../src/sim/chance.ts';
import { LogDisk } from '../../../src/sim/log-disk.ts';
import { SimPostgres } from '../../../src/sim/postgres.ts';
import { Life, Scheduler } from '../../../src/sim/scheduler.ts';
import { TABLES } from '../../../src/sim/tables.ts';
import { Trace } from '../../../src/sim/trace.ts';
import { anIdentity, lsn, newGroup } from '../log/groups.ts';

const ALWAYS = { isDone: () => false, untilMs: 10_000, stepsMax: 1000 };

describe('the scheduler', () => {
  test('runs tasks in the order of time, and promises of one before the next', async () => {
    const scheduler = new Scheduler(new Trace());
    const order: string[] = [];
    scheduler.after(20, 'b', () => order.push('b'));
    scheduler.after(10, 'a', () => {
      order.push('a');
      void Promise.resolve().then(() => order.push('promise of a'));
    });
    scheduler.after(20, 'c', () => order.push('c'));
    expect(await scheduler.run(ALWAYS)).toBe('idle');
    expect(order).toEqual(['a', 'promise of a', 'b', 'c']);
    expect(scheduler.now).toBe(20);
  });

  test('a task of a process that is over does not run, nor one that was cancelled', async () => {
    const scheduler = new Scheduler(new Trace());
    const life = new Life();
    const order: string[] = [];
    scheduler.after(20, 'late', () => order.push('late'), life);
    scheduler.after(30, 'cancelled', () => order.push('cancelled')).cancel();
    scheduler.after(10, 'end', () => life.end());
    await scheduler.run(ALWAYS);
    expect(order).toEqual([]);
  });

  test('what a task throws ends the run', async () => {
    const scheduler = new Scheduler(new Trace());
    scheduler.after(1, 'bug', () => {
      throw new Error('a bug');
    });
    scheduler.after(2, 'never', () => expect.unreachable());
    expect(await scheduler.run(ALWAYS)).toBe('failed');
    expect(String(scheduler.failure)).toContain('a bug');
  });
});

describe('chance', () => {
  test('a stream of its own does not depend on what others drew', () => {
    const chance = new Chance(7, 'world');
    const before = chance.stream('net').next();
    for (let count = 0; count < 10; count += 1) chance.next();
    expect(chance.stream('net').next()).toBe(before);
    expect(chance.stream('disk').next()).not.toBe(before);
  });
});

describe('the disk of the log', () => {
  function filled(disk: LogDisk): Life {
    const life = new Life();
    const log = disk.open(life);
    log.reset(anIdentity(), TABLES);
    log.append([newGroup(110), newGroup(120)]);
    log.purge(1);
    return life;
  }

  test('keeps everything when the process dies', () => {
    const disk = new LogDisk(false);
    filled(disk).end();
    expect(disk.open(new Life()).heads.map(({ seq }) => seq)).toEqual([2]);
    disk.close();
  });

  test('P29: loses what was not synced, and nothing else, when the machine dies', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 20; seed += 1) {
      const disk = new LogDisk(false);
      filled(disk).end();
      disk.loseUnsynced(new Chance(seed));
      const log = disk.open(new Life());
      expect(log.upper).toBe(lsn(120));
      seen.add(log.heads.length);
      disk.close();
    }
    expect([...seen].sort()).toEqual([1, 2]);
  });

  test('takes no more when it is full, or when its process is gone', () => {
    const disk = new LogDisk(false);
    const life = filled(disk);
    const log = disk.open(life);
    disk.isFull = true;
    expect(() => log.append([newGroup(130)])).toThrow('the disk is full');
    disk.isFull = false;
    life.end();
    expect(() => log.append([newGroup(130)])).toThrow('its process is gone');
    disk.close();
  });
});

describe('the simulated Postgres', () => {
  test('a snapshot sees commits later than the log has them, and in another order', async () => {
    const scheduler = new Scheduler(new Trace());
    const none = { onWal: () => {}, onCommit: () => {}, onCrash: () => {} };
    const postgres = new SimPostgres(scheduler, () => 1, none);
    const [first, second] = [postgres.begin(), postgres.begin()];
    const put = (id: number) => [{ kind: 'put' as const, id, selector: 'A', value: `${id}` }];
    postgres.commit(second, put(2), 5);
    postgres.commit(first, put(1), 500);
    scheduler.after(10, 'look', () => {
      const { snapshot } = postgres.snapshot();
      expect([...snapshot.xips]).toEqual([first]);
      expect(snapshot.xmin).toBe(first);
    });
    await scheduler.run(ALWAYS);
    expect([...postgres.snapshot().snapshot.xips]).toEqual([]);
  });

  test('whoever writes a row of a transaction that is not visible yet has waited for it', () => {
    const scheduler = new Scheduler(new Trace());
    const none = { onWal: () => {}, onCommit: () => {}, onCrash: () => {} };
    const postgres = new SimPostgres(scheduler, () => 1, none);
    const put = (value: string) => [{ kind: 'put' as const, id: 1, selector: 'A', value }];
    const first = postgres.begin();
    postgres.commit(first, put('one'), 500);
    postgres.commit(postgres.begin(), put('two'), 500);
    expect(postgres.snapshot().snapshot.xips.has(first)).toBe(false);
  });
});
