/** The routes of tables once more, under a prefix, over views: what reads tables reads views. */
import type { RouteOptions } from 'fastify';
import type { Engine } from '../engine/api.ts';
import type { ServerContext } from './context.ts';
import type { Pump } from './pump.ts';
import { digestRoute } from './routes/digest.ts';
import { feedRoute } from './routes/feed.ts';
import { deleteLeaseRoute, putLeaseRoute } from './routes/leases.ts';
import { sessionRoute } from './routes/session.ts';
import { differenceRoute, snapshotRoute } from './routes/snapshot.ts';
import { statusRoute } from './routes/status.ts';
import { tablesRoute } from './routes/tables.ts';
import { waitRoute } from './routes/wait.ts';

/** A server's address with this behind it is one of views. */
const PREFIX = '/views';

/** Places in lines (snapshots, digests) are shared with those of tables. */
export function viewRoutes(
  context: ServerContext,
  { engine, pump }: { readonly engine: Engine; readonly pump: Pump },
): readonly RouteOptions[] {
  const own: ServerContext = {
    ...context,
    engine,
    pump,
    upper: () => engine.upper,
    lockstep: null,
  };
  return [
    ...[feedRoute, snapshotRoute, differenceRoute, digestRoute, statusRoute, tablesRoute],
    ...[waitRoute, putLeaseRoute, deleteLeaseRoute, sessionRoute],
  ]
    .map((route) => route(own))
    .map((route) => ({ ...route, url: PREFIX + route.url }));
}
