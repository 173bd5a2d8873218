import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  findHome,
  type Home,
  type HomeOptions,
  openHome,
} from '../../../src/runs/database/home.ts';
import { DurableFile } from '../../../src/sqlite/runs/durable-file.ts';
import { change, newTask, seedRun, tempDir } from '../../support/run-bed.ts';
import { copiedRows, durableRows } from '../../support/run-copies.ts';

/** Leases of seconds run out in real time; on a busy machine each step beside them takes longer too. */
vi.setConfig({ testTimeout: 60_000 });
const POLL = { timeout: 20_000 };

type Bed = {
  readonly options: HomeOptions;
  readonly open: (more?: Partial<HomeOptions>) => Promise<Home>;
};

function bed(): Bed {
  const dir = tempDir();
  const options = { area: join(dir, 'area'), tempDir: join(dir, 'tmp'), hostId: 'h1' };
  return {
    options,
    open: async (more = {}) => {
      const home = await openHome({ ...options, ...more });
      onTestFinished(() => home.close());
      return home;
    },
  };
}

describe('the durable run database', () => {
  test('has every row of the local one after a sync, deletes too, and its sequence', async () => {
    const home = await bed().open();
    const { runId, ids } = seedRun(home.store, ['a', 'b/', 'b/1', 'b/2']);
    await home.syncer.carried(5000);
    const [a = 0, , one = 0] = ids;
    home.store.write({ actor: 'me', writes: [change(one, { kind: 'launch' }), newTask()] });
    home.store.write({
      ...{ actor: 'me' },
      writes: [{ kind: 'removeTests', runId, testIds: [a], cause: 'test' }],
    });
    await home.syncer.carried(5000);
    expect(await durableRows(home.durable)).toEqual(copiedRows(home.store));
    expect(await home.durable.mark()).toEqual({ history: home.store.history, seq: home.store.seq });
    expect(home.syncer.status).toMatchObject({ state: 'following', ageMs: 0 });
  });

  test('a machine that starts again goes on from the durable database', async () => {
    const { open: start } = bed();
    const first = await start({ bootId: 'boot-1' });
    const { ids } = seedRun(first.store, ['a']);
    first.store.write({ actor: 'me', writes: [change(ids[0] ?? 0, { kind: 'launch' })] });
    await first.syncer.carried(5000);
    const before = copiedRows(first.store);
    await first.close();
    const second = await start({ bootId: 'boot-2' });
    expect(copiedRows(second.store)).toEqual(before);
    expect(second.store.history).not.toBe(first.store.history);
    second.store.write({ actor: 'me', writes: [newTask()] });
    await second.syncer.carried(5000);
    expect(await durableRows(second.durable)).toEqual(copiedRows(second.store));
  });

  test('when the local folder is gone under an open database, its syncer ends and a new one is filled', async () => {
    const { options, open: start } = bed();
    const losses: string[] = [];
    const first = await start({ onLost: ({ message }) => losses.push(message) });
    seedRun(first.store, ['a', 'b']);
    await first.syncer.carried(5000);
    const before = copiedRows(first.store);
    rmSync(options.tempDir, { recursive: true });
    const second = await start();
    expect(copiedRows(second.store)).toEqual(before);
    await expect.poll(() => losses.length, POLL).toBe(1);
  });

  test('a second process waits for the lease and takes over when the first ends', async () => {
    const { open: start } = bed();
    const first = await start();
    seedRun(first.store, ['a']);
    await first.syncer.carried(5000);
    const second = await start();
    await expect.poll(() => second.syncer.status.error, POLL).toContain('syncs');
    await first.close();
    second.store.write({ actor: 'me', writes: [newTask()] });
    await second.syncer.carried(5000);
    expect(second.syncer.status.state).toBe('following');
  });
});

test('a syncer that died is replaced before its lease ends', async () => {
  const { options, open: start } = bed();
  const first = await start();
  const dead = 'h1:999999999:1:x';
  await first.close();
  const durable = new DurableFile(join(options.area, '.tidelock', 'runs.db'));
  const hour = 3_600_000;
  await durable.lease({ owner: dead, now: Date.now(), ms: hour });
  const second = await start();
  second.store.write({ actor: 'me', writes: [newTask()] });
  await second.syncer.carried(10_000);
  const other = { owner: 'h2:999999999:1:x', now: Date.now(), ms: hour };
  expect(await durable.lease(other)).toMatchObject({ isOurs: false });
  await durable.close();
});

