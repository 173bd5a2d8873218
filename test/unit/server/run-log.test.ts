/** Ranges of logs over HTTP, and files that must not be read. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logWorld } from './log-world.ts';

test('without a place the end is told, with one what follows it', async () => {
  const { get, write } = logWorld();
  write('0123456789');
  expect(await get('&bytes=4')).toMatchObject({ status: 200, range: [6, 10], text: '6789' });
  expect(await get('&from=2&bytes=3')).toMatchObject({ range: [2, 10], text: '234' });
  expect(await get('&from=10')).toMatchObject({ range: [10, 10], text: '' });
  expect(await get('&from=99')).toMatchObject({ range: [10, 10], text: '' });
});

test('a range ends with a whole character', async () => {
  const { get, write } = logWorld();
  write('aé€😀');
  expect((await get('&from=0&bytes=2')).text).toBe('a');
  expect((await get('&from=0&bytes=5')).text).toBe('aé');
  expect((await get('&from=0&bytes=10')).text).toBe('aé€😀');
  expect((await get('&from=0&bytes=9')).text).toBe('aé€');
});

test('a log is text for the browser, whatever is in it', async () => {
  const { get, write } = logWorld();
  write('<script>alert(1)</script>');
  const { headers } = await get('');
  expect(headers['content-type']).toBe('text/plain; charset=utf-8');
  expect(headers['x-content-type-options']).toBe('nosniff');
  expect(headers['content-security-policy']).toContain('sandbox');
});

test('nothing outside of the area is read, by names, by links or by what the database says', async () => {
  const { dir, home, row, get, write } = logWorld();
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
  const { home, get, write } = logWorld();
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
  const { home, get } = logWorld();
  execFileSync('mkfifo', [join(home, 'run', 'pipe')]);
  expect((await get('&file=pipe')).status).toBe(404);
});
