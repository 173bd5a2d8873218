/** SQL functions, the shell and `replicate --write`, as their users meet them. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { systemClock } from '../../src/server/clock.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { TwowayBed, writeFile } from '../support/twoway-bed.ts';

/** Everything that the shell prints for a script, and its exit code. */
async function shell(
  bed: TwowayBed,
  script: string,
  { file = 'shell', more = [] }: { readonly file?: string; readonly more?: readonly string[] } = {},
): Promise<string> {
  const args = ['bin/tidelock', 'shell', bed.stack.file(file), '--server', bed.stack.server];
  const child = spawn(process.execPath, [...args, ...more]);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes) => {
      output += bytes;
    });
  }
  child.stdin.end(script);
  const [code] = await once(child, 'close');
  return `${output}exit ${code}`;
}

test('SQL synchronises by tidelock_send, tidelock_check and tidelock_sync; without a server it says so', async () => {
  const bed = await TwowayBed.open();
  await bed.stack.sql.query(`INSERT INTO note (id, title) VALUES ('pg', 'theirs')`);
  const done = await shell(
    bed,
    `INSERT INTO note (id) VALUES (tidelock_uuid());
    SELECT tidelock_send() LIKE '{"sent":%' AS sent; SELECT tidelock_check() LIKE '{"received":%' AS checked;
    UPDATE note SET title = title || ' mine' WHERE id = 'pg';
    SELECT tidelock_sync() LIKE '{%' AS synced;
    BEGIN; SELECT tidelock_send();`,
    { more: ['--json'] },
  );
  expect(done).toBe(
    `{"changes":1}
{"sent":1}
{"checked":1}
{"changes":1}
{"synced":1}
{"changes":0}
error BAD_REQUEST: line 5: tidelock_send() cannot send a transaction that is still open
  what to do: COMMIT first
exit 2`,
  );
  const notes = await bed.notesInPostgres();
  expect(notes.map(({ title }) => title).sort()).toEqual(['', 'theirs mine']);
  await bed.stack.stop();
  const offline = await shell(bed, `DELETE FROM note WHERE id = 'pg';\n.pending\n.send`);
  expect(offline).toMatch(/^1\nerror SERVER_UNREACHABLE: line 3: .*\n {2}what to do: .*\nexit 1$/);
});

test('the shell of a new file says why it waits when there is no server', async () => {
  const bed = await TwowayBed.open();
  await bed.stack.stop();
  const args = ['bin/tidelock', 'shell', bed.stack.file('new'), '--server', bed.stack.server];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  const [bytes] = await once(child.stderr, 'data');
  child.kill();
  await once(child, 'close');
  expect(String(bytes)).toMatch(/^SERVER_UNREACHABLE: .*; the first copy waits for the server\n$/);
});

test('a script on the shell’s stdin runs to its end, or to its first error with the line', async () => {
  const bed = await TwowayBed.open();
  await bed.stack.sql.query('ALTER TABLE note ADD CHECK (n < 100)');
  const first = await shell(
    bed,
    `
    BEGIN; INSERT INTO note VALUES ('a', 'x', NULL, 1);
    INSERT INTO note VALUES ('b', 'y', NULL, 100); COMMIT;
    INSERT INTO note VALUES ('c', 'it''s; z', NULL, 3);
.sync
    SELECT id, title, n FROM note;
.rejected
.rejected clear
.pending
.tables`,
  );
  expect(first.replace(/\{"sent".*\}/, '{counts}').replaceAll(/\d{4}-\d\d-\S+Z/g, 'now')).toBe(
    `{counts}
id  title    n
--  -------  -
c   it's; z  3
operation  table        key  code        message                                                       rejected at
---------  -----------  ---  ----------  ------------------------------------------------------------  ------------------------
insert     public.note  a    CONSTRAINT  new row for relation "note" violates check constraint "note_n_check"  now
insert     public.note  b    CONSTRAINT  new row for relation "note" violates check constraint "note_n_check"  now
0
name
----
note
exit 0`,
  );
  expect(
    await shell(bed, 'SELECT id FROM note;\n\nSELECT missing FROM note;\nSELECT 1;', {
      more: ['--json'],
    }),
  ).toBe('{"id":"c"}\nerror BAD_REQUEST: line 3: no such column: missing\nexit 2');
});

