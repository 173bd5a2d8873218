/**
 * The run manager against the bare processes that it starts: executions with a trivial step against a spawn of the
 * same shells; a call of the tests' helper against a start of bare node; and how long a write of states takes
 * while 50 tests run.
 *
 *   node bench/perf/runs.ts [--executions 1000] [--at-once 8] [--rounds 3]
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunStore, WriteBatch, WriteResult } from '../../src/planner/run-store.ts';
import { actionArgs } from '../../src/runs/action-args.ts';
import { openAreaBook } from '../../src/runs/area-book.ts';
import { newRunner } from '../../src/runs/new-runner.ts';
import { hostIdentity } from '../../src/runs/processes/host.ts';
import { openRunStore } from '../../src/sqlite/runs/run-store.ts';
import { spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    executions: { type: 'string', default: '1000' },
    'at-once': { type: 'string', default: '8' },
    rounds: { type: 'string', default: '3' },
  },
});
const EXECUTIONS = Number(values.executions);
const AT_ONCE = Number(values['at-once']);
const ROUNDS = Number(values.rounds);
const SLEEPERS = 50;
const CALLS = 50;
const PAUSE_MS = 5;

type AreaOf = { readonly items: number; readonly step: string; readonly atOnce: number };

function writeArea(home: string, { items, step, atOnce }: AreaOf): void {
  mkdirSync(join(home, 'tests', 'one'), { recursive: true });
  const config = `[fields]\nSYSTEM TEXT\n\n[setup]\nmax_concurrent_jobs ${atOnce}\n`;
  const numbers = Array.from({ length: items }, (_, index) => index).join(' ');
  writeFileSync(join(home, 'area.config'), config);
  writeFileSync(
    join(home, 'tests/one/testconfig'),
    `[items]\nN ${numbers}\n[ezsteps]\nrun ${step}\n`,
  );
}

type Ran = { readonly ms: number; readonly writesMs: readonly number[] };

/** A whole run, with the time of each write of the runner. */
async function run(area: AreaOf): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-bench-'));
  const home = join(folder, 'area');
  writeArea(home, area);
  const real = openRunStore({ file: join(folder, 'runs.db'), area: home, now: Date.now });
  const writesMs: number[] = [];
  const timed = (batch: WriteBatch): WriteResult => {
    const begin = performance.now();
    const result = real.write(batch);
    writesMs.push(performance.now() - begin);
    return result;
  };
  const store: RunStore = {
    ...{ area: home, history: real.history, write: timed, read: (query) => real.read(query) },
    get seq() {
      return real.seq;
    },
    onChange: (listener) => real.onChange(listener),
    close: () => real.close(),
  };
  const env = { PATH: process.env.PATH ?? '' };
  const runner = newRunner({
    ...{ store, book: await openAreaBook(home, env), identity: hostIdentity(), now: Date.now },
    ...{ slots: 1000, isServing: false },
    onTrouble: (error) => process.stderr.write(`${String(error)}\n`),
  });
  const begin = performance.now();
  runner.start();
  const args = actionArgs({ target: 'x', name: 'one' });
  runner.submit({ action: 'run', args, priority: 0, dedupeKey: null });
  while (!runner.isIdle) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  const ms = performance.now() - begin;
  runner.stop();
  const passed = store.read({ kind: 'runs' }).runs?.[0]?.counts['COMPLETED/PASS'];
  if (passed !== area.items) throw new Error(`${passed} of ${area.items} passed`);
  store.close();
  rmSync(folder, { recursive: true });
  return { ms, writesMs };
}

/** The same shells, started from the same process, with nothing around them. */
async function bare(): Promise<number> {
  const begin = performance.now();
  let left = EXECUTIONS;
  const worker = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const child = spawn('/bin/sh', ['-c', 'true'], { stdio: 'ignore', detached: true });
      await once(child, 'exit');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return performance.now() - begin;
}

function perCall(program: string, args: readonly string[], env: NodeJS.ProcessEnv): number {
  const begin = performance.now();
  for (let call = 0; call < CALLS; call++) spawnSync(program, args, { env, stdio: 'ignore' });
  return (performance.now() - begin) / CALLS;
}

const [ratios, seconds, bareSeconds]: [number[], number[], number[]] = [[], [], []];
for (let round = 0; round < ROUNDS; round++) {
  const ran = await run({ items: EXECUTIONS, step: 'true', atOnce: AT_ONCE });
  const floor = await bare();
  seconds.push(ran.ms / 1000);
  bareSeconds.push(floor / 1000);
  ratios.push(ran.ms / floor);
}
process.stderr.write(
  `${EXECUTIONS} executions: ${spread(ratios)} times the bare shells; ${spread(seconds)} s, bare ${spread(bareSeconds)} s\n`,
);

const calls = join(mkdtempSync(join(tmpdir(), 'tidelock-bench-')), 'calls');
const helper = perCall('bin/helper/megatest', ['-step', 'one', ':state', 'end', ':status', '0'], {
  ...process.env,
  TIDELOCK_CALLS: calls,
});
const node = perCall(process.execPath, ['-e', '0'], process.env);
process.stderr.write(
  `a call of the helper: ${(helper / node).toFixed(3)} of a start of node; ${helper.toFixed(1)} ms, node ${node.toFixed(1)} ms\n`,
);

const sleeping = await run({ items: SLEEPERS, step: 'sleep 3', atOnce: SLEEPERS });
const sorted = [...sleeping.writesMs].sort((a, b) => a - b);
const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
process.stderr.write(
  `${SLEEPERS} sleeping tests: a write of states takes ${p99.toFixed(1)} ms (p99 of ${sorted.length})\n`,
);

process.stdout.write(
  `${JSON.stringify({ bench: 'runs', executions: EXECUTIONS, atOnce: AT_ONCE, ratios, seconds, bareSeconds, helperMs: helper, nodeMs: node, writeMsP99: p99 })}\n`,
);
