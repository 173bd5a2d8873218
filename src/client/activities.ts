/**
 * The three things that a follower does over the network: first copy, difference snapshot, feed. Each under a
 * guard that takes a silent connection for dead; each ends when its controller aborts.
 */
import type { TidelockError } from '../core/errors.ts';
import { LineSplitter } from '../protocol/lines.ts';
import { FeedApplier, type FeedNews } from './applier.ts';
import { bootstrap } from './bootstrap.ts';
import type { CrashHook } from './crash-points.ts';
import { DigestHistory } from './digest-history.ts';
import { streamEnded } from './errors.ts';
import type { ReplicaEvent } from './events.ts';
import { resync } from './resync.ts';
import type { ServerApi } from './server-api.ts';
import { SilenceGuard } from './silence.ts';
import type { ReplicaFiles, ReplicaStore, ResyncCounts } from './store.ts';
import type { Clock } from './transport.ts';

export const HEARTBEAT_S = 5;
/** A connection that is silent for more heartbeats than this is dead. */
const HEARTBEATS_MISSED_MAX = 3;
const COPY_TICK_MS = 20_000;
/** How long a server may prepare a snapshot before its first byte: 20 minutes. */
const COPY_TICKS_FIRST_MAX = 60;
const COPY_TICKS_MAX = 3;

/** What all three need. */
export type ActivityTools = {
  readonly api: ServerApi;
  readonly files: ReplicaFiles;
  readonly clock: Clock;
  /** The server's address as it is written into the file. */
  readonly server: string;
  readonly selectors: readonly string[];
  readonly crashPoint: CrashHook;
  readonly emit: (event: ReplicaEvent) => void;
};

/** The first copy, complete and under its name. */
export async function copy(
  tools: ActivityTools,
  replica: string,
  controller: AbortController,
): Promise<ReplicaStore> {
  const { api, files, server, selectors, crashPoint, emit } = tools;
  const guard = guarded(tools, controller, {
    tickMs: COPY_TICK_MS,
    ticksMax: COPY_TICKS_FIRST_MAX,
  });
  try {
    return await bootstrap({
      ...{ api, files, server, selectors, replica, crashPoint, signal: controller.signal },
      onProgress: (receivedBytes, totalBytes) =>
        emit({ kind: 'progress', receivedBytes, totalBytes }),
      onChunk: () => guard.heard(COPY_TICKS_MAX),
    });
  } finally {
    guard.stop();
  }
}

/** Brings the store to the server's present state by its difference. */
export async function resyncBy(
  tools: ActivityTools,
  store: ReplicaStore,
  controller: AbortController,
): Promise<ResyncCounts> {
  const { api, server, selectors, crashPoint } = tools;
  const guard = guarded(tools, controller, {
    tickMs: COPY_TICK_MS,
    ticksMax: COPY_TICKS_FIRST_MAX,
  });
  try {
    store.setState('resyncing');
    return await resync({
      ...{ api, store, server, selectors, crashPoint, signal: controller.signal },
      spool: tools.files.spool(),
      replica: store.identity.replica,
      onChunk: () => guard.heard(COPY_TICKS_MAX),
    });
  } finally {
    guard.stop();
  }
}

export type FollowWork = {
  readonly store: ReplicaStore;
  readonly controller: AbortController;
  readonly heartbeatS: number;
  readonly openBytesMax: number | undefined;
  readonly onNews: (news: FeedNews) => void;
  /** The one that takes the lines of this feed; null when the feed is over. */
  readonly onApplier: (applier: FeedApplier | null) => void;
};

/** Applies the feed from the store's position on. Ends with an error, or because the controller aborted. */
export async function follow(tools: ActivityTools, work: FollowWork): Promise<void> {
  const { store, heartbeatS, openBytesMax, controller } = work;
  const { signal } = controller;
  const guard = guarded(tools, controller, {
    ...{ tickMs: heartbeatS * 1000, ticksMax: HEARTBEATS_MISSED_MAX },
  });
  const spool = tools.files.spool();
  const applier = new FeedApplier({
    ...{ store, spool },
    history: new DigestHistory(store.identity.position, store.digests()),
    onNews: work.onNews,
    crashPoint: tools.crashPoint,
    ...(openBytesMax === undefined ? {} : { openBytesMax }),
  });
  const { selectors, timeline, replica, position: since } = store.identity;
  try {
    const request = { selectors, since, timeline, replica, heartbeatS, signal };
    const body = await tools.api.feed({ ...request, isFollowing: true });
    store.setState('live');
    work.onApplier(applier);
    const splitter = new LineSplitter();
    for await (const chunk of body) {
      if (signal.aborted) return;
      guard.heard();
      const lines = splitter.push(chunk);
      tools.crashPoint('feed: after parse');
      applier.take(lines, chunk.byteLength);
    }
  } finally {
    work.onApplier(null);
    guard.stop();
    applier.abandon();
  }
  if (!signal.aborted) throw streamEnded();
}

function guarded(
  tools: ActivityTools,
  controller: AbortController,
  limits: { readonly tickMs: number; readonly ticksMax: number },
): SilenceGuard {
  const onSilence = (error: TidelockError): void => controller.abort(error);
  return new SilenceGuard({ clock: tools.clock, ...limits, onSilence });
}
