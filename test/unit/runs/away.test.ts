import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Away } from '../../../src/runs/database/away.ts';
import { findHome } from '../../../src/runs/database/home.ts';
import { RemoteRuns } from '../../../src/runs/database/remote.ts';
import { tempDir } from '../../support/run-bed.ts';

function bed(connectMsMax?: number) {
  const dir = tempDir();
  const options = { area: join(dir, 'area'), tempDir: join(dir, 'tmp'), hostId: 'far' };
  const { place } = findHome({ ...options, home: 'near' });
  mkdirSync(dirname(place.discoveryFile), { recursive: true });
  const troubles: string[] = [];
  const away = new Away({
    ...{ place, home: 'near', connectMsMax },
    onTrouble: ({ code }) => troubles.push(code),
  });
  const announce = (url: string, pid = 1): void => {
    const discovery = { url, host: 'near', pid, startedAt: 0 };
    writeFileSync(place.discoveryFile, JSON.stringify(discovery));
  };
  return { away, announce, troubles };
}

/** Says that it is this process of the home. */
async function server(pid: number): Promise<string> {
  const http = createServer((_request, response) => {
    response.end(JSON.stringify({ host: 'near', pid, seq: 7 }));
  });
  await new Promise<void>((done) => http.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    http.close();
  });
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

const NOBODY = 'http://127.0.0.1:1';

test('a leader that is just being replaced is waited for, and the next one is found', async () => {
  const { away, announce, troubles } = bed();
  announce(NOBODY);
  const connected = away.connect();
  await expect.poll(() => troubles, { timeout: 20_000 }).toContain('SERVER_UNREACHABLE');
  announce(await server(2), 2);
  expect(await connected).toMatchObject({ seq: 7 });
});

test('where no server is known or none answers, the error says on which host to start one', async () => {
  const { away, announce } = bed(0);
  await expect(away.connect()).rejects.toMatchObject({
    ...{ code: 'OFF_HOME', hint: expect.stringContaining('start it on near') },
  });
  announce(NOBODY);
  await expect(away.connect()).rejects.toMatchObject({
    ...{ code: 'SERVER_UNREACHABLE', message: expect.stringContaining('process 1 on near') },
    hint: expect.stringContaining('--host'),
  });
});

test('another server that has got the address meanwhile is none', async () => {
  const { away, announce } = bed(0);
  announce(await server(2), 1);
  await expect(away.connect()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
});

test('calls of one turn travel in one frame, and each gets its own answer', async () => {
  const frames: number[] = [];
  const remote = new RemoteRuns({
    ...{ url: () => 'http://server', newKey: () => 'key', random: () => 0 },
    onTrouble: () => undefined,
    fetch: async (_input, init) => {
      const { calls } = JSON.parse(String(init?.body)) as {
        calls: { query: { testId: number } }[];
      };
      frames.push(calls.length);
      const answers = calls.map(({ query: { testId } }) =>
        testId === 2
          ? { error: { code: 'RUN_NOT_FOUND', message: 'there is none' } }
          : { found: { tests: [{ id: testId }] } },
      );
      const body = JSON.stringify({ version: 1, answers });
      const digest = createHash('sha256').update(body).digest('hex');
      return new Response(body, { headers: { 'x-tidelock-digest': `sha-256=${digest}` } });
    },
  });
  const asked = Array.from({ length: 60 }, (_, testId) => remote.read({ kind: 'test', testId }));
  const told = await Promise.allSettled(asked);
  expect(frames).toEqual([50, 10]);
  expect(told[2]).toMatchObject({ status: 'rejected', reason: { code: 'RUN_NOT_FOUND' } });
  expect(told[59]).toMatchObject({ status: 'fulfilled', value: { tests: [{ id: 59 }] } });
});
