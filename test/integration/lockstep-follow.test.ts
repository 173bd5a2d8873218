import { mkdtempSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';

async function answerWith(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/lockstep/item`;
}

const file = (): string => join(mkdtempSync(join(tmpdir(), 'tidelock-')), 'a.db');

test('what was typed wrongly is a usage error with exit code 2', async () => {
  const good = 'http://127.0.0.1:1/lockstep/item';
  const wrong = [
    [''],
    ['::::'],
    ['http://127.0.0.1:7700'],
    ['http://127.0.0.1:7700/lockstep/'],
    ['ftp://127.0.0.1/lockstep/item'],
    [good, '--since', '5', '--db', file()],
    [good, '--key', 'id'],
    [good, '--table', 'item'],
    [good, '--db', ''],
  ];
  const commands = wrong.map((args) => new Command(['lockstep', 'follow', ...args]));
  for (const [at, command] of commands.entries()) {
    expect([wrong[at], await command.exit()]).toEqual([wrong[at], 2]);
    expect(command.stderr).not.toMatch(/INTERNAL|\n\s+at /);
  }
});

test('objects are printed in the order in which they came', async () => {
  const lines = [
    `{"txid":1,"since":1,"deleted":false,"data":{"id":1}}`,
    `{"control":true,"type":"snapshot_completed","timestamp":1,"since":2}`,
    `{"heartbeat":true}`,
    `{"txid":2,"since":2,"deleted":false,"data":{"id":2}}`,
  ];
  const url = await answerWith((_, response) => void response.write(`${lines.join('\n')}\n`));
  const command = new Command(['lockstep', 'follow', url]);
  await until('all was printed', () => command.stdout.split('\n').length > lines.length);
  expect(command.stdout.trimEnd().split('\n')).toEqual(lines);
  expect(await command.kill('SIGINT')).toBe(0);
});

test('a position that the log no longer has ends the following and says how to begin again', async () => {
  const url = await answerWith((_, response) => {
    response.write(
      `{"control":true,"type":"error","timestamp":1,"error":{"code":"TOO_OLD","message":"the log begins later"}}\n`,
      () => response.destroy(),
    );
  });
  const command = new Command(['lockstep', 'follow', `${url}?selector=FR`, '--db', file()]);
  expect(await command.exit()).toBe(1);
  expect(command.stderr).toContain('error TOO_OLD');
  expect(command.stderr).toContain('since=0');
});

test('a server that ends every stream at once, or breaks each, is asked less and less often', async () => {
  let requests = 0;
  const url = await answerWith((request, response) => {
    requests += 1;
    if (request.url?.includes('broken') !== true) {
      response.end();
      return;
    }
    response.write(
      `{"txid":1,"since":1,"deleted":false,"data":{"id":1}}\n{"control":true,"type":"error","timestamp":1,"error":{"code":"RELATION_UNFIT","message":"division by zero"}}\n`,
      () => response.destroy(),
    );
  });
  const commands = [url, `${url}?broken`].map((one) => new Command(['lockstep', 'follow', one]));
  const [ending, broken] = commands;
  await until('both were asked', () => requests >= 4);
  const startedAt = Date.now();
  await until('the waits grow', () => broken?.stderr.includes('again in 2 s') === true);
  expect(requests).toBeLessThan(20 + (Date.now() - startedAt) / 200);
  expect(broken?.stderr).toContain('division by zero');
  expect(await ending?.kill('SIGINT')).toBe(0);
  expect(await broken?.kill('SIGTERM')).toBe(0);
  expect(ending?.stderr).toBe('');
});
