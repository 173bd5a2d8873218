/** What only the leader needs: the engine that follows the run database, and the HTTP server. */
import { join } from 'node:path';
import { systemClock as engineClock } from '../engine/clock.ts';
import { openRunEngine } from '../engine/runs/run-engine.ts';
import { systemClock } from '../server/clock.ts';
import type { ServerConfig } from '../server/config.ts';
import type { Log } from '../server/log.ts';
import type { RunPlansPort, RunsPort } from '../server/runs/port.ts';
import { createServer } from '../server/server.ts';
import type { Home } from './database/home.ts';
import { executionFacts } from './execution/execution-facts.ts';
import { readQuarantine } from './quarantine.ts';

export type LeadParts = {
  readonly home: Home;
  readonly logRoots: readonly string[];
  readonly plans?: RunPlansPort | undefined;
  readonly config: ServerConfig;
  readonly log: Log;
  readonly status: RunsPort['status'];
  readonly onStop: () => void;
};

export async function startLead(parts: LeadParts): Promise<{
  readonly url: string;
  readonly close: () => Promise<void>;
}> {
  const { home, logRoots, plans, config, log, status, onStop } = parts;
  const { store, place } = home;
  const engine = await openRunEngine({
    ...{ dir: join(place.localDir, 'engine'), clock: engineClock, runs: store },
    onNotice: (notice) => log.info(notice),
  });
  const runs: RunsPort = {
    ...{ area: store.area, history: store.history, logRoots, plans, status, stop: onStop },
    execution: executionFacts,
    quarantine: () => readQuarantine(store.area),
    write: (batch) => store.write(batch),
    read: (query) => store.read(query),
    onChange: (listener) => store.onChange(listener),
  };
  const server = createServer({ engine, runs, config, clock: systemClock, log });
  const { url } = await server.listen().catch(async (error: unknown) => {
    await engine.close(); // its log would keep this process, and the next server, from going on
    throw error;
  });
  const close = async (): Promise<void> => {
    await server.drain();
    await engine.close();
  };
  return { url, close };
}
