import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { AgeWatch } from '../../src/bench/runs/age-watch.ts';
import { type Ran, Runners } from '../../src/bench/runs/runners.ts';
import { formatLsn, toLsn } from '../../src/core/lsn.ts';
import { openReplica } from '../../src/index.ts';
import type { EventRow } from '../../src/planner/rows.ts';
import type { RunChanges } from '../../src/planner/run-store.ts';
import { COPIED_TABLES, copiedColumns, sqlName } from '../../src/planner/run-tables.ts';
import { findHome, openLocal } from '../../src/runs/database/home.ts';
import { readDiscovery } from '../../src/runs/database/leader.ts';
import { RemoteRuns } from '../../src/runs/database/remote.ts';
import { SYNC_AGE_MS_MAX } from '../../src/runs/database/syncer.ts';
import type { SqliteRunStore } from '../../src/sqlite/runs/run-store.ts';
import { Child } from '../support/child.ts';
import { newTask, seedRun, tempDir } from '../support/run-bed.ts';
import type { CandidateNews } from '../support/runs-candidate.ts';
import { until } from '../support/stack.ts';

const CANDIDATE = new URL('../support/runs-candidate.ts', import.meta.url);
const LEASE_MS = 1500;
/** A start of a runner costs more than all that it does: on a busy machine there would be ever more of them. */
const KILLS_MAX = 20;
/** Seconds on an idle machine; dozens of processes are started. */
const END_MS_MAX = 120_000;
const TEST_MS_MAX = 180_000;

type Bed = { readonly area: string; readonly tempDir: string };

function bed(dir = tempDir()): Bed {
  const area = join(dir, 'area');
  mkdirSync(area);
  return { area, tempDir: join(dir, 'tmp') };
}

function candidate(settings: Bed): Child<CandidateNews> {
  const child = new Child<CandidateNews>(CANDIDATE, settings);
  onTestFinished(() => child.kill());
  return child;
}

const home = (settings: Bed) => ({ ...settings, hostId: 'bench' });

/** Rows of every copied table, as SQLite gives them, in the order of the key. */
function rowsOf(file: string): object {
  const sql = new DatabaseSync(file, { readOnly: true });
  try {
    return Object.fromEntries(
      COPIED_TABLES.map((table) => {
        const list = copiedColumns(table).map(({ field }) => `"${sqlName(field)}"`);
        const text = `SELECT ${list.join(', ')} FROM ${table.name} ORDER BY ${sqlName(table.key)}`;
        return [table.name, sql.prepare(text).all()];
      }),
    );
  } finally {
    sql.close();
  }
}

describe('the server of an area', () => {
  test('twenty that start at once leave exactly one leader; the others exit 0 and say who leads', async () => {
    const settings = bed();
    const children = Array.from({ length: 20 }, () => candidate(settings));
    const leads = () => children.filter(({ news }) => news.some(({ kind }) => kind === 'leads'));
    await until('one leads', () => leads().length === 1);
    const [leader] = leads();
    const others = children.filter((child) => child !== leader);
    for (const other of others) {
      expect(await other.ended()).toMatchObject({ code: 0, errors: '' });
      expect(other.news).toEqual([{ kind: 'lost', pid: leader?.pid }]);
    }
    expect(leads()).toHaveLength(1);
  });

  test('when the leader is killed another one leads, and the file in the area names it', async () => {
    const settings = bed();
    const first = candidate(settings);
    await first.first('leads');
    await first.kill();
    const second = candidate(settings);
    const { url } = await second.first('leads');
    expect(readDiscovery(findHome(home(settings)).place.discoveryFile)?.url).toBe(url);
  });
});

describe('another host', () => {
  let settings: Bed;
  let server: Child<CandidateNews>;
  let url: string;

  beforeAll(async () => {
    settings = bed(mkdtempSync(join(tmpdir(), 'tidelock-runs-')));
    server = new Child<CandidateNews>(CANDIDATE, settings);
    ({ url } = await server.first('leads'));
  });

  afterAll(async () => {
    await server.kill();
    rmSync(join(settings.area, '..'), { recursive: true, force: true });
  });

  /** Fails as `loses` says; what was sent is done all the same. */
  function remote(loses: (sent: number) => boolean, told: string[]): RemoteRuns {
    let sent = 0;
    return new RemoteRuns({
      ...{ url: () => url, newKey: () => randomUUID(), random: () => 0.5 },
      onTrouble: ({ code }) => told.push(code),
      fetch: async (input, init) => {
        const answer = await fetch(input, init);
        sent += 1;
        if (!loses(sent)) return answer;
        await answer.arrayBuffer();
        throw new Error('the answer was lost');
      },
    });
  }

  test('a call whose answer is lost is sent again and writes nothing twice', async () => {
    const told: string[] = [];
    const far = remote((sent) => sent % 2 === 1, told);
    const { answers } = await far.write({ actor: 'far', writes: [newTask(), newTask()] });
    expect(answers.map(({ isNew }) => isNew)).toEqual([true, true]);
    const { tasks } = await far.read({ kind: 'tasks', states: null, limit: 10 });
    expect(tasks?.map(({ createdBy }) => createdBy)).toEqual(['far', 'far']);
    expect(told).toEqual(['SERVER_UNREACHABLE', 'SERVER_UNREACHABLE']);
  });

  test('a frame that was changed on its way is refused and changes nothing', async () => {
    const body = JSON.stringify({ version: 1, calls: [] });
    const answer = await fetch(`${url}/runs/v1/call`, {
      ...{ method: 'POST', body },
      headers: { 'content-type': 'application/json', 'x-tidelock-digest': 'sha-256=00' },
    });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { code: 'BAD_FRAME' } });
  });

  test('a page that follows gets what is there, then what changes', async () => {
    const end = new AbortController();
    onTestFinished(() => end.abort());
    const answer = await fetch(`${url}/runs/v1/changes`, { signal: end.signal });
    const told = changesOf(answer);
    const first = (await told.next()).value;
    expect(first?.isMore).toBe(false);
    const create = { kind: 'createRun', target: 'a/b', name: 'seen' } as const;
    await remote(() => false, []).write({ actor: 'far', writes: [create] });
    const second = (await told.next()).value;
    expect(second?.rows.runs.map(({ name }) => name)).toEqual(['seen']);
    expect(second?.history).toBe(first?.history);
  });

  test('a page of another site may not queue an action', async () => {
    const request = { action: 'prune', runId: null, testId: null, args: {} };
    const ask = (site: string) =>
      fetch(`${url}/runs/v1/tasks`, {
        ...{ method: 'POST', body: JSON.stringify(request) },
        headers: { 'content-type': 'application/json', 'sec-fetch-site': site },
      });
    expect((await ask('cross-site')).status).toBe(403);
    expect((await ask('same-origin')).status).toBe(200);
  });
});

