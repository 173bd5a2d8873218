/** Views over replicated tables as an engine of their own: log, feeds, snapshots and digests like those of tables. */
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { ViewRows } from '../../sqlite/view-rows.ts';
import type { Engine } from '../api.ts';
import type { Clock } from '../clock.ts';
import type { LiveEngine } from '../live-engine.ts';
import { openLocalCore, openLocalEngine } from '../local/local-engine.ts';
import { type ViewedTables, ViewSource } from './view-source.ts';

export type ViewEngineOptions = {
  /** Of the service of SQL. */
  readonly dir: string;
  readonly clock: Clock;
  readonly tables: ViewedTables;
  readonly onNotice: (notice: string) => void;
};

export type ViewEngine = {
  readonly engine: LiveEngine;
  /** Where the service puts the views. */
  readonly source: ViewSource;
};

const REACH_MS_MAX = 5000;

/** The tables of an engine. Who is asked in vain says nothing: the next change brings the position too. */
export function viewedTables(engine: Engine): ViewedTables {
  return {
    get upper() {
      return engine.upper;
    },
    reach: (ts) => {
      const signal = AbortSignal.timeout(REACH_MS_MAX);
      engine.waitFor(ts, REACH_MS_MAX, signal).catch(() => undefined);
    },
  };
}

/** Throws what opening the log throws. */
export async function openViewEngine(options: ViewEngineOptions): Promise<ViewEngine> {
  const { dir, clock, tables, onNotice } = options;
  const core = openLocalCore(join(dir, 'views-log'), clock);
  const source = new ViewSource(core, new ViewRows(join(dir, 'views.db')), tables);
  const engine = await openLocalEngine({
    ...{ core, source: source.driver, refusal, onNotice },
    snapshotsDir: join(dir, 'views-snapshots'),
  });
  return { engine, source };
}

function refusal(): TidelockError {
  return new TidelockError({ code: 'BAD_REQUEST', message: 'a view cannot be written to' });
}
