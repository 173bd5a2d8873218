import { expect, test } from 'vitest';
import { openCoordinatorWorld } from '../../../../src/bench/coordtest/world.ts';
import { driveScript } from '../../../../src/bench/script/drive.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { parseScript } from '../../../../src/script/parse.ts';

/** What each case of a script shows: its output, or why it broke. */
async function play(text: string, profile = 'plain'): Promise<readonly string[]> {
  const file = 'memory.test';
  const script = parseScript(text, { file, dialect: 'rust' });
  const context = {
    ...{ file, settings: script.settings, profile },
    postgres: () => Promise.reject(new Error('there is no Postgres here')),
    signal: new AbortController().signal,
  };
  const results = await driveScript(script, { open: openCoordinatorWorld, context, goOn: true });
  return results.map((one) => (one.kind === 'broken' ? messageOf(one.error) : one.output));
}

const TABLE = 'sql\nCREATE TABLE t (i int)\n----\n\n';

test('wait-sql gives up after a number of tries and prints what it saw last', async () => {
  const [, output] = await play(`${TABLE}wait-sql\nSELECT count(*) = 1 FROM t\n----\n\n`);
  expect(output).toBe('not true after 500 tries, the last one gave:\n?column?\nf\n');
});

test('wait-sql takes no rows for true, a failure for another try, and a write for a mistake', async () => {
  const [, none, failing, write] = await play(
    `${TABLE}wait-sql\nSELECT i = 1 FROM t\n----\n\nwait-sql\nSELECT 1 / 0 = 1\n----\n\nwait-sql\nINSERT INTO t VALUES (1)\n----\n\n`,
  );
  expect(none).toBe('');
  expect(failing).toContain('error: 22012');
  expect(write).toContain('wait-sql runs queries only');
});

test.each([
  ['tidelock.public.t_primary_idx 1', 'an upper of 1 says nothing'],
  ['tidelock.public.nothing 5', 'there is no item tidelock.public.nothing'],
  ['tidelock.public.t_primary_idx x', 'x is no whole number'],
])('update-upper %s is refused', async (line, message) => {
  const [, output] = await play(`${TABLE}update-upper\n${line}\n----\n\n`);
  expect(output).toContain(message);
});

test('an upper that was told does not go back, and the worker no longer tells it', async () => {
  const set = (upper: number): string =>
    `update-upper\ntidelock.public.t_primary_idx ${upper}\n----\n\n`;
  const [, , back] = await play(`${TABLE}${set(50)}${set(40)}`);
  expect(back).toContain('is 50 already');
  const shown = await play(
    `${TABLE}${set(50)}wait-sql\nSELECT true\n----\n\nprint-catalog\n----\n\n`,
  );
  expect(shown.at(-1)).toContain('t_primary_idx on u1 [0, 50)');
});

test('uppers that are held back are handed on later, not lost', async () => {
  const shown = await play(
    `${TABLE}wait-sql exclude-uppers=tidelock.public.t_primary_idx\nSELECT true\n----\n\nprint-catalog\n----\n\nwait-sql\nSELECT true\n----\n\nprint-catalog\n----\n\n`,
  );
  expect(shown[2]).toContain('t_primary_idx on u1 [0, 0)');
  expect(shown[4]).not.toContain('t_primary_idx on u1 [0, 0)');
});

test('sql that waits for what does not come by itself says so', async () => {
  const [, output] = await play(`${TABLE}sql\nSELECT i FROM t AS OF 1000\n----\n\n`);
  expect(output).toContain('waits for something that does not come by itself');
});

test('sessions are named once and awaited by their names', async () => {
  const waiting = 'async-sql session=a\nSELECT i FROM t AS OF 1000\n----\n\n';
  const [, , twice] = await play(`${TABLE}${waiting}async-sql session=a\nSELECT 1\n----\n\n`);
  expect(twice).toContain('session a is there already');
  const [, , unknown] = await play(`${TABLE}${waiting}await-sql session=b\n----\n\n`);
  expect(unknown).toContain('there is no session b');
});

test('a profile or directive that does not exist is refused, with those that do', async () => {
  await expect(play(TABLE, 'future')).rejects.toThrow('there is no profile future');
  const [output] = await play('dance\n----\n\n');
  expect(output).toContain('there is no directive dance');
});

test('a failing statement breaks a case of the historic format, and is output where errors are shown', async () => {
  const bad = 'sql\nSELECT missing FROM nowhere\n----\n\n';
  expect((await play(bad, 'coordtest'))[0]).toContain('nowhere');
  expect((await play(bad, 'generation-a-errors'))[0]).toMatch(/^Unstructured\(\n {4}"/);
  expect((await play(bad, 'plain'))[0]).toMatch(/^error: 42P01 /);
});
