/** The whole of a log is searched and counted, and files of a work area are listed and given out. */
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogFound, LogHit, LogPlace, WorkFiles } from '../../../src/protocol/run-files.ts';
import { logWorld } from './log-world.ts';

type World = ReturnType<typeof logWorld>;

/** Asks on until the end, as a page does. */
async function search({ ask }: World, query: string): Promise<readonly LogHit[]> {
  const hits: LogHit[] = [];
  let place = { byte: 0, line: 1 };
  for (let requests = 0; requests < 100; requests += 1) {
    const path = `log/search?test=1&from=${place.byte}&line=${place.line}${query}`;
    const found = (await ask(path)) as unknown as LogFound;
    hits.push(...found.hits);
    if (found.isEnd) return hits;
    place = found;
  }
  throw new Error('the search does not end');
}

async function place({ ask }: World, query: string): Promise<LogPlace> {
  return (await ask(`log/place?test=1${query}`)) as unknown as LogPlace;
}

test('every line with the text is found, with its number and its place, wherever pieces end', async () => {
  const world = logWorld();
  const lines = Array.from({ length: 40_000 }, (_, n) =>
    n % 997 === 0 ? `line ${n} has a Needle` : `line ${n} ${'x'.repeat(n % 31)}`,
  );
  world.write(`${lines.join('\n')}\n`);
  const expected: LogHit[] = [];
  let byte = 0;
  for (const [n, line] of lines.entries()) {
    if (line.includes('Needle')) expected.push({ byte, line: n + 1 });
    byte += line.length + 1;
  }
  expect(byte).toBeGreaterThan(3 * 256 * 1024);
  expect(await search(world, '&text=needle')).toEqual(expected);
  expect(await search(world, '&text=needle&limit=7')).toEqual(expected);
});

test('colours and case do not hide what is looked for, in any script', async () => {
  const world = logWorld();
  world.write('\u001b[31mNO\u001b[0m way\nÉTÉ\nété\nnot\nprogress\rlost\nlost and END');
  const linesOf = async (text: string) =>
    (await search(world, `&text=${encodeURIComponent(text)}`)).map(({ line }) => line);
  expect(await linesOf('no way')).toEqual([1]);
  expect(await linesOf('été')).toEqual([2, 3]);
  expect(await linesOf('progress')).toEqual([]);
  expect(await linesOf('lost')).toEqual([5, 6]);
  expect(await linesOf('.*')).toEqual([]);
});

test('without a text the first line is told that says that something went wrong', async () => {
  const world = logWorld();
  world.write('fine\nterrorist\n\u001b[31mERROR: no\n2 failures\n');
  expect(await world.ask('log/search?test=1&limit=1')).toMatchObject({
    hits: [{ byte: 15, line: 3 }],
  });
});

test('a line of any length is looked through', async () => {
  const world = logWorld();
  world.write(`short\n${'x'.repeat(700_000)}needle${'x'.repeat(10)}\nneedle`);
  const hits = await search(world, '&text=needle');
  expect(new Set(hits.map(({ line }) => line))).toEqual(new Set([2, 3]));
  for (const { byte, line } of hits.filter((hit) => hit.line === 2)) {
    expect(byte, `${line}`).toBeLessThanOrEqual(6 + 700_000);
    expect(byte + 64 * 1024).toBeGreaterThanOrEqual(6 + 700_000);
  }
});

test('lines are counted from a known place on', async () => {
  const world = logWorld();
  world.write('one\ntwo\nthree\n');
  expect(await place(world, '&toLine=3')).toMatchObject({ byte: 8, line: 3, isThere: true });
  expect(await place(world, '&toLine=3&from=4&line=2')).toMatchObject({ byte: 8, line: 3 });
  expect(await place(world, '&toByte=9')).toMatchObject({ byte: 9, line: 3, isThere: true });
  expect(await place(world, '&toByte=8')).toMatchObject({ line: 3 });
  expect(await place(world, '&toByte=7')).toMatchObject({ line: 2 });
  expect(await place(world, '&toLine=99')).toMatchObject({ byte: 14, line: 4, isThere: true });
  expect(await place(world, '&toByte=9999999999')).toMatchObject({ byte: 14, line: 4 });
});

test('the work area is listed without links, our own files and the environment', async () => {
  const { home, dir, ask, write } = logWorld();
  write('mine');
  mkdirSync(join(home, 'run/.tidelock/1'), { recursive: true });
  mkdirSync(join(home, 'run/sub/deep'), { recursive: true });
  for (const file of ['.tidelock/1/launch.json', 'megatest.sh', 'megatest.csh', 'sub/deep/b'])
    writeFileSync(join(home, 'run', file), 'TOKEN');
  symlinkSync(join(dir, 'secret'), join(home, 'run/sub/link'));
  symlinkSync(dir, join(home, 'run/out'));
  const { files, isCut } = (await ask('files?test=1')) as unknown as WorkFiles;
  expect(files.map(({ path, bytes }) => [path, bytes])).toEqual([
    ['a.log', 4],
    ['sub/deep/b', 5],
  ]);
  expect(isCut).toBe(false);
});

