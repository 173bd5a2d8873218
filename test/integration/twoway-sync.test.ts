/** Two-way replicas: write in one place, read in all others; offline, refused, merged. Real Postgres, HTTP, files. */
import { copyFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { hasCode } from '../../src/core/errors.ts';
import type { ReplicaEvent } from '../../src/index.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { disableTwoway, enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { readTwowayStatus } from '../../src/postgres/twoway/status.ts';
import type { WritableReplica } from '../../src/replica.ts';
import { systemClock } from '../../src/server/clock.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { until } from '../support/stack.ts';
import { readFile, TwowayBed, writeFile } from '../support/twoway-bed.ts';

test('a write in one replica appears in Postgres and in the other', async () => {
  const bed = await TwowayBed.open();
  const [a, b] = [await bed.replica('a'), await bed.replica('b')];
  await a.transaction((db) => {
    db.exec(`INSERT INTO note VALUES ('k1', 'first', NULL, 1), ('k2', 'second', 'text', 2)`);
  });
  expect(await a.send()).toEqual({ sent: 2, rejected: 0 });
  expect(await bed.notesInPostgres()).toHaveLength(2);
  await b.check();
  expect(bed.notes('b').map(({ title }) => title)).toEqual(['first', 'second']);
  await b.transaction((db) => {
    db.exec(`UPDATE note SET title = 'changed' WHERE id = 'k1'; DELETE FROM note WHERE id = 'k2'`);
  });
  await b.waitForWrites();
  await a.check();
  expect(bed.notes('a')).toEqual([{ id: 'k1', title: 'changed', body: null, n: 1 }]);
  await bed.converge('a', 'b');
});

test('another program writes into the file, and it is sent without being asked', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a');
  const sent: ReplicaEvent[] = [];
  a.on('sent', (event) => sent.push(event));
  writeFile(bed.stack.file('a'), `INSERT INTO note (id, title) VALUES ('p', 'by a program')`);
  await until('it is in Postgres', async () => (await bed.notesInPostgres()).length === 1);
  await until('it is told', () => sent.length === 1);
  expect(sent).toMatchObject([{ changes: 1, transactions: 1, pending: 0 }]);
  const warnings: string[] = [];
  a.on('warning', ({ message }) => warnings.push(message));
  writeFile(bed.stack.file('a'), 'CREATE UNIQUE INDEX mine ON note (title)');
  await until('an index that hides deletes is told', () => warnings.length > 0);
  expect(warnings).toEqual([expect.stringContaining('the unique index mine of note')]);
});

test('P28: without a server reading and writing go on; then both sides have everything', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a');
  await bed.replica('b');
  await bed.stack.stop();
  for (let turn = 0; turn < 20; turn += 1) {
    await a.transaction((db) => {
      db.exec(`INSERT INTO note (id, n) VALUES ('off${turn}', ${turn})`);
    });
  }
  writeFile(bed.stack.file('b'), `INSERT INTO note (id, title) VALUES ('b', 'offline too')`);
  expect(bed.notes('a')).toHaveLength(20);
  await expect(a.send()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  expect(a.pending).toBe(20);
  await bed.stack.sql.query(`INSERT INTO note (id, title) VALUES ('pg', 'meanwhile')`);
  await bed.stack.start();
  expect(await bed.converge('a', 'b')).toHaveLength(22);
  expect(a.pending).toBe(0);
});

test('P12: the same row edited offline in two places becomes one row, column by column', async () => {
  const bed = await TwowayBed.open();
  const [a, b] = [await bed.replica('a'), await bed.replica('b')];
  await a.transaction((db) => db.exec(`INSERT INTO note VALUES ('k', 'title', 'body', 1)`));
  await bed.converge('a', 'b');
  await bed.stack.stop();
  await a.transaction((db) => db.exec(`UPDATE note SET title = 'of a', n = 2 WHERE id = 'k'`));
  await b.transaction((db) => db.exec(`UPDATE note SET body = 'of b', n = 3 WHERE id = 'k'`));
  await bed.stack.start();
  expect(await bed.converge('a', 'b')).toEqual([{ id: 'k', title: 'of a', body: 'of b', n: 3 }]);
});

