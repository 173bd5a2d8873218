/** The routes of Transicator, where they are switched on and the engine can serve them. */
import type { RouteOptions } from 'fastify';
import type { ServerContext } from '../context.ts';
import type { Log } from '../log.ts';
import { changesRoute } from './changes.ts';
import { markdownRoute } from './marked-down.ts';
import { dataRoute, snapshotsRoute } from './snapshots.ts';

export function transicatorRoutes(context: ServerContext, log: Log): readonly RouteOptions[] {
  const settings = context.config.transicator;
  const source = context.engine.transicator;
  if (settings === undefined || source === undefined) return [];
  const own = { ...context, source, settings, log };
  return [changesRoute(own), snapshotsRoute(own), dataRoute(own), markdownRoute(own)];
}
