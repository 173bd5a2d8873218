/** Leases over the death of the server: what they promise is kept, and nothing else is. */
import { expect, inject, onTestFinished, test } from 'vitest';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import { CrashBed } from '../support/crash-bed.ts';
import { until } from '../support/stack.ts';

type Status = {
  readonly log: { readonly since: string; readonly groups: number };
  readonly leases: readonly {
    readonly replica: string;
    readonly ts: string;
    readonly expiresInS: number;
  }[];
};

/** Nothing is kept but for a lease; the grace after a restart is a sixteenth of `leaseS`. */
async function begin(leaseS: number): Promise<CrashBed> {
  const policy = { ...DEFAULT_POLICY, keepS: 0, leaseS };
  const bed = await CrashBed.open({
    ...{ postgresUrl: inject('postgresUrl'), seed: 7 },
    settings: { policy },
  });
  onTestFinished(() => bed.close());
  await bed.startServer();
  return bed;
}

async function status(bed: CrashBed): Promise<Status> {
  return (await bed.ask('/v1/status')) as Status;
}

function lsnOf(text: string): number {
  const [high = '0', low = '0'] = text.split('/');
  return Number.parseInt(high, 16) * 2 ** 32 + Number.parseInt(low, 16);
}

test('P25: a lease outlives a killed server, and the log is kept for it alone', async () => {
  const bed = await begin(30);
  const away = await bed.follow('away', ['FR', 'DE']);
  await bed.work();
  await bed.settle();
  await away.replica.close();
  const before = (await status(bed)).leases;
  expect(before).toHaveLength(1);
  await bed.work();
  await bed.server.kill();
  await bed.startServer();
  const after = (await status(bed)).leases;
  expect(after.map(({ replica }) => replica)).toEqual(before.map(({ replica }) => replica));
  expect(after[0]?.expiresInS).toBeLessThanOrEqual(30);
  // When the grace of two seconds is over the log is cut again: up to the lease, and no further.
  const startedAt = performance.now();
  await bed.work();
  await until('the grace is over', () => performance.now() - startedAt > 4000);
  const { log } = await status(bed);
  expect(lsnOf(log.since)).toBeLessThanOrEqual(lsnOf(after[0]?.ts ?? ''));
  expect(log.groups).toBeGreaterThan(0);
  await bed.server.kill();
  await bed.startAgain();
  await bed.expectEqual();
  expect(bed.resyncs).toEqual([]);
});

test('P25: a log that no lease needs is cut soon after a restart, also of a killed server', async () => {
  const bed = await begin(30);
  const gone = await bed.follow('gone', ['FR']);
  await bed.work();
  await bed.settle();
  const [lease] = (await status(bed)).leases;
  await bed.leave(gone);
  // A report of the replica may still have been on its way when it left.
  await until('its lease is gone', async () => {
    const answer = await fetch(`${bed.address}/v1/leases/${lease?.replica}`, { method: 'DELETE' });
    expect(answer.status).toBe(204);
    return (await status(bed)).leases.length === 0;
  });
  await bed.server.kill();
  await bed.startServer();
  expect((await status(bed)).leases).toEqual([]);
  await bed.work();
  // With the whole of a lease's time after every restart this would take 30 s.
  await until('the log is empty', async () => (await status(bed)).log.groups === 0, 15_000);
});

test('P25: the time while the server is down counts: a lease that ended then is over', async () => {
  const bed = await begin(3);
  const late = await bed.follow('late', ['FR']);
  await bed.work();
  await bed.settle();
  await late.replica.close();
  await until('the lease is stored as it is', async () => (await status(bed)).leases.length === 1);
  await bed.server.kill();
  const killedAt = performance.now();
  await until('the lease’s time is over', () => performance.now() - killedAt > 3000);
  await bed.startServer();
  expect((await status(bed)).leases).toEqual([]);
});
