/** The server of a run with a planted bug: the product's own parts, with the bug between them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode, TidelockError } from '../../../core/errors.ts';
import { formatLsn } from '../../../core/lsn.ts';
import type { SourceHandler } from '../../../core/source.ts';
import type { Engine, Feed, FeedRequest } from '../../../engine/api.ts';
import type { LogStore } from '../../../log/port.ts';
import { openSql } from '../../../sqlite/sql.ts';
import type { BugName } from './catalog.ts';
import { plantInFeed } from './feed-bugs.ts';
import { plantInLog } from './log-bugs.ts';
import {
  type PlantedParts,
  type PlantedServerCourse,
  type PlantedServerPlace,
  servePlanted,
} from './serve-planted.ts';
import { plantInHandler } from './source-bugs.ts';
import { standIn } from './stand-in.ts';

export type PlantedServerSettings = PlantedServerPlace & { readonly bug: BugName };

/** Between the rows of a snapshot and its position, for others to commit. */
const SNAPSHOT_PAUSE_MS = 400;

/** Serves until its signal aborts. */
export function runPlantedServer(
  { bug, ...place }: PlantedServerSettings,
  course: PlantedServerCourse,
): Promise<void> {
  return servePlanted(place, plantedParts(bug), course);
}

/** The bug, wherever it stands in a server. */
export function plantedParts(bug: BugName): PlantedParts {
  return {
    wrapLog: (log: LogStore) => plantInLog(bug, log),
    wrapHandler: (handler: SourceHandler) => plantInHandler(bug, handler),
    wrapEngine: (engine: Engine) => plantInEngine(bug, engine),
  };
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
