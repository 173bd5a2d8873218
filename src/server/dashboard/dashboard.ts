/** The dashboard of one server: its page, its live stream, and what its pages ask for. */
import type { Socket } from 'node:net';
import type { RouteOptions } from 'fastify';
import type { ServerContext } from '../context.ts';
import { AssetSource } from './assets.ts';
import { PulseHistory } from './history.ts';
import { LiveHub } from './live-hub.ts';
import { liveRoute } from './live-route.ts';
import { lookRoutes } from './look-routes.ts';
import { pageRoutes } from './page-routes.ts';

/** Pages that are watched at the same time. */
const WATCHERS_MAX = 64;

export type Dashboard = {
  readonly routes: readonly RouteOptions[];
  /** True while the socket belongs to a live stream. */
  readonly carries: (socket: Socket) => boolean;
  /** Ends the streams; their pages connect again. */
  readonly close: () => void;
};

export type DashboardOptions = {
  /** Theirs is the first page then. */
  readonly hasRuns: boolean;
  /** A live stream has ended with this. */
  readonly onError: (error: unknown) => void;
};

export function openDashboard(context: ServerContext, options: DashboardOptions): Dashboard {
  const { hasRuns, onError } = options;
  const { clock, config, engine, pump } = context;
  const hub = new LiveHub({
    ...{ clock, watchersMax: WATCHERS_MAX, onError },
    stallMs: config.limits.stallS * 1000,
  });
  const { inspection } = engine;
  const history =
    inspection === undefined
      ? null
      : new PulseHistory({
          clock,
          pulse: () => inspection.pulse(),
          bytesOut: () => pump.bytesOut,
        });
  return {
    routes: [
      ...pageRoutes(new AssetSource(hasRuns), hasRuns ? 'runs' : ''),
      liveRoute({ context, hub, hasRuns, history }),
      ...(inspection === undefined ? [] : lookRoutes(context, inspection)),
    ],
    carries: (socket) => hub.carries(socket),
    close: () => {
      history?.close();
      hub.close();
    },
  };
}
