/** Ranges of logs over HTTP, and files that must not be read. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { expect, onTestFinished, test } from 'vitest';
import { toTidelockError } from '../../../src/server/errors.ts';
import { logRoute } from '../../../src/server/runs/log-route.ts';
import type { RunsParts } from '../../../src/server/runs/parts.ts';

type Row = { readonly runDir: string | null; readonly log: string | null };

function world() {
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
  app.route(logRoute({ port } as unknown as RunsParts));
  onTestFinished(() => app.close());
  const get = async (query: string) => {
    const { statusCode, headers, rawPayload } = await app.inject(`/runs/v1/log?test=1${query}`);
    const range = [Number(headers['tidelock-from']), Number(headers['tidelock-size'])];
    return { status: statusCode, range, text: rawPayload.toString(), headers };
  };
  return {
    dir,
    home,
    row,
    get,
    write: (text: string) => writeFileSync(join(home, 'run', 'a.log'), text),
  };
}

test('without a place the end is told, with one what follows it', async () => {
  const { get, write } = world();
  write('0123456789');
  expect(await get('&bytes=4')).toMatchObject({ status: 200, range: [6, 10], text: '6789' });
  expect(await get('&from=2&bytes=3')).toMatchObject({ range: [2, 10], text: '234' });
  expect(await get('&from=10')).toMatchObject({ range: [10, 10], text: '' });
  expect(await get('&from=99')).toMatchObject({ range: [10, 10], text: '' });
});

test('a range ends with a whole character', async () => {
  const { get, write } = world();
  write('aé€😀');
  expect((await get('&from=0&bytes=2')).text).toBe('a');
  expect((await get('&from=0&bytes=5')).text).toBe('aé');
  expect((await get('&from=0&bytes=10')).text).toBe('aé€😀');
  expect((await get('&from=0&bytes=9')).text).toBe('aé€');
});

test('a log is text for the browser, whatever is in it', async () => {
  const { get, write } = world();
  write('<script>alert(1)</script>');
  const { headers } = await get('');
  expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['content-security-policy']).toContain('sandbox');
});

test('nothing outside of the area is read, by names, by links or by what the database says', async () => {
  const { dir, home, row, get, write } = world();
  write('mine');
  symlinkSync(join(dir, 'secret'), join(home, 'run', 'link'));
  for (const file of ['../../secret', '/etc/passwd', 'link', '..', '.', 'none'])
    expect((await get(`&file=${encodeURIComponent(file)}`)).status, file).toBe(404);
  row.now = { runDir: dir, log: 'secret' };
  expect((await get('')).status).toBe(404);
  row.now = { runDir: null, log: null };
  expect((await get('')).status).toBe(404);
});

test('a reader sees what the test wrote, not its environment nor what else the area has', async () => {
  const { home, get, write } = world();
  write('mine');
  mkdirSync(join(home, 'run/.tidelock/1'), { recursive: true });
  mkdirSync(join(home, 'run/sub'));
  const secrets = [
    'run/megatest.sh',
    'run/megatest.csh',
    'run/.tidelock/1/launch.json',
    'area.config',
  ];
  for (const file of [...secrets, 'run/sub/megatest.sh']) writeFileSync(join(home, file), 'TOKEN');
  symlinkSync(join(home, 'run/megatest.sh'), join(home, 'run/sub/link'));
  for (const file of [...secrets, 'run/sub/link']) {
    const name = file.startsWith('run/') ? file.slice(4) : `../${file}`;
    expect((await get(`&file=${encodeURIComponent(name)}`)).status, file).toBe(404);
  }
  expect((await get('&file=sub/megatest.sh')).status).toBe(200);
});

test('a pipe that a test has left keeps no reader waiting', async () => {
  const { home, get } = world();
  execFileSync('mkfifo', [join(home, 'run', 'pipe')]);
  expect((await get('&file=pipe')).status).toBe(404);
});