test('a script that ends inside a transaction fails, and leaves nothing of it', async () => {
  const bed = await TwowayBed.open();
  const ended = await shell(bed, `BEGIN;\nINSERT INTO note (id) VALUES ('lost');\n`);
  expect(ended).toMatch(
    /line 2: the input ended inside a transaction: it was rolled back[\s\S]*exit 2$/,
  );
  expect(await shell(bed, 'SELECT count(*) AS n FROM note;', { more: ['--json'] })).toBe(
    '{"n":0}\nexit 0',
  );
});

test('replicate --write sends what another program writes, and tells it', async () => {
  const bed = await TwowayBed.open();
  const file = bed.stack.file('cli');
  const run = new Command([
    'replicate',
    '--server',
    bed.stack.server,
    '--db',
    file,
    '--write',
    '--json',
  ]);
  await run.caughtUp();
  writeFile(file, `INSERT INTO note (id, title) VALUES ('cli', 'by sqlite3')`);
  const sent = await run.line('it is sent', ({ kind }) => kind === 'sent');
  expect(sent).toMatchObject({ transactions: 1, changes: 1, pending: 0 });
  const beside = await shell(bed, `UPDATE note SET n = 7;\n.sync`, { file: 'cli' });
  expect(beside).toMatch(/^error REPLICA_IN_USE: line 2: another process synchronises this file\n/);
  await until('it is sent for the shell', async () => (await bed.notesInPostgres())[0]?.n === 7);
  expect((await bed.notesInPostgres()).map(({ id }) => id)).toEqual(['cli']);
  expect(await run.kill('SIGINT')).toBe(0);
  writeFile(file, `UPDATE note SET title = 'later'`);
  const once = new Command([
    'replicate',
    '--server',
    bed.stack.server,
    '--db',
    file,
    '--write',
    '--once',
  ]);
  expect(await once.exit(), once.stderr).toBe(0);
  expect((await bed.notesInPostgres()).map(({ title }) => title)).toEqual(['later']);
});

test('P15: a replica that comes while its table is held gets its user’s rows as soon as the policies give a rule', async () => {
  const secret = 'a secret of more than thirty-two bytes';
  const bed = await TwowayBed.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, title text, body text, n bigint);
      ALTER TABLE note ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON note USING (body = tidelock.auth_userid());
      INSERT INTO note VALUES ('of ann', 'a', 'ann', 1), ('of bob', 'b', 'bob', 1)`,
    enabled: { 'public.note': undefined },
    server: { tokens: { ...NO_TOKENS, secrets: [secret] } },
  });
  const scopes = ['read', 'write'] as const;
  const how = { secret, subject: 'ann', selectors: [], scopes, lifetimeS: 600 };
  const token = await issueToken(how, systemClock);
  const ids = (): readonly string[] => bed.notes('a').map(({ id }) => id);
  const before = await bed.replica('a', {}, { token });
  await before.transaction((db) => db.exec(`INSERT INTO note VALUES ('unsent', 'u', 'ann', 2)`));
  await bed.closeReplica('a');
  await bed.stack.sql.query(
    'ALTER POLICY own ON note USING (body = lower(tidelock.auth_userid()))',
  );
  const isHeld = (): boolean =>
    bed.stack.engine.status().tables.some(({ state }) => state === 'held');
  await until('the table is held', isHeld);
  const a = await bed.replica('a', { retryMsMax: 100 }, { token });
  await until('ann reads nothing for now', () => !ids().includes('of ann'));
  await a.transaction((db) => db.exec(`INSERT INTO note VALUES ('later', 'l', 'ann', 3)`));
  await bed.stack.sql.query('ALTER POLICY own ON note USING (body = tidelock.auth_userid())');
  await a.waitForWrites({ timeoutMs: 20_000 });
  await until('ann reads her rows', () => ids().join() === 'later,of ann,unsent');
  expect((await bed.notesInPostgres()).map(({ id }) => id)).toEqual([
    ...['later', 'of ann', 'of bob', 'unsent'],
  ]);
  expect(a.rejected()).toEqual([]);
});
