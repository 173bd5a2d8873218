/** Local writes and a world that fails: lost answers, tokens, horizons, other histories, limits. */
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import type { ReplicaEvent } from '../../src/index.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { issueToken, type TokenScope } from '../../src/server/tokens.ts';
import { FaultyProxy } from '../support/faulty-proxy.ts';
import { until } from '../support/stack.ts';
import { readFile, TwowayBed } from '../support/twoway-bed.ts';

const insert = (id: string): string => `INSERT INTO note (id) VALUES ('${id}')`;

async function audited(bed: TwowayBed): Promise<readonly string[]> {
  const { rows } = await bed.stack.sql.query<{ id: string }>(
    'SELECT id FROM note_audit ORDER BY id',
  );
  return rows.map(({ id }) => id);
}

test('P2 P9: an answer that is lost after the commit in Postgres: the write counts once', async () => {
  const bed = await TwowayBed.open();
  const proxy = await FaultyProxy.start(bed.stack.server, new SeededRandom(1));
  onTestFinished(() => proxy.close());
  const a = await bed.replica('a', { retryMsMax: 100 }, { server: proxy.url });
  proxy.faults = { cutAfterBytes: [1, 20] };
  proxy.dropAll();
  for (const id of ['x', 'y']) {
    await a.transaction((db) => db.exec(insert(id)));
    await until(`${id} is in Postgres`, async () => (await audited(bed)).includes(id));
    expect(a.pending).toBeGreaterThan(0);
  }
  proxy.faults = {};
  await until('the outcome is known', () => a.pending === 0);
  expect(await bed.converge('a')).toHaveLength(2);
  expect(await audited(bed)).toEqual(['x', 'y']);
  expect(proxy.hits).toBeGreaterThan(1);
});

const SECRET = 'a secret of more than thirty-two bytes';
const POLICIES = `
  CREATE TABLE note (id text PRIMARY KEY, title text NOT NULL DEFAULT '', body text, n bigint, owner text NOT NULL DEFAULT '');
  ALTER TABLE note ENABLE ROW LEVEL SECURITY;
  CREATE POLICY own ON note USING (owner = tidelock.auth_userid());
  INSERT INTO note (id, owner) VALUES ('of ann', 'ann'), ('of bob', 'bob');`;

function token(
  user: string,
  lifetimeS = 600,
  scopes: TokenScope[] = ['read', 'write'],
): Promise<string> {
  const request = { secret: SECRET, subject: user, claims: {}, selectors: [], lifetimeS, scopes };
  return issueToken(request, systemClock);
}

const ids = (bed: TwowayBed): readonly string[] => bed.notes('a').map(({ id }) => id);

test('P16: a token that expires, forbids or is another user’s stops sending and nothing else; a good one goes on', async () => {
  const bed = await TwowayBed.open({
    ...{ schema: POLICIES, enabled: { 'public.note': undefined } },
    server: { tokens: { ...NO_TOKENS, secrets: [SECRET] } },
  });
  let current = await token('ann');
  const a = await bed.replica('a', { retryMsMax: 100 }, { token: () => current });
  expect(ids(bed)).toEqual(['of ann']);
  await a.transaction((db) => db.exec(`UPDATE note SET title = 'mine'`));
  await a.send(); // from here on the file is ann's
  current = await token('ann', -3600);
  await a.transaction((db) => db.exec(`INSERT INTO note (id, owner) VALUES ('kept', 'ann')`));
  await expect(a.send()).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
  current = await token('ann', 600, ['read']);
  await expect(a.send()).rejects.toMatchObject({ code: 'TOKEN_FORBIDS' });
  await bed.stack.sql.query(`INSERT INTO note (id, owner) VALUES ('news', 'ann')`);
  await a.check();
  expect(ids(bed)).toContain('news');
  current = await token('bob');
  await expect(a.send()).rejects.toMatchObject({ code: 'SITE_TAKEN' });
  expect(a.pending).toBe(1);
  current = await token('ann');
  expect(await a.send()).toEqual({ sent: 1, rejected: 0 });
  await a.transaction((db) => db.exec(`INSERT INTO note (id, owner) VALUES ('for bob', 'bob')`));
  expect(await a.send()).toEqual({ sent: 0, rejected: 1 });
  expect(a.rejected()).toMatchObject([{ key: ['for bob'], code: 'DENIED' }]);
  await until('it is taken back', () => !ids(bed).includes('for bob'));
});

