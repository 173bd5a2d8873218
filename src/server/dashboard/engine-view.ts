/** The engine as the dashboard shows it: texts and numbers, without nulls, so that patches can say what went. */
import { formatLsn, type Ts } from '../../core/lsn.ts';
import type { EngineStatus } from '../../engine/api.ts';
import type { EnginePicture } from '../../engine/inspection-api.ts';
import type {
  EngineLive,
  LiveHold,
  LiveLease,
  LivePlace,
  LiveReader,
  LiveTable,
} from '../../protocol/dashboard.ts';
import { PROTOCOL_VERSION } from '../../protocol/feed.ts';
import type { JsonObject } from '../../protocol/merge-patch.ts';
import { needsTokens } from '../config.ts';
import type { ServerContext } from '../context.ts';
import { leaseParts } from '../lease-names.ts';

/** Readers, leases and holds that are listed one by one. */
const ROWS_MAX = 200;

/** What a page shows of the engine now. Costs a look at every reader and lease. */
export function engineLive(
  context: ServerContext,
  { isAdmin, hasRuns }: { readonly isAdmin: boolean; readonly hasRuns: boolean },
): JsonObject {
  const { engine, config, draining } = context;
  const status = engine.status();
  const picture = engine.inspection?.picture(ROWS_MAX);
  const live: EngineLive = {
    server: {
      protocol: PROTOCOL_VERSION,
      isDraining: draining.aborted,
      isAdmin,
      hasTokens: needsTokens(config.tokens),
      hasRuns,
    },
    ...known('timeline', status.timeline),
    source: sourceOf(status),
    log: logOf(status, picture),
    feeds: {
      streams: context.pump.count,
      readers: status.subscribers,
      behind: picture?.readersBehind ?? 0,
    },
    replicas: replicasOf(status, picture),
    counters: status.counters,
    ...known('commitLagS', rounded(status.lastCommitLagS)),
    tables: tablesOf(context, status),
    ...(isAdmin && picture !== undefined ? listsOf(picture) : {}),
  };
  return live as unknown as JsonObject;
}

function sourceOf({ source }: EngineStatus): EngineLive['source'] {
  const { state, since, attempts, slot } = source;
  return {
    // Computed from two clocks at every look: milliseconds would be news each time.
    ...{ state, since: since.replace(/\.\d+Z$/, 'Z'), attempts, slot },
    ...known('reason', source.reason ?? null),
    ...known('retainedWalBytes', source.retainedWalBytes),
    ...known('lagBytes', source.lagBytes),
  };
}

function logOf({ log }: EngineStatus, picture: EnginePicture | undefined): EngineLive['log'] {
  return {
    state: log.state,
    ...known('reason', log.reason ?? null),
    upper: formatLsn(log.upper),
    since: formatLsn(log.since),
    confirmed: formatLsn(log.confirmed),
    sizeBytes: log.sizeBytes,
    ...known('sizeBytesMax', picture?.logBytesMax ?? null),
    ...known('keepS', picture?.keepS ?? null),
    groups: log.groups,
    spanBytes: Math.max(0, log.upper - log.since),
  };
}

function replicasOf(
  { leases }: EngineStatus,
  picture: EnginePicture | undefined,
): EngineLive['replicas'] {
  const behind = picture?.leases[0];
  return {
    leases: leases.length,
    connected: picture?.connectedLeases ?? 0,
    worstLagS:
      behind === undefined || behind.isCaughtUp
        ? 0
        : (rounded(picture?.lagSOf(behind.position) ?? 0) ?? 0),
  };
}

function tablesOf({ engine }: ServerContext, status: EngineStatus): Record<string, LiveTable> {
  const defs = new Map(engine.tables.map((table) => [table.name, table]));
  return Object.fromEntries(
    status.tables.map(({ name, state, reason, selector }) => [
      name,
      {
        state,
        ...known('reason', reason ?? null),
        ...known('selector', selector ?? null),
        isTwoWay: defs.get(name)?.twoway !== undefined,
        columns: defs.get(name)?.columns.length ?? 0,
      },
    ]),
  );
}

function listsOf(picture: EnginePicture): Pick<EngineLive, 'readers' | 'leases' | 'holds'> {
  const place = (ts: Ts, isCaughtUp = false): LivePlace => ({
    ts: formatLsn(ts),
    lagBytes: isCaughtUp ? 0 : Math.max(0, picture.upper - ts),
    lagS: isCaughtUp ? 0 : (rounded(picture.lagSOf(ts)) ?? 0),
  });
  return {
    readers: Object.fromEntries(
      picture.readers.map((reader): [string, LiveReader] => [
        `${reader.id}`,
        {
          ...place(reader.position, reader.isWaiting),
          ...known('replica', reader.replica ?? null),
          selectors: reader.selectors,
          selectorCount: reader.selectorCount,
          state: reader.isWaiting ? 'caught up' : 'reading',
        },
      ]),
    ),
    leases: Object.fromEntries(
      picture.leases.map((lease): [string, LiveLease] => {
        const { replica, subject } = leaseParts(lease.replica);
        return [
          replica,
          {
            ...place(lease.position, lease.isCaughtUp),
            ...known('subject', subject ?? null),
            state: lease.state,
            isConnected: lease.isConnected,
            expiresInS: Math.max(0, Math.round((lease.expiresAt - picture.now) / 60_000)) * 60,
          },
        ];
      }),
    ),
    holds: picture.holds.map(
      ({ kind, owner, ts, state }): LiveHold => ({ kind, owner, state, ...place(ts) }),
    ),
  };
}

function rounded(seconds: number | null): number | null {
  return seconds === null ? null : Math.round(seconds * 100) / 100;
}

/** The field, or nothing when it is not known. */
function known<N extends string, T>(name: N, value: T | null): { readonly [K in N]?: T } {
  return value === null ? {} : ({ [name]: value } as { readonly [K in N]?: T });
}