test('P13: a delete wins over an update that did not see it, and a row inserted again lives', async () => {
  const bed = await TwowayBed.open();
  const [a, b] = [await bed.replica('a'), await bed.replica('b')];
  await a.transaction((db) => db.exec(`INSERT INTO note (id) VALUES ('x'), ('y')`));
  await bed.converge('a', 'b');
  await bed.stack.stop();
  await a.transaction((db) => db.exec('DELETE FROM note'));
  await a.transaction((db) => db.exec(`INSERT INTO note (id, title) VALUES ('y', 'again')`));
  await b.transaction((db) => db.exec(`UPDATE note SET title = 'late'`));
  await bed.stack.start();
  expect(await bed.converge('a', 'b')).toEqual([{ id: 'y', title: 'again', body: null, n: null }]);
});

test('P16 P9: what Postgres refuses is taken back as a whole, told with its reason, and blocks nothing', async () => {
  const bed = await TwowayBed.open();
  await bed.stack.sql.query('ALTER TABLE note ADD CHECK (n < 100)');
  const a = await bed.replica('a');
  const told: ReplicaEvent[] = [];
  a.on('rejected', (event) => told.push(event));
  await bed.stack.stop();
  await a.transaction((db) => db.exec(`INSERT INTO note (id, n) VALUES ('good', 1)`));
  await a.transaction((db) => {
    db.exec(`INSERT INTO note (id, n) VALUES ('half', 2), ('bad', 100)`);
  });
  await a.transaction((db) => db.exec(`INSERT INTO note (id, n) VALUES ('later', 3)`));
  expect(bed.notes('a')).toHaveLength(4); // one's own writes show until their outcome is known
  await bed.stack.start();
  expect((await bed.converge('a')).map(({ id }) => id)).toEqual(['good', 'later']);
  expect(a.rejected()).toMatchObject([
    { table: 'public.note', key: ['half'], operation: 'insert', code: 'CONSTRAINT' },
    { key: ['bad'], code: 'CONSTRAINT' },
  ]);
  expect(told).toHaveLength(2);
  a.forgetRejected();
  expect(a.rejected()).toEqual([]);
});

test('P9: after waitForWrites a write is in the base, and stays when the base moves', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a');
  for (let turn = 1; turn <= 10; turn += 1) {
    await a.transaction((db) => {
      db.exec(
        `INSERT INTO note (id, n) VALUES ('k', ${turn}) ON CONFLICT (id) DO UPDATE SET n = ${turn}`,
      );
    });
    expect(bed.notes('a').at(0)?.n).toBe(turn);
    await a.waitForWrites();
    expect(bed.notes('a').at(0)?.n).toBe(turn);
  }
  expect(a.pending).toBe(0);
});

test('P5: a transaction that fails half way leaves nothing behind', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a');
  const failing = a.transaction((db) => {
    db.exec(`INSERT INTO note (id) VALUES ('half')`);
    throw new Error('on purpose');
  });
  await expect(failing).rejects.toThrow('on purpose');
  const waiting = a.transaction(async (db) => db.exec(`INSERT INTO note (id) VALUES ('late')`));
  await expect(waiting).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  expect(await bed.converge('a')).toEqual([]);
});

test('SITE_CLONED: a file that was copied with its unsent writes goes on in both places, and nothing is lost', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a');
  await a.transaction((db) => db.exec(`INSERT INTO note (id) VALUES ('before')`));
  await a.sync();
  await bed.closeReplica('a');
  writeFile(bed.stack.file('a'), `INSERT INTO note (id) VALUES ('unsent')`);
  copyFileSync(bed.stack.file('a'), bed.stack.file('copy'));
  writeFile(bed.stack.file('a'), `INSERT INTO note (id) VALUES ('in a')`);
  writeFile(bed.stack.file('copy'), `INSERT INTO note (id) VALUES ('in the copy')`);
  const notes = await bed.converge('a', 'copy');
  expect(notes.map(({ id }) => id)).toEqual(['before', 'in a', 'in the copy', 'unsent']);
});