test('P16: unsent writes are of the user for whom the file was opened, and are not sent by another one’s token', async () => {
  const bed = await TwowayBed.open({
    ...{ schema: POLICIES, enabled: { 'public.note': undefined } },
    server: { tokens: { ...NO_TOKENS, secrets: [SECRET] } },
  });
  let current = await token('ann');
  const a = await bed.replica('a', { retryMsMax: 100 }, { token: () => current });
  await bed.stack.stop();
  await a.transaction((db) => db.exec(`INSERT INTO note (id, owner) VALUES ('unsent', 'ann')`));
  await bed.closeReplica('a');
  current = await token('bob');
  await bed.stack.start();
  const b = await bed.replica('a', { retryMsMax: 100 }, { token: () => current });
  const refused = b.send();
  await expect(refused).rejects.toMatchObject({ code: 'SITE_TAKEN' });
  await expect(refused).rejects.toThrow('writes of ann');
  expect(b.pending).toBe(1);
  const written = async (): Promise<readonly string[]> =>
    (
      await bed.stack.sql.query(`SELECT id FROM note WHERE id LIKE 'un%' OR id LIKE 'next%'`)
    ).rows.map(({ id }) => id);
  expect(await written()).toEqual([]);
  current = await token('ann');
  await until('ann’s token sends it', async () => {
    await b.send().catch(() => undefined);
    return (await written()).join() === 'unsent';
  });
  // With nothing unsent the file may be somebody else's, under a name of its own.
  await bed.closeReplica('a');
  current = await token('bob');
  const c = await bed.replica('a', { retryMsMax: 100 }, { token: () => current });
  await until('it holds what is bob’s', () => ids(bed).join() === 'of bob');
  await c.transaction((db) => db.exec(`INSERT INTO note (id, owner) VALUES ('next', 'bob')`));
  expect(await c.send()).toEqual({ sent: 1, rejected: 0 });
});

test('P13: RESYNC_FIRST: a base beyond the horizon is refreshed before its unsent writes go, and none is lost', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a', { heartbeatS: 60 });
  await a.transaction((db) => db.exec(insert('first')));
  await a.sync();
  const resyncs: ReplicaEvent[] = [];
  a.on('resync', (event) => resyncs.push(event));
  await bed.stack.sql.query(`INSERT INTO note_audit (op) VALUES ('nobody is told of this')`);
  await bed.stack.sql.query(
    'INSERT INTO tidelock.horizon (timeline, position) VALUES ($1, pg_current_wal_insert_lsn())',
    [a.status.timeline],
  );
  await a.transaction((db) => db.exec(insert('unsent')));
  expect(await a.send()).toEqual({ sent: 1, rejected: 0 });
  expect(resyncs).toHaveLength(1);
  expect((await bed.converge('a')).map(({ id }) => id)).toEqual(['first', 'unsent']);
});

test('P18: another history of Postgres: the base is fetched anew, unsent writes stay and are sent', async () => {
  const bed = await TwowayBed.open();
  const a = await bed.replica('a', { retryMsMax: 100 });
  await a.transaction((db) => db.exec(insert('sent')));
  await a.send();
  const before = a.status.timeline;
  await bed.stack.stop();
  await a.transaction((db) => db.exec(insert('unsent')));
  await until('the slot is free', async () => {
    const { rowCount } = await bed.stack.sql.query(
      'SELECT FROM pg_replication_slots WHERE slot_name = $1 AND NOT active',
      [bed.stack.name],
    );
    return rowCount === 1;
  });
  await bed.stack.sql.query('SELECT pg_drop_replication_slot($1)', [bed.stack.name]);
  await bed.stack.start();
  expect((await bed.converge('a')).map(({ id }) => id)).toEqual(['sent', 'unsent']);
  expect(a.status.timeline).not.toBe(before);
});

