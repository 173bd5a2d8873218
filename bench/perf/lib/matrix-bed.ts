/** A run database with about 101,000 rows, served as `tidelock runs serve` does. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunWrite } from '../../../src/planner/run-store.ts';
import { type Home, openHome } from '../../../src/runs/database/home.ts';
import { startLead } from '../../../src/runs/serving-leader.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../src/server/config.ts';
import { createLog } from '../../../src/server/log.ts';

const RUNS = 8;
const TESTS = 126;
const ITEMS = 100;
/** Tests without items. */
const PLAIN = 25;
const BATCH = 5000;
const CARRIED_MS_MAX = 120_000;

export class MatrixBed {
  readonly url: string;
  readonly runIds: readonly number[];
  /** What the page says of it when it has all of it. */
  readonly allItems = `${(TESTS * ITEMS).toLocaleString('en-US')} items`;
  readonly rowCount = RUNS * (TESTS * (ITEMS + 1) + PLAIN);
  readonly #home: Home;
  readonly #end: () => Promise<void>;
  /** Executions of the newest run. */
  readonly #ids: readonly number[];

  private constructor(url: string, home: Home, ids: Ids, end: () => Promise<void>) {
    this.url = url;
    this.#home = home;
    this.runIds = ids.runs;
    this.#ids = ids.leaves;
    this.#end = end;
  }

  static async open(): Promise<MatrixBed> {
    const dir = mkdtempSync(join(tmpdir(), 'tidelock-matrix-'));
    mkdirSync(join(dir, 'area'));
    const home = await openHome({
      ...{ area: join(dir, 'area'), tempDir: join(dir, 'tmp'), acceptsAnyStatus: true },
    });
    const ids = seed(home);
    await home.syncer.carried(CARRIED_MS_MAX);
    const lead = await startLead({
      ...{ home, logRoots: [], log: createLog('silent', () => undefined) },
      config: {
        ...{ host: '127.0.0.1', port: 0, heartbeatS: 1 },
        ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
      },
      status: () => ({
        ...{ area: home.store.area, host: 'here', home: 'here', pid: process.pid },
        ...{ history: home.store.history, seq: home.store.seq, startedAt: Date.now() },
        sync: home.syncer.status,
      }),
      onStop: () => undefined,
    });
    return new MatrixBed(lead.url, home, ids, async () => {
      await lead.close();
      await home.close();
      rmSync(dir, { recursive: true, force: true });
    });
  }

  /** The first `count` items of the newest run end with this status, in one transaction. */
  finish(count: number, status: string): void {
    const writes = this.#ids.slice(0, count).map((id) => force(id, status));
    this.#home.store.write({ actor: 'bench', writes });
  }

  close(): Promise<void> {
    return this.#end();
  }
}

type Ids = { readonly runs: readonly number[]; readonly leaves: readonly number[] };

function seed(home: Home): Ids {
  const seeded = Array.from({ length: RUNS }, (_, at) => seedRun(home, at));
  return { runs: seeded.map(({ runId }) => runId), leaves: seeded.at(-1)?.leaves ?? [] };
}

function seedRun({ store }: Home, at: number): { runId: number; leaves: readonly number[] } {
  const create = { kind: 'createRun', target: 'linux/x86', name: `run-${at}` } as const;
  const runId = store.write({ actor: 'bench', writes: [create] }).answers[0]?.id ?? 0;
  const leaf = { isToplevel: false };
  const items = Array.from({ length: TESTS * ITEMS }, (_, n) => ({
    ...{ name: testName(Math.floor(n / ITEMS)), itemPath: `i${n % ITEMS}/part`, ...leaf },
  }));
  const tops = Array.from({ length: TESTS }, (_, n) => ({
    ...{ name: testName(n), itemPath: '', isToplevel: true },
  }));
  const plain = Array.from({ length: PLAIN }, (_, n) => ({
    ...{ name: `plain-${n}`, itemPath: '', ...leaf },
  }));
  const ids = [items, [...tops, ...plain]].flatMap((tests) => {
    const put = { kind: 'putTests', runId, tests } as const;
    return store.write({ actor: 'bench', writes: [put] }).answers[0]?.ids ?? [];
  });
  const leaves = [...ids.slice(0, items.length), ...ids.slice(items.length + tops.length)];
  for (let from = 0; from < leaves.length; from += BATCH) {
    const writes = leaves
      .slice(from, from + BATCH)
      .map((id, n) => force(id, (from + n + at) % 31 === 0 ? 'FAIL' : 'PASS'));
    store.write({ actor: 'bench', writes });
  }
  return { runId, leaves };
}

const testName = (n: number): string => `suite-${String(n).padStart(3, '0')}`;

function force(testId: number, status: string): RunWrite {
  const event = { kind: 'force', to: { state: 'COMPLETED', status } } as const;
  const facts = { host: 'bench-host', runDir: '/disk/linux/x86/run/suite/item', log: 'run.log' };
  const times = { startedAt: 1_700_000_000_000, endedAt: 1_700_000_001_000, cpuMs: 900 };
  return { kind: 'transition', testId, event, facts: { ...facts, ...times }, cause: 'bench' };
}