test('P21: a table is enabled, gets a column and is disabled while a replica writes', async () => {
  const bed = await TwowayBed.open({ enabled: {} });
  const file = bed.stack.file('a');
  const a = await bed.replica('a', { retryMsMax: 100 });
  const names = (sql: string): readonly unknown[] => readFile(file, sql).map(({ name }) => name);
  const session = await PgSession.connect({ url: bed.stack.url });
  onTestFinished(() => session.end());
  await enableTwoway(session, { table: 'note' });
  await until('the table is here', () =>
    names(`SELECT name FROM tidelock_tables WHERE state = 'live'`).includes('public.note'),
  );
  await a.transaction((db) => db.exec(`INSERT INTO note (id) VALUES ('x')`));
  await a.send();
  await bed.stack.sql.query('ALTER TABLE note ADD COLUMN more text');
  await until('the column is here', () =>
    names(`SELECT name FROM pragma_table_info('note')`).includes('more'),
  );
  await a.transaction((db) => db.exec(`UPDATE note SET more = 'text'`));
  expect(await a.send()).toEqual({ sent: 1, rejected: 0 });
  const { rows } = await bed.stack.sql.query('SELECT id, more FROM note');
  expect(rows).toEqual([{ id: 'x', more: 'text' }]);
  await disableTwoway(session, { table: 'note' });
  await a.transaction((db) => db.exec(`UPDATE note SET more = 'too late'`));
  expect(await a.send()).toEqual({ sent: 0, rejected: 1 });
  expect(a.rejected()).toMatchObject([{ code: 'NOT_TWOWAY', key: ['x'] }]);
});

