/** Views over replicated tables as an engine of their own: log, feeds, snapshots and digests like those of tables. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { openLogStore } from '../../sqlite/log-store.ts';
import { ViewRows } from '../../sqlite/view-rows.ts';
import type { Engine } from '../api.ts';
import type { Clock } from '../clock.ts';
import { EngineCore } from '../core.ts';
import { DEFAULT_POLICY } from '../engine.ts';
import { LiveEngine } from '../live-engine.ts';
import { RowLog } from '../row-log.ts';
import { Snapshots } from '../snapshots.ts';
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

const TAIL_BYTES_MAX = 8 * 1024 * 1024;
const SNAPSHOT_WAIT_MS_MAX = 60_000;

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
  mkdirSync(dir, { recursive: true });
  const core = new EngineCore({
    ...{ log: openLogStore({ dir: join(dir, 'views-log') }), clock },
    policy: DEFAULT_POLICY,
    tailBytesMax: TAIL_BYTES_MAX,
  });
  const source = new ViewSource(core, new ViewRows(join(dir, 'views.db')), tables);
  const exact = {
    ...{ core, url: '', waitMsMax: SNAPSHOT_WAIT_MS_MAX },
    openRows: async () => source.openRows(),
    tables: () => source.tables,
    serverStart: () => source.serverStart,
  };
  const snapshots = await Snapshots.open({ ...exact, dir: join(dir, 'views-snapshots') });
  core.start(source);
  const engine = new LiveEngine({
    ...{ core, driver: source, source: exact, snapshots, rows: new RowLog(exact) },
    uploads: { apply: refuse, close: async () => undefined },
    options: { slot: 'views', onNotice },
  });
  return { engine, source };
}

function refuse(): never {
  throw new TidelockError({ code: 'BAD_REQUEST', message: 'a view cannot be written to' });
}
