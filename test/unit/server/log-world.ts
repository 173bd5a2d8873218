/** One execution with a work area, and the routes that read files, without a server around them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { onTestFinished } from 'vitest';
import { toTidelockError } from '../../../src/server/errors.ts';
import { fileRoute, filesRoute } from '../../../src/server/runs/file-routes.ts';
import { logPlaceRoute, logRoute, logSearchRoute } from '../../../src/server/runs/log-route.ts';
import type { RunsParts } from '../../../src/server/runs/parts.ts';

type Row = { readonly runDir: string | null; readonly log: string | null };

/** An execution with a log, and the routes that read what it has left. */
export function logWorld() {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-logs-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const home = join(dir, 'area');
  mkdirSync(join(home, 'run'), { recursive: true });
  writeFileSync(join(dir, 'secret'), 'of another');
  const row: { now: Row } = { now: { runDir: join(home, 'run'), log: 'a.log' } };
  const app = Fastify();
  app.decorateRequest('access');
  app.addHook('onRequest', async (request) => {
    request.access = { selectors: 'any' } as typeof request.access;
  });
  app.setErrorHandler((error, _request, reply) => {
    const known = toTidelockError(error);
    reply.code(known.status).send(known);
  });
  const port = { area: 'a', logRoots: [home], read: () => ({ tests: [row.now] }) };
  const parts = { port, stallMs: 10_000 } as unknown as RunsParts;
  for (const route of [logRoute, logSearchRoute, logPlaceRoute, filesRoute, fileRoute])
    app.route(route(parts));
  onTestFinished(() => app.close());
  const get = async (query: string) => {
    const { statusCode, headers, rawPayload } = await app.inject(`/runs/v1/log?test=1${query}`);
    const range = [Number(headers['tidelock-from']), Number(headers['tidelock-size'])];
    return { status: statusCode, range, text: rawPayload.toString(), headers };
  };
  const ask = async (path: string) => {
    const { statusCode, json } = await app.inject(`/runs/v1/${path}`);
    return { status: statusCode, ...(json() as object) };
  };
  /** Over a connection: a body that is broken off is seen as such. */
  const take = async (file: string) => {
    const url = app.server.listening ? app.listeningOrigin : await app.listen({ port: 0 });
    return await fetch(`${url}/runs/v1/file?test=1&file=${encodeURIComponent(file)}`);
  };
  return {
    ...{ dir, home, row, get, ask, take },
    write: (text: string) => writeFileSync(join(home, 'run', 'a.log'), text),
  };
}