test('policies that give no rule hold what is written, before and meanwhile; nothing of it is refused or lost', async () => {
  const bed = await TwowayBed.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, title text, body text, n bigint);
      ALTER TABLE note ENABLE ROW LEVEL SECURITY; CREATE POLICY anybody ON note USING (true);
      INSERT INTO note VALUES ('old', 'old', NULL, 1), ('other', 'other', NULL, 1)`,
    enabled: { 'public.note': undefined },
  });
  const a = await bed.replica('a', { retryMsMax: 100 });
  await a.check();
  await bed.stack.stop();
  await a.transaction((db) =>
    db.exec(`INSERT INTO note VALUES ('new', 'new', 'x', 2); UPDATE note SET title = 'changed' WHERE id = 'old';
      DELETE FROM note WHERE id = 'other'`),
  );
  await bed.stack.sql.query(`ALTER POLICY anybody ON note USING (title LIKE '%')`);
  await bed.stack.start();
  const stateOf = () => bed.stack.engine.status().tables.find(({ name }) => name === 'public.note');
  await until('the table is held', () => stateOf()?.state === 'held');
  expect(stateOf()?.reason).toMatch(/policy anybody: .*; change the policy with ALTER POLICY/);
  const status = async () => readTwowayStatus(session);
  const session = await PgSession.connect({ url: bed.stack.url });
  onTestFinished(() => session.end());
  expect((await status()).find(({ table }) => table === 'public.note')).toMatchObject({
    state: 'held',
    held: { reason: expect.stringContaining('policy anybody'), remedy: expect.any(String) },
  });
  await until('the replica is told', () =>
    a.sync().then(
      () => false,
      (error: unknown) => hasCode(error, 'TABLE_HELD'),
    ),
  );
  await until('the others’ rows are gone', () => bed.notes('a').every(({ id }) => id !== 'other'));
  await a.transaction((db) => db.exec(`INSERT INTO note VALUES ('later', 'later', NULL, 3)`));
  expect(bed.notes('a').map(({ id }) => id)).toEqual(expect.arrayContaining(['later', 'new']));
  expect([a.pending > 0, a.rejected()]).toEqual([true, []]);
  await bed.stack.sql.query('ALTER POLICY anybody ON note USING (true)');
  await until('the table is read again', () => stateOf()?.state === 'live');
  await a.waitForWrites();
  expect((await bed.converge('a')).map(({ id, title }) => `${id} ${title}`)).toEqual([
    'later later',
    'new new',
    'old changed',
  ]);
  expect(a.rejected()).toEqual([]);
});

test('tokens that end in the middle are replaced, and nothing that is written meanwhile is lost or refused', async () => {
  const secret = 'a secret of more than thirty-two bytes';
  const tokens = { ...NO_TOKENS, secrets: [secret], clockToleranceS: 0 };
  const bed = await TwowayBed.open({ server: { tokens } });
  let [issued, lifetimeS] = [0, 1];
  const token = (): Promise<string> => {
    issued += 1;
    const scopes = ['read', 'write'] as const;
    return issueToken({ secret, subject: 'ann', selectors: [], scopes, lifetimeS }, systemClock);
  };
  const a = await bed.replica('a', { retryMsMax: 100 }, { token });
  const ended: unknown[] = [];
  a.on('error', ({ error }) => ended.push(error.code));
  for (let turn = 0; ended.length < 2; turn += 1) {
    await a.transaction((db) => db.exec(`INSERT INTO note (id) VALUES ('t${turn}')`));
    await until('it is sent', () => isSent(a));
  }
  expect(new Set(ended)).toEqual(new Set(['TOKEN_INVALID']));
  expect(issued).toBeGreaterThan(2);
  lifetimeS = 60;
  const notes = await bed.converge('a');
  expect(notes.length).toBeGreaterThan(2);
  expect(a.rejected()).toEqual([]);
});

async function isSent(replica: WritableReplica): Promise<boolean> {
  try {
    await replica.send({ timeoutMs: 5000 });
    return true;
  } catch (error) {
    if (hasCode(error, 'TOKEN_INVALID')) return false;
    throw error;
  }
}

test('what Postgres computes and numbers by itself comes back into rows that were inserted offline', async () => {
  const bed = await TwowayBed.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, n int, twice int GENERATED ALWAYS AS (n * 2) STORED,
      seq int GENERATED BY DEFAULT AS IDENTITY)`,
  });
  const a = await bed.replica('a', { retryMsMax: 100 });
  const rows = (): unknown[] => [
    ...readFile(bed.stack.file('a'), 'SELECT * FROM note ORDER BY id'),
  ];
  await a.transaction((db) =>
    db.exec(`INSERT INTO note (id, n, seq) VALUES ('k1', 4, NULL), ('k2', 5, 77)`),
  );
  await a.waitForWrites();
  await a.transaction((db) => db.exec(`UPDATE note SET n = 7 WHERE id = 'k1'`));
  await a.waitForWrites();
  expect(rows()).toEqual([
    { id: 'k1', n: 7, twice: 14, seq: 1 },
    { id: 'k2', n: 5, twice: 10, seq: 77 },
  ]);
  expect(() => writeFile(bed.stack.file('a'), 'UPDATE note SET twice = 1')).toThrow('computes it');
  await bed.stack.sql.query(
    'ALTER TABLE note ADD COLUMN later int GENERATED ALWAYS AS IDENTITY (START 5)',
  );
  await until('the column is there', async () => {
    await a.check();
    return 'later' in (rows()[0] as object);
  });
  await a.transaction((db) => db.exec(`DELETE FROM note; INSERT INTO note (id) VALUES ('k3')`));
  await a.waitForWrites();
  expect(rows()).toEqual([{ id: 'k3', n: null, twice: null, seq: 2, later: 7 }]);
  expect(a.rejected()).toEqual([]);
  await a.transaction((db) => db.exec(`UPDATE note SET later = 1`));
  await a.waitForWrites();
  expect(a.rejected()).toMatchObject([{ code: 'CONSTRAINT', key: ['k3'] }]);
});