test('in the work area of an item below, our own files and the environment are hidden too', async () => {
  const { home, ask, write } = logWorld();
  write('mine');
  mkdirSync(join(home, 'run/item/.tidelock/1'), { recursive: true });
  const hidden = ['item/megatest.sh', 'item/megatest.csh', 'item/.tidelock/1/launch.json'];
  for (const file of [...hidden, 'item/b']) writeFileSync(join(home, 'run', file), 'TOKEN');
  const { files } = (await ask('files?test=1')) as unknown as WorkFiles;
  expect(files.map(({ path }) => path)).toEqual(['a.log', 'item/b']);
  for (const file of hidden)
    expect(await ask(`file?test=1&file=${file}`)).toMatchObject({ status: 404 });
});

test('where there is no work area, there are no files', async () => {
  const { dir, ask, row } = logWorld();
  for (const runDir of [null, dir, '/nowhere', 'run']) {
    row.now = { runDir, log: null };
    expect(await ask('files?test=1')).toEqual({
      status: 200,
      isHere: false,
      files: [],
      isCut: false,
    });
  }
});

test('a list of very many files is cut, and says so', async () => {
  const { home, ask } = logWorld();
  for (let n = 0; n < 2001; n += 1) writeFileSync(join(home, 'run', `f${n}`), '');
  const { files, isCut } = (await ask('files?test=1')) as unknown as WorkFiles;
  expect([files.length, isCut]).toEqual([2000, true]);
});

test('a file is given out to be kept, never as a page', async () => {
  const { home, take } = logWorld();
  const name = `"é'\r\n; x.html`;
  writeFileSync(join(home, 'run', name), '<script>alert(1)</script>');
  const answer = await take(name);
  expect([answer.status, await answer.text()]).toEqual([200, '<script>alert(1)</script>']);
  const { headers } = answer;
  expect(headers.get('content-type')).toBe('application/octet-stream');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toBe("default-src 'none'; sandbox");
  expect(headers.get('content-disposition')).toBe(
    "attachment; filename*=UTF-8''%22%C3%A9%27%0D%0A%3B%20x.html",
  );
  expect(headers.get('content-length')).toBe('25');
  writeFileSync(join(home, 'run', 'empty'), '');
  expect(await (await take('empty')).text()).toBe('');
});

test('a download leads nowhere but into the work area', async () => {
  const { dir, home, take, row } = logWorld();
  mkdirSync(join(home, 'other'));
  mkdirSync(join(home, 'run/.tidelock'));
  for (const file of ['other/mine', 'run/megatest.sh', 'run/.tidelock/x', 'run/here'])
    writeFileSync(join(home, file), 'x');
  symlinkSync(join(dir, 'secret'), join(home, 'run/link'));
  symlinkSync(dir, join(home, 'run/folder'));
  symlinkSync(join(home, 'run/megatest.sh'), join(home, 'run/innocent'));
  const wrong = [
    ...['../other/mine', '../../secret', join(dir, 'secret'), 'link', 'folder/secret'],
    ...['megatest.sh', 'innocent', '.tidelock/x', './.tidelock/../megatest.sh', '.tidelock'],
    ...['a\0b', '..', '.', '/', '%2e%2e/other/mine', '..\\other\\mine', 'x'.repeat(900)],
  ];
  for (const file of wrong) expect((await take(file)).status, file).toBe(404);
  expect((await take('here')).status).toBe(200);
  expect((await take('')).status).toBe(400);
  expect((await take('x'.repeat(1001))).status).toBe(400);
  row.now = { runDir: home, log: null };
  expect((await take('other/mine')).status, 'the area itself is no work area').toBe(404);
  row.now = { runDir: 'run', log: null };
  expect((await take('here')).status, 'relative to nothing').toBe(404);
});

test('numbers that no file has are refused or lead to its end', async () => {
  const { get, ask, write } = logWorld();
  write('0123456789');
  expect((await get('&from=9007199254740991&bytes=1')).text).toBe('');
  expect((await get('&from=-1')).status).toBe(400);
  expect((await get('&bytes=1048577')).status).toBe(400);
  expect((await get('&from=1e999')).text).toBe('');
  expect(await ask('log/search?test=1&text=1&from=99999999999')).toMatchObject({ isEnd: true });
  expect(await ask('log/search?test=1&text=')).toMatchObject({ status: 400 });
  expect(await ask('log/place?test=1&toLine=0')).toMatchObject({ status: 400 });
});

test('a file that becomes shorter while it is sent is no whole answer', async () => {
  const { home, take } = logWorld();
  const file = join(home, 'run', 'shrinks');
  writeFileSync(file, 'x'.repeat(32 * 1024 * 1024));
  const answer = await take('shrinks');
  // Nothing is read from the connection yet: the server waits in the middle of the file.
  truncateSync(file, 1024 * 1024);
  await expect(answer.text()).rejects.toThrow('terminated');
});
