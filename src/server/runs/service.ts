/** The run manager's part of a server: calls, changes as a stream, actions of people, metrics. */
import type { Socket } from 'node:net';
import type { FastifyInstance, RouteOptions } from 'fastify';
import type { RunsStatus } from '../../protocol/runs.ts';
import type { Clock } from '../clock.ts';
import { CallLine } from './call-line.ts';
import { addCalls } from './call-route.ts';
import { ChangeStreams } from './change-stream.ts';
import { executionRoute, quarantineRoute } from './facts-routes.ts';
import { fileRoute, filesRoute } from './file-routes.ts';
import { orForwarded } from './forward.ts';
import { logPlaceRoute, logRoute, logSearchRoute } from './log-route.ts';
import type { RunsParts } from './parts.ts';
import { planRoutes } from './plan-routes.ts';
import type { RunsPort } from './port.ts';
import {
  changesRoute,
  readRoute,
  startRoute,
  statusRoute,
  stopRoute,
  taskRoute,
} from './routes.ts';

export type RunsService = RunsParts & {
  readonly routes: readonly RouteOptions[];
  /** Adds what reads bodies as bytes: to a scope of its own. */
  readonly plugin: (scope: FastifyInstance) => void;
  readonly carries: (socket: Socket) => boolean;
  /** Ends the streams; their readers connect again. */
  readonly close: () => void;
};

export type RunsOptions = {
  readonly port: RunsPort;
  readonly clock: Clock;
  /** Streams that take nothing for so long are cut. */
  readonly stallMs: number;
  /** A stream has ended with this. */
  readonly onError: (error: unknown) => void;
};

const ROUTES = [
  ...[changesRoute, readRoute, startRoute, statusRoute, stopRoute, taskRoute],
  ...[
    logRoute,
    logSearchRoute,
    logPlaceRoute,
    filesRoute,
    fileRoute,
    executionRoute,
    quarantineRoute,
  ],
];

export function openRuns(options: RunsOptions): RunsService {
  const { port, clock, stallMs } = options;
  const line = new CallLine();
  const streams = new ChangeStreams(options);
  const status = (): RunsStatus => {
    const { waiting, done, refused } = line;
    return { ...port.status(), calls: { waiting, done, refused } };
  };
  const parts = { port, line, streams, clock, status, stallMs };
  return {
    ...parts,
    routes: [...ROUTES.map((route) => orForwarded(route(parts), port)), ...planRoutes(parts)],
    plugin: (scope) => addCalls(scope, parts),
    carries: (socket) => streams.carries(socket),
    close: () => streams.close(),
  };
}
