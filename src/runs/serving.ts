/**
 * `tidelock runs serve`: asks for the lead; who gets it syncs, follows the database with an engine, and serves calls, feeds
 * and pages. What is heavy is loaded only by the leader, so that many candidates cost little.
 */
import type { TidelockError } from '../core/errors.ts';
import type { RunsStatus } from '../protocol/runs.ts';
import type { ServerConfig } from '../server/config.ts';
import type { Log } from '../server/log.ts';
import type { RunPlansPort } from '../server/runs/port.ts';
import type { LeaseHolder } from '../sqlite/runs/run-store.ts';
import {
  type Home,
  type HomeOptions,
  type LocalRuns,
  openLocal,
  startSync,
} from './database/home.ts';
import { type Leader, runForLeader } from './database/leader.ts';

export type ServingOptions = {
  readonly home: HomeOptions;
  /** Folders in which tests of the area may work. */
  readonly logRoots?: readonly string[];
  /** Reads the area for plans. */
  readonly plansOf?: ((home: Home) => Promise<RunPlansPort>) | undefined;
  /** Asked of the leader only. */
  readonly prepare: () => Promise<{ readonly config: ServerConfig; readonly log: Log }>;
  /** Takes what is queued; gives the one who ends it. */
  readonly startRunner?: ((home: Home) => Promise<() => void>) | undefined;
  /** Ends this server. Wanted: it was asked for. */
  readonly onEnd: (reason: string, isWanted: boolean) => void;
};

export type Serving = {
  readonly url: string;
  readonly home: Home;
  readonly status: () => Omit<RunsStatus, 'calls'>;
  readonly close: () => Promise<void>;
};

export type Served =
  | { readonly isLeader: true; readonly serving: Serving }
  | { readonly isLeader: false; readonly holder: LeaseHolder };

/** Throws what opening the database and listening throw. */
export async function serveRuns(options: ServingOptions): Promise<Served> {
  const local = await openLocal(options.home);
  const candidacy = runForLeader({
    ...{ store: local.store, identity: local.identity, now: options.home.now ?? Date.now },
    discoveryFile: local.place.discoveryFile,
    onLost: ({ host, pid }) => options.onEnd(`process ${pid} on ${host} leads now`, false),
  });
  if (!candidacy.isLeader) {
    await local.close();
    return { isLeader: false, holder: candidacy.holder };
  }
  try {
    return { isLeader: true, serving: await lead(options, local, candidacy.leader) };
  } catch (error) {
    candidacy.leader.stop();
    await local.close();
    throw error;
  }
}

async function lead(options: ServingOptions, local: LocalRuns, leader: Leader): Promise<Serving> {
  const onLost = (error: TidelockError): void => options.onEnd(error.message, false);
  const home = startSync(local, { ...options.home, onLost });
  const status = statusOf(options, home, leader);
  const { server, stopRunner } = await start(options, home, status);
  leader.announce(server.url);
  const close = async (): Promise<void> => {
    try {
      stopRunner();
    } finally {
      // Also when the database can no longer be written.
      await server.close();
      leader.stop();
      await home.close();
    }
  };
  return { url: server.url, home, status, close };
}

async function start(options: ServingOptions, home: Home, status: Serving['status']) {
  try {
    const { startLead } = await import('./serving-leader.ts');
    const { config, log } = await options.prepare();
    const onStop = (): void => options.onEnd('it was asked to stop', true);
    const { logRoots = [] } = options;
    const plans = await options.plansOf?.(home);
    const stopRunner = (await options.startRunner?.(home)) ?? (() => undefined);
    const server = await startLead({ home, logRoots, plans, config, log, status, onStop });
    return { server, stopRunner };
  } catch (error) {
    await home.syncer.stop();
    throw error;
  }
}

function statusOf(
  options: ServingOptions,
  { store, identity, syncer }: Home,
  leader: Leader,
): Serving['status'] {
  return () => ({
    ...{ area: store.area, host: identity.host, home: options.home.home ?? identity.host },
    ...{ pid: process.pid, history: store.history, seq: store.seq },
    ...{ startedAt: leader.startedAt, sync: syncer.status },
  });
}