test('a transaction larger than the server takes is parked alone; what stands before and after it arrives', async () => {
  const limits = { ...DEFAULT_LIMITS, uploadBytesMax: 8192 };
  const bed = await TwowayBed.open({ server: { limits } });
  const a = await bed.replica('a', { retryMsMax: 100 });
  await bed.stack.stop();
  const many = (from: number, count: number): string =>
    `WITH RECURSIVE g(i) AS (VALUES (${from}) UNION ALL SELECT i + 1 FROM g WHERE i < ${from + count - 1})
     INSERT INTO note (id, title) SELECT 'k' || i, 'some title' FROM g`;
  await a.transaction((db) => db.exec(many(0, 50)));
  await a.transaction((db) => db.exec(many(1000, 500)));
  await a.transaction((db) => db.exec(many(2000, 100)));
  await bed.stack.start();
  expect(await bed.converge('a')).toHaveLength(150);
  const refused = a.rejected();
  expect(refused).toHaveLength(500);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['TOO_LARGE']));
  expect(refused[0]?.message).toMatch(/500 row changes.*8192 bytes.*raise uploadBytesMax/);
});

test('a transaction of any rows that fits the limits is read, merged and refused in pieces', async () => {
  const bed = await TwowayBed.open({
    schema: `CREATE TABLE note (id text PRIMARY KEY, title text, body text, n bigint CHECK (n < 1000000))`,
  });
  const [a, b] = [await bed.replica('a'), await bed.replica('b')];
  // Above 8 MiB each: the server never holds them as objects.
  await a.transaction((db) =>
    db.exec(`WITH RECURSIVE g(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM g WHERE i < 2500)
      INSERT INTO note SELECT 'k' || i, hex(zeroblob(1750)), NULL, i FROM g`),
  );
  expect(await a.send()).toEqual({ sent: 2500, rejected: 0 });
  await b.check();
  await b.transaction((db) =>
    db.exec(`UPDATE note SET body = hex(zeroblob(1750)) || n, n = n + 1`),
  );
  await a.transaction((db) => db.exec(`UPDATE note SET n = 2000000 WHERE id = 'k2500'`));
  await b.waitForWrites();
  await a.waitForWrites();
  expect(a.rejected()).toMatchObject([{ code: 'CONSTRAINT', key: ['k2500'] }]);
  await b.transaction((db) =>
    db.exec(
      `UPDATE note SET title = hex(zeroblob(1760)), n = n + CASE id WHEN 'k9' THEN 2000000 ELSE 0 END`,
    ),
  );
  await b.waitForWrites();
  expect(b.rejected()).toHaveLength(2500);
  const [sum] = readFile(
    bed.stack.file('b'),
    'SELECT count(DISTINCT body) AS n, sum(n) AS total FROM note',
  );
  expect(sum).toEqual({ n: 2500, total: (2500 * 2501) / 2 + 2500 });
  await a.transaction((db) => db.exec('DELETE FROM note'));
  await a.waitForWrites();
  expect(await bed.converge('a', 'b')).toEqual([]);
}, 60_000);

test('P28: while a large transaction arrives slowly, local writes of another program take no longer', async () => {
  const bed = await TwowayBed.open();
  const proxy = await FaultyProxy.start(bed.stack.server, new SeededRandom(1));
  onTestFinished(() => proxy.close());
  const a = await bed.replica('a', { openBytesMax: 32 * 1024 }, { server: proxy.url });
  proxy.faults = { sliceBytes: 8192 };
  proxy.dropAll();
  await a.check();
  await bed.stack.sql.query(
    `INSERT INTO note SELECT 'big' || g, repeat('x', 100) FROM generate_series(1, 5000) g`,
  );
  const other = new DatabaseSync(bed.stack.file('a'), { timeout: 5000 });
  onTestFinished(() => other.close());
  let slowestMs = 0;
  let writes = 0;
  await until('all of it has arrived', () => {
    const startMs = performance.now();
    other.exec(`INSERT INTO note (id) VALUES ('own${writes}')`);
    writes += 1;
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
    return (
      Number(other.prepare(`SELECT count(*) AS n FROM note WHERE id LIKE 'big%'`).get()?.n) === 5000
    );
  });
  expect(writes).toBeGreaterThan(1);
  expect(slowestMs).toBeLessThan(2000);
  await bed.converge('a');
});
