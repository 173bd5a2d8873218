/**
 * The bound of the run database's sync under fire: four runners write, each ready to sync; one after another is killed,
 * and now and then all of them at once together with the local folder, as when the power goes. An observer that believes
 * no syncer measures the age of the oldest commit that is not durable, and what each loss of power has cost.
 *
 *   node bench/perf/runs-soak.ts [--minutes 10] [--seed 1] [--power 60]
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { AgeWatch } from '../../src/bench/runs/age-watch.ts';
import { Runners } from '../../src/bench/runs/runners.ts';
import type { RunWrite } from '../../src/planner/run-store.ts';
import { type LocalRuns, openHome, openLocal } from '../../src/runs/database/home.ts';
import { SYNC_AGE_MS_MAX } from '../../src/runs/database/syncer.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    power: { type: 'string', default: '60' },
  },
});
const seed = Number(values.seed);
const endAt = Date.now() + Number(values.minutes) * 60_000;

const OPEN_TASKS = 200;
const TESTS = 20;

const dir = mkdtempSync(join(tmpdir(), 'tidelock-soak-'));
const place = { area: join(dir, 'area'), tempDir: join(dir, 'tmp') };
mkdirSync(place.area);

type Life = { readonly ageMsMax: number; readonly lossMs: number; readonly kills: number };

const lives: Life[] = [];
try {
  for (let life = 0; Date.now() < endAt; life += 1) {
    lives.push(await live(life, Math.min(Date.now() + Number(values.power) * 1000, endAt)));
    const { ageMsMax, lossMs, kills } = lives.at(-1) as Life;
    process.stderr.write(
      `life ${life}: oldest ${ageMsMax} ms, ${kills} kills, the power cost ${lossMs} ms\n`,
    );
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
const worst = (of: (life: Life) => number): number => Math.max(...lives.map(of));
const result = {
  ...{ name: 'runs-soak', minutes: Number(values.minutes), seed, powerCuts: lives.length },
  kills: lives.reduce((sum, { kills }) => sum + kills, 0),
  ageMsMax: worst(({ ageMsMax }) => ageMsMax),
  lossMsMax: worst(({ lossMs }) => lossMs),
  boundMs: SYNC_AGE_MS_MAX,
};
const isHeld = result.ageMsMax <= SYNC_AGE_MS_MAX && result.lossMsMax <= SYNC_AGE_MS_MAX;
console.log(JSON.stringify({ ...result, isHeld }));
process.exitCode = isHeld ? 0 : 1;

/** From a start of the machine to the next loss of power. */
async function live(life: number, until: number): Promise<Life> {
  const testIds = await seeded();
  const local = await openLocal({ ...place, hostId: 'bench' });
  const settings = { ...place, count: 4, seed: seed + life, leaseMs: 1500, workMs: 20, testIds };
  const runners = new Runners(settings);
  await runners.ready; // from now on somebody can sync
  const watch = new AgeWatch(local.store, local.durable);
  while (Date.now() < until) {
    feed(local);
    await new Promise((resolve) => setTimeout(resolve, runners.pauseMs(200, 3000)));
    await runners.killOne();
  }
  const diedAt = Date.now();
  await runners.end();
  const ageMsMax = await watch.end();
  const lossMs = await lossOf(local, diedAt);
  await local.close();
  if (runners.errors !== '') throw new Error(`a runner failed: ${runners.errors}`);
  rmSync(place.tempDir, { recursive: true, force: true });
  return { ageMsMax, lossMs, kills: runners.kills };
}

/** How much time of work the local folder had that the durable database does not have. */
async function lossOf({ store, durable }: LocalRuns, diedAt: number): Promise<number> {
  const mark = await durable.mark();
  const oldest = store.oldestCommit(mark?.seq ?? 0);
  return oldest === null ? 0 : diedAt - oldest;
}

/** Written and carried before the runners start: what nobody can sync yet breaks no promise. */
async function seeded(): Promise<readonly number[]> {
  const home = await openHome({ ...place, hostId: 'bench' });
  try {
    const ids = seedTests(home);
    await home.syncer.carried(30_000);
    return ids;
  } finally {
    await home.close();
  }
}

function seedTests({ store }: LocalRuns): readonly number[] {
  const create = { kind: 'createRun', target: 'soak', name: 'r' } as const;
  const runId = store.write({ actor: 'soak', writes: [create] }).answers[0]?.id ?? 0;
  const tests = Array.from({ length: TESTS }, (_, n) => ({
    ...{ name: `t${n}`, itemPath: '', isToplevel: false },
  }));
  const put = { kind: 'putTests', runId, tests } as const;
  return store.write({ actor: 'soak', writes: [put] }).answers[0]?.ids ?? [];
}

function feed({ store }: LocalRuns): void {
  const states = ['new', 'claimed', 'running'] as const;
  const { tasks = [] } = store.read({ kind: 'tasks', states, limit: OPEN_TASKS });
  const missing = Math.max(0, OPEN_TASKS - tasks.length);
  const task = {
    ...({
      kind: 'action',
      action: 'prune',
      runId: null,
      testId: null,
      args: {},
      priority: 0,
    } as const),
    ...{ attemptsMax: 100, notBefore: 0, dedupeKey: null, parentId: null },
  };
  const writes: RunWrite[] = Array.from({ length: missing }, () => ({ kind: 'putTask', task }));
  store.write({ actor: 'soak', writes });
}
