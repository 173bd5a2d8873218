import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { DurablePostgres } from '../../src/postgres/runs/durable.ts';
import { type Home, type HomeOptions, openHome } from '../../src/runs/database/home.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { change, newTask, seedRun, tempDir } from '../support/run-bed.ts';
import { copiedRows, durableRows } from '../support/run-copies.ts';
import { until } from '../support/stack.ts';

type Bed = {
  readonly proxy: FaultyProxy;
  readonly open: (bootId: string) => Promise<Home>;
};

/** An area whose durable database is a Postgres behind a proxy. Each test has an area of its own there. */
async function bed(): Promise<Bed> {
  const url = new URL(inject('postgresUrl'));
  const proxy = await FaultyProxy.start(`http://${url.host}`, new SeededRandom(1));
  onTestFinished(() => proxy.close());
  const dir = tempDir();
  const { host } = new URL(proxy.url);
  const durable = Object.assign(new URL(url), { host }).href;
  const options: HomeOptions = {
    ...{ area: join(dir, 'area'), tempDir: join(dir, 'tmp'), hostId: 'h1', durable },
    openDurable: async (address, area) => new DurablePostgres(address, area),
  };
  return {
    proxy,
    open: async (bootId) => {
      const home = await openHome({ ...options, bootId });
      onTestFinished(() => home.close());
      return home;
    },
  };
}

test('a Postgres has every row of the local database, and a machine that starts again goes on from there', async () => {
  const { open } = await bed();
  const first = await open('boot-1');
  const { runId, ids } = seedRun(first.store, ['a', 'b/', 'b/1']);
  const step = {
    ...({ name: 'only', state: 'end', status: 'PASS', exitCode: 0, isMasked: true } as const),
    ...{ log: null, startedAt: 1, endedAt: 2, comment: 'ä "quoted" \n second line' },
  };
  first.store.write({
    actor: 'me',
    writes: [
      { kind: 'putStep', testId: ids[2] ?? 0, step },
      { kind: 'removeTests', runId, testIds: [ids[0] ?? 0], cause: 'test' },
      newTask({ args: { list: [1, null, 'x'] }, dedupeKey: 'k' }),
    ],
  });
  await first.syncer.carried(10_000);
  const before = copiedRows(first.store);
  expect(await durableRows(first.durable)).toEqual(before);
  await first.close();
  const second = await open('boot-2');
  expect(copiedRows(second.store)).toEqual(before);
  second.store.write({ actor: 'me', writes: [newTask()] });
  await second.syncer.carried(10_000);
  expect(await durableRows(second.durable)).toEqual(copiedRows(second.store));
});

test('while the durable database is away runs go on, the lag is shown, and what waited follows when it is back', async () => {
  const { proxy, open } = await bed();
  const { store, syncer, durable } = await open('boot-1');
  const { ids } = seedRun(store, ['a']);
  await syncer.carried(10_000);
  proxy.faults = { cutAfterBytes: [0, 1] };
  proxy.dropAll();
  const [id = 0] = ids;
  for (const kind of ['launch', 'run'] as const) {
    store.write({ actor: 'me', writes: [change(id, { kind }), newTask()] });
  }
  await until('the syncer is cut off', () => syncer.status.state === 'cut off');
  expect(syncer.status.error).toContain('cannot be used');
  await until('the lag grows past the bound', () => syncer.status.ageMs > 5000);
  await until('the excess stands among the events', () => lags(store) === 1);
  expect(store.read({ kind: 'test', testId: id }).tests?.[0]?.state).toBe('RUNNING');
  proxy.faults = {};
  await syncer.carried(10_000);
  await until('its end too', () => lags(store) === 2);
  await syncer.carried(10_000);
  expect(await durableRows(durable)).toEqual(copiedRows(store));
  expect(syncer.status).toMatchObject({ state: 'following', ageMs: 0, error: null });
});

function lags(store: Home['store']): number {
  const query = { kind: 'events', runId: null, testId: null, since: 0, limit: 1000 } as const;
  return store.read(query).events?.filter(({ kind }) => kind === 'lag').length ?? 0;
}
