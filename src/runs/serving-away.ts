/**
 * `tidelock runs serve` on a host that is not the home: pages, questions and feeds of a replica, read-only. What only the
 * home has (files of tests) is asked of its server; actions are refused with a word that says where they are taken.
 */
import { join } from 'node:path';
import { TidelockError } from '../core/errors.ts';
import { systemClock as engineClock } from '../engine/clock.ts';
import { openRunEngine } from '../engine/runs/run-engine.ts';
import type { RunsStatus } from '../protocol/runs.ts';
import { systemClock } from '../server/clock.ts';
import type { ServerConfig } from '../server/config.ts';
import type { Log } from '../server/log.ts';
import type { RunsPort } from '../server/runs/port.ts';
import { createServer } from '../server/server.ts';
import type { Away } from './database/away.ts';
import type { RunReplica, Seen } from './database/run-replica.ts';

const LOOK_MS = 500;

export type ServingAwayOptions = {
  readonly replica: RunReplica;
  readonly away: Away;
  /** Of this host, for the server's log. */
  readonly dir: string;
  /** This host. */
  readonly host: string;
  readonly now: () => number;
  readonly config: ServerConfig;
  readonly log: Log;
  /** Ends this server. Wanted: it was asked for. */
  readonly onEnd: (reason: string, isWanted: boolean) => void;
};

/** The replica has been seen. Throws what listening throws, and `LOG_IN_USE` when another process of this host serves it. */
export async function serveAway(
  options: ServingAwayOptions,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const { replica, config, log, dir, onEnd } = options;
  const { runs } = replica;
  const { area, history } = seenOf(replica).status;
  const engine = await openRunEngine({
    ...{ dir: join(dir, 'engine'), clock: engineClock },
    runs: {
      area,
      snapshot: () => runs.snapshot(),
      onChange: (listener) => runs.onChange(listener),
    },
    onNotice: (notice) => log.info(notice),
  });
  const port = portOf(options, { area, history });
  const server = createServer({ engine, runs: port, config, clock: systemClock, log });
  const { url } = await server.listen().catch(async (error: unknown) => {
    await engine.close();
    throw error;
  });
  const watch = setInterval(() => {
    // Sequences of another history do not compare: pages and readers begin anew with a new server.
    if (seenOf(replica).status.history !== history) {
      onEnd('the home host has made its run database anew', false);
    }
  }, LOOK_MS);
  const close = async (): Promise<void> => {
    clearInterval(watch);
    await server.drain();
    await engine.close();
  };
  return { url, close };
}

function portOf(
  options: ServingAwayOptions,
  about: Pick<RunsStatus, 'area' | 'history'>,
): RunsPort {
  const { replica, away, onEnd } = options;
  const { runs } = replica;
  return {
    ...about,
    read: (query) => runs.read(query),
    onChange: (listener) => runs.onChange(listener),
    status: () => statusOf(options),
    forward: (path, signal) => away.forward(path, signal),
    write: () => {
      throw readOnly(away);
    },
    stop: () => onEnd('it was asked to stop', true),
  };
}

function statusOf({ replica, away, host, now }: ServingAwayOptions): Omit<RunsStatus, 'calls'> {
  const { status, at } = seenOf(replica);
  const { calls: _of, ...rest } = status;
  return {
    ...rest,
    ...{ host, pid: process.pid, seq: replica.runs.seq },
    replica: {
      home: status.host,
      url: away.find()?.url ?? null,
      ageMs: Math.max(0, now() - at),
      trouble: replica.trouble?.message ?? null,
    },
  };
}

function seenOf({ seen }: RunReplica): Seen {
  if (seen !== null) return seen;
  throw new TidelockError({
    code: 'RUNS_UNUSABLE',
    message: 'the replica of the runs is gone',
    hint: 'start `tidelock runs serve` again: it is copied anew',
  });
}

function readOnly(away: Away): TidelockError {
  const url = away.find()?.url;
  const where = url === undefined ? 'no server of it is known' : `its server is ${url}`;
  return new TidelockError({
    code: 'OFF_HOME',
    message: `this is a replica, to look at: actions are taken on ${away.home}; ${where}`,
    hint: 'open the pages there, or use the command line here: tidelock runs run, rerun, kill, ..',
  });
}