describe('where run databases are', () => {
  test('no file is opened over a network, and the error says what to do instead', async () => {
    const { options } = bed();
    const wrong = openHome({
      ...options,
      networkDiskOf: (path) => (path.includes('area') ? 'nfs' : null),
    });
    await expect(wrong).rejects.toMatchObject({ code: 'NETWORK_DISK', hint: /--durable/ });
    const temp = openHome({
      ...options,
      networkDiskOf: (path) => (path.includes('tmp') ? 'cifs' : null),
    });
    await expect(temp).rejects.toMatchObject({ code: 'NETWORK_DISK', hint: /TMPDIR/ });
  });

  test('the host that uses an area first is its home; others do not open the file', async () => {
    const { options, open: start } = bed();
    await start();
    const other = openHome({ ...options, hostId: 'h2' });
    await expect(other).rejects.toMatchObject({ code: 'OFF_HOME' });
  });

  test('a durable database belongs to one area; one that moves with its area goes on', async () => {
    const { options, open: start } = bed();
    const shared = join(options.area, '..', 'shared.db');
    const first = await start({ durable: shared });
    seedRun(first.store, ['a']);
    await first.close();
    const other = openHome({ ...options, area: `${options.area}2`, durable: shared });
    await expect(other).rejects.toMatchObject({ code: 'RUNS_UNUSABLE' });

    const own = await start();
    seedRun(own.store, ['b']);
    const before = copiedRows(own.store);
    await own.close();
    renameSync(options.area, `${options.area}3`);
    const moved = await start({ area: `${options.area}3` });
    expect(copiedRows(moved.store)).toEqual(before);
    expect(moved.store.area).toBe(own.store.area);
  });

  test('temp storage of somebody else is not used', async () => {
    const { options } = bed();
    const { place } = findHome(options);
    mkdirSync(place.userDir, { recursive: true });
    chmodSync(place.userDir, 0o777);
    await expect(openHome(options)).rejects.toMatchObject({ hint: /TMPDIR/ });
  });

  test('processes of one host share the local database, whatever temp folder each of them has', async () => {
    const { options, open: start } = bed();
    const first = await start();
    const { ids } = seedRun(first.store, ['a']);
    const second = await start({ tempDir: `${options.tempDir}2` });
    expect(second.store.history).toBe(first.store.history);
    second.store.write({ actor: 'me', writes: [change(ids[0] ?? 0, { kind: 'launch' })] });
    expect(first.store.read({ kind: 'test', testId: ids[0] ?? 0 }).tests?.[0]?.state).toBe(
      'LAUNCHED',
    );
    await Promise.all([first.close(), second.close()]);
    rmSync(options.tempDir, { recursive: true });
    const third = await start({ tempDir: `${options.tempDir}2` });
    expect(third.place.localDir).toContain(`${options.tempDir}2`);
    expect(third.store.read({ kind: 'test', testId: ids[0] ?? 0 }).tests).toHaveLength(1);
  });

  test('an area is one, whichever path leads to it', async () => {
    const { options, open: start } = bed();
    const losses: string[] = [];
    mkdirSync(options.area, { recursive: true });
    const first = await start({ onLost: ({ message }) => losses.push(message) });
    const link = `${options.area}-link`;
    symlinkSync(options.area, link);
    const second = await start({ area: link });
    expect(second.store.history).toBe(first.store.history);
    seedRun(first.store, ['a']);
    await first.syncer.carried(5000);
    expect(losses).toEqual([]);
  });

  test('a copy of an area has a local database of its own', async () => {
    const { options, open: start } = bed();
    const first = await start();
    cpSync(options.area, `${options.area}2`, { recursive: true });
    const file = join(options.area, '..', 'other.db');
    const copy = await start({ area: `${options.area}2`, durable: file });
    expect(copy.place.localFile).not.toBe(first.place.localFile);
  });

  test('a local database of another user is refused', async () => {
    const { options, open: start } = bed();
    const { place } = await start();
    const note = JSON.parse(readFileSync(place.localNote, 'utf8')) as object;
    writeFileSync(place.localNote, JSON.stringify({ ...note, uid: 4711 }));
    await expect(openHome(options)).rejects.toMatchObject({
      ...{ code: 'RUNS_UNUSABLE', message: /user 4711 only/ },
    });
  });

  test('an area that is made anew at the same path has none of the runs of the other', async () => {
    const { options, open: start } = bed();
    const losses: string[] = [];
    const first = await start({ onLost: ({ message }) => losses.push(message) });
    seedRun(first.store, ['a']);
    await first.syncer.carried(5000);
    rmSync(options.area, { recursive: true });
    mkdirSync(options.area);
    const second = await start();
    expect(second.store.read({ kind: 'runs' }).runs).toEqual([]);
    // Who still has the other open carries nothing of it into this one.
    await expect.poll(() => losses.length, POLL).toBe(1);
    seedRun(second.store, ['b']);
    await second.syncer.carried(10_000);
    expect((await durableRows(second.durable)).runs).toHaveLength(1);
  });

  test('what dead boots have left in temp storage goes when it is old, and never what is open', async () => {
    const { open: start } = bed();
    const first = await start({ bootId: 'boot-1' });
    await first.close();
    const open = await start({ bootId: 'boot-2' });
    const old = new Date(Date.now() - 8 * 86_400_000);
    utimesSync(first.place.localFile, old, old);
    utimesSync(open.place.localFile, old, old);
    await start({ bootId: 'boot-3' });
    expect(existsSync(first.place.localDir)).toBe(false);
    expect(existsSync(open.place.localFile)).toBe(true);
    expect(open.store.seq).toBe(0);
  });
});
