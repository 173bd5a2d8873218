/** The server of a run with a planted bug: the product's own parts, with the bug between them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, TidelockError } from '../../../core/errors.ts';
import { formatLsn } from '../../../core/lsn.ts';
import type { Engine, Feed, FeedRequest } from '../../../engine/api.ts';
import { openEngine } from '../../../engine/engine.ts';
import { systemClock } from '../../../server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../../server/config.ts';
import { createLog } from '../../../server/log.ts';
import { createServer } from '../../../server/server.ts';
import { openSql } from '../../../sqlite/sql.ts';
import type { BugName } from './catalog.ts';
import { plantInFeed } from './feed-bugs.ts';
import { plantInLog } from './log-bugs.ts';
import { plantInHandler } from './source-bugs.ts';
import { standIn } from './stand-in.ts';

export type PlantedServerSettings = {
  readonly bug: BugName;
  readonly postgres: string;
  readonly port: number;
  /** Folder of its log. */
  readonly data: string;
};

const HOST = '127.0.0.1';
const HEARTBEAT_S = 5;
/** Between the rows of a snapshot and its position, for others to commit. */
const SNAPSHOT_PAUSE_MS = 400;

/** Serves until `signal` aborts; `onReady` gets the address. Notices go to stderr, as those of the real one. */
export async function runPlantedServer(
  { bug, postgres, port, data }: PlantedServerSettings,
  { signal, onReady }: { readonly signal: AbortSignal; readonly onReady: (url: string) => void },
): Promise<void> {
  const engine = await openEngine({
    ...{ url: postgres, dir: data },
    wrapLog: (log) => plantInLog(bug, log),
    wrapHandler: (handler) => plantInHandler(bug, handler),
    onNotice: (notice) => process.stderr.write(`${notice}\n`),
  });
  const server = createServer({
    engine: plantInEngine(bug, engine),
    clock: systemClock,
    log: createLog('info', (line) => process.stderr.write(`${line}\n`)),
    config: {
      ...{ host: HOST, port, heartbeatS: HEARTBEAT_S },
      ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
    },
  });
  try {
    onReady((await server.listen()).url);
    if (!signal.aborted) {
      await new Promise((stop) => signal.addEventListener('abort', stop, { once: true }));
    }
  } finally {
    await server.close();
    await engine.close();
  }
}

function plantInEngine(bug: BugName, engine: Engine): Engine {
  if (bug === 'snapshot-without-in-flight') return standIn(engine, lateSnapshots(engine));
  const openFeed: Engine['openFeed'] = (request) => {
    if (bug === 'silent-new-slot') return silentFeed(openAnyhow(engine, request));
    return plantInFeed(bug, engine.openFeed(request));
  };
  return standIn(engine, { openFeed });
}

/** The position is taken after the rows: what commits in between, and what was in flight, is in neither. */
function lateSnapshots(engine: Engine): Pick<Engine, 'snapshotFile'> {
  return {
    snapshotFile: async (request) => {
      const file = await engine.snapshotFile(request);
      await sleep(SNAPSHOT_PAUSE_MS);
      const ts = engine.upper;
      const sql = openSql(file.path, { timeoutMs: 1000 });
      sql.prepare('UPDATE tidelock_replica SET position = ?').run(formatLsn(ts));
      sql.close();
      return { ...file, ts };
    },
  };
}

/** Who stands before the new slot goes on behind it, and is told that nothing was left out. */
function openAnyhow(engine: Engine, request: FeedRequest): Feed {
  try {
    return engine.openFeed(request);
  } catch (error) {
    if (!hasCode(error, 'TOO_OLD') && !hasCode(error, 'TIMELINE_CHANGED')) throw error;
    const feed = engine.openFeed({ ...request, since: engine.upper });
    const head = Buffer.from(feed.head).toString();
    const since = `"since":"${formatLsn(request.since)}"`;
    return standIn(feed, { head: Buffer.from(head.replace(/"since":"[^"]*"/, since)) });
  }
}

/** Nobody is told that the history has ended. */
function silentFeed(feed: Feed): Feed {
  return standIn(feed, {
    read: () => {
      try {
        return feed.read();
      } catch (error) {
        if (!hasCode(error, 'TIMELINE_CHANGED')) throw error;
        throw new TidelockError({ code: 'NOT_READY', message: 'come again in a moment' });
      }
    },
  });
}
