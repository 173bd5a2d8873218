/** An area with a runner, and a server with its pages, for the tests of one file. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock as engineClock } from '../../src/engine/clock.ts';
import type { LiveEngine } from '../../src/engine/live-engine.ts';
import { openRunEngine } from '../../src/engine/runs/run-engine.ts';
import { actionArgs } from '../../src/runs/action-args.ts';
import { executionFacts } from '../../src/runs/execution/execution-facts.ts';
import { readQuarantine } from '../../src/runs/quarantine.ts';
import { RunPlans } from '../../src/runs/run-plans.ts';
import type { Runner } from '../../src/runs/runner.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import type { RunsPort } from '../../src/server/runs/port.ts';
import { createServer, type TidelockServer } from '../../src/server/server.ts';
import { AreaBed } from '../support/area-bed.ts';

const AREA = join(import.meta.dirname, 'area');
const SYNC = {
  ...{ state: 'idle', owner: '', durable: '', syncedSeq: 0, seq: 0 },
  ...{ ageMs: 0, ageMsMax: 0, batches: 0, error: null },
};

export class RunsBed {
  readonly bed: AreaBed;
  readonly url: string;
  readonly #runner: Runner;
  readonly #server: TidelockServer;
  readonly #engine: LiveEngine;
  readonly #dir: string;

  private constructor(
    { bed, runner }: { readonly bed: AreaBed; readonly runner: Runner },
    url: string,
    parts: readonly [TidelockServer, LiveEngine, string],
  ) {
    this.bed = bed;
    this.url = url;
    this.#runner = runner;
    [this.#server, this.#engine, this.#dir] = parts;
  }

  static async open(): Promise<RunsBed> {
    const dir = mkdtempSync(join(tmpdir(), 'tidelock-pages-'));
    cpSync(AREA, join(dir, 'area'), { recursive: true });
    const bed = await AreaBed.open(join(dir, 'area'));
    const runner = bed.runner({ isServing: true });
    const engine = await openRunEngine({
      ...{ dir: join(dir, 'engine'), clock: engineClock, runs: bed.store },
      onNotice: () => undefined,
    });
    const server = createServer({
      ...{ engine, clock: systemClock, log: createLog('silent', () => undefined) },
      config: {
        ...{ host: '127.0.0.1', port: 0, heartbeatS: 1 },
        ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
      },
      runs: portOf(bed),
    });
    const { url } = await server.listen();
    return new RunsBed({ bed, runner }, url, [server, engine, dir]);
  }

  /** A run of these tests, to its end. */
  async run(name: string, pattern: string): Promise<void> {
    await this.bed.perform(this.#runner, 'run', { target: 'small', name, pattern });
  }

  /** A run that goes on. */
  start(name: string, pattern: string): void {
    const args = actionArgs({ target: 'small', name, pattern });
    this.#runner.submit({ action: 'run', args, priority: 0, dedupeKey: null });
  }

  async close(): Promise<void> {
    await this.#server.close();
    await this.#engine.close();
    await this.bed.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function portOf({ store, home }: AreaBed): RunsPort {
  return {
    ...{ area: store.area, history: store.history, logRoots: [home] },
    plans: new RunPlans({ store, home, environment: { PATH: process.env.PATH ?? '' } }),
    execution: executionFacts,
    quarantine: () => readQuarantine(home),
    write: (batch) => store.write(batch),
    read: (query) => store.read(query),
    onChange: (listener) => store.onChange(listener),
    status: () => ({
      ...{ area: store.area, host: 'here', home: 'here', pid: process.pid },
      ...{ history: store.history, seq: store.seq, startedAt: Date.now(), sync: SYNC },
    }),
    stop: () => undefined,
  };
}