/** The events of a stream of changes. */
async function* changesOf({ body }: Response): AsyncGenerator<RunChanges, void, void> {
  let text = '';
  for await (const bytes of body ?? []) {
    text += Buffer.from(bytes as Uint8Array).toString('utf8');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data !== undefined) yield JSON.parse(data) as RunChanges;
    }
  }
}

/** Every task is done by one runner; a second attempt began only when the lease of the first had run out. */
function expectOnce(store: SqliteRunStore, ran: readonly Ran[]): void {
  const tasks = store.read({ kind: 'tasks', states: null, limit: 2000 }).tasks ?? [];
  expect(tasks.filter(({ state }) => state !== 'done')).toEqual([]);
  expect(tasks).toHaveLength(1000);
  const attempts = new Map<string, string>();
  for (const { taskId, attempt, by } of ran) {
    const name = `${taskId} attempt ${attempt}`;
    expect(attempts.get(name) ?? by, name).toBe(by);
    attempts.set(name, by);
  }
  const claimedAt = new Map<string, number>();
  const ends = new Map<string, number>();
  for (const { at, new: now, cause } of allEvents(store)) {
    const [, task = '', rest = ''] = /^task (\d+): (.*)$/.exec(cause) ?? [];
    if (now === 'done') ends.set(task, (ends.get(task) ?? 0) + 1);
    if (now !== 'claimed') continue;
    const before = claimedAt.get(task);
    if (before !== undefined)
      expect(at - before, `${task}: ${rest}`).toBeGreaterThanOrEqual(LEASE_MS);
    claimedAt.set(task, at);
  }
  expect(ends.size).toBe(1000);
  expect([...ends.values()].every((count) => count === 1)).toBe(true);
}

function allEvents(store: SqliteRunStore): readonly EventRow[] {
  const found: EventRow[] = [];
  for (;;) {
    const since = found.at(-1)?.seq ?? 0;
    const query = { kind: 'events', runId: null, testId: null, since, limit: 10_000 } as const;
    const { events = [] } = store.read(query);
    if (events.length === 0) return found;
    found.push(...events);
  }
}

const openTasks = (store: SqliteRunStore): number =>
  store.read({ kind: 'tasks', states: ['new', 'claimed', 'running'], limit: 2000 }).tasks?.length ??
  0;

describe('runners that are killed', () => {
  test(
    '1,000 actions over four runners are each done once, the bound of the sync holds, and a replica equals the database',
    async () => {
      const settings = bed();
      const local = await openLocal(home(settings));
      onTestFinished(() => local.close());
      const { store } = local;
      const names = ['t/', ...Array.from({ length: 20 }, (_, n) => `t/${n}`)];
      const testIds = seedRun(store, names).ids.slice(1);
      const tasks = Array.from({ length: 1000 }, () => newTask({ attemptsMax: 100 }));
      const { url } = await candidate(settings).first('leads');
      store.write({ actor: 'test', writes: tasks });
      const file = join(settings.tempDir, 'replica.db');
      const replica = await openReplica({ server: url, selectors: [settings.area], file });
      onTestFinished(() => replica.close());
      const watch = new AgeWatch(store, local.durable);
      const runners = new Runners({
        ...settings,
        count: 4,
        seed: 7,
        leaseMs: LEASE_MS,
        workMs: 10,
        testIds,
      });
      onTestFinished(() => runners.end());
      await until(
        'all actions have ended',
        async () => {
          if (openTasks(store) === 0) return true;
          // The pause is the fault plan: kills come at moments of the seed's choice. Nothing is waited for.
          await new Promise((resolve) => setTimeout(resolve, runners.pauseMs(100, 500)));
          if (runners.kills < KILLS_MAX) await runners.killOne();
          return false;
        },
        END_MS_MAX,
      );
      await runners.end();
      expect(await watch.end()).toBeLessThanOrEqual(SYNC_AGE_MS_MAX);
      expect(runners.kills).toBeGreaterThan(3);
      expect(runners.errors).toBe('');
      expectOnce(store, runners.ran);
      await replica.waitFor(formatLsn(toLsn(store.seq + 1)));
      const { place } = local;
      expect(rowsOf(file)).toEqual(rowsOf(place.localFile));
      await until(
        'the durable database has all',
        async () => (await local.durable.mark())?.seq === store.seq,
      );
      expect(rowsOf(place.durableFile)).toEqual(rowsOf(place.localFile));
    },
    TEST_MS_MAX,
  );
});
