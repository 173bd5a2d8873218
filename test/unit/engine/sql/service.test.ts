/** The service of SQL without Postgres: sessions, the catalog over restarts, cancel, files, readers that are slow. */
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Clock, systemClock, type TimerHandle } from '../../../../src/engine/clock.ts';
import type { FilesUnder } from '../../../../src/engine/sql/file-rule.ts';
import { SqlService } from '../../../../src/engine/sql/service.ts';
import type { ResultSink, SqlSession } from '../../../../src/sql/session.ts';
import type { SqlRow } from '../../../../src/sql/types.ts';

let dir: string;
let service: SqlService;
let session: SqlSession;
const notices: string[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-sql-'));
  notices.length = 0;
  await start();
});

afterEach(async () => {
  await service.close();
  rmSync(dir, { recursive: true });
});

async function start(files: FilesUnder = 'any'): Promise<void> {
  service = await SqlService.open({
    ...{ dir, files, rows: null, clock: systemClock, random: Math.random },
    onNotice: (notice) => notices.push(notice),
  });
  session = service.open({ user: 'ada', database: 'tidelock' });
}

async function restart(files?: FilesUnder): Promise<void> {
  await service.close();
  await start(files);
}

test('a folder that another one uses, or that is none, is refused with what to do', async () => {
  await run('CREATE TABLE t (a int)');
  const options = { rows: null, clock: systemClock, files: 'any', random: Math.random } as const;
  const open = (at: string) => SqlService.open({ ...options, dir: at, onNotice: () => undefined });
  await expect(open(dir)).rejects.toMatchObject({
    code: 'SQL_DATA_UNUSABLE',
    message: expect.stringContaining('is used by another process'),
  });
  writeFileSync(join(dir, 'file'), '');
  await expect(open(join(dir, 'file'))).rejects.toMatchObject({ code: 'SQL_DATA_UNUSABLE' });
});

test('a service that is closed leaves no timer, however long a statement might have taken', async () => {
  await service.close();
  const timers = new Set<TimerHandle>();
  const after: Clock['after'] = (delayMs, run) => {
    const timer = systemClock.after(delayMs, () => {
      timers.delete(handle);
      run();
    });
    const handle = {
      cancel: () => {
        timers.delete(handle);
        timer.cancel();
      },
    };
    timers.add(handle);
    return handle;
  };
  const own = { dir, rows: null, clock: { ...systemClock, after }, files: 'any' } as const;
  const onNotice = (): void => undefined;
  service = await SqlService.open({ ...own, random: Math.random, onNotice });
  session = service.open({ user: 'ada', database: 'tidelock' });
  await run('CREATE TABLE t (a int)');
  await run(`SET statement_timeout = '1h'`);
  await run('SELECT count(*) FROM t');
  expect(timers.size).toBeGreaterThan(1);
  await service.close();
  expect(timers.size).toBe(0);
});

type Results = { readonly rows: SqlRow[]; readonly tags: string[]; readonly notices: string[] };

function collector(): Results & { readonly sink: ResultSink } {
  const results: Results = { rows: [], tags: [], notices: [] };
  const sink: ResultSink = {
    columns: () => undefined,
    rows: (rows) => void results.rows.push(...rows),
    complete: (tag) => void results.tags.push(tag),
    notice: (message) => void results.notices.push(message),
  };
  return { ...results, sink };
}

async function run(sql: string, on: SqlSession = session): Promise<Results> {
  const { sink, ...results } = collector();
  await on.run(sql, sink);
  return results;
}

test('statements have tags, rows and notices as in PostgreSQL', async () => {
  expect((await run('CREATE TABLE t (a int, b text)')).tags).toEqual(['CREATE TABLE']);
  expect((await run('CREATE TABLE IF NOT EXISTS t (a int)')).notices).toHaveLength(1);
  expect((await run(`INSERT INTO t VALUES (1, 'x'), (2, NULL)`)).tags).toEqual(['INSERT 0 2']);
  expect(await run('SELECT * FROM t ORDER BY a; SELECT count(*) FROM t')).toMatchObject({
    rows: [[1, 'x'], [2, null], [2n]],
    tags: ['SELECT 2', 'SELECT 1'],
  });
  expect((await run('BEGIN; BEGIN; COMMIT')).notices).toEqual([
    'there is already a transaction in progress',
  ]);
  expect((await run('UPDATE t SET a = 3 WHERE a = 1')).tags).toEqual(['UPDATE 1']);
  expect((await run('DROP TABLE t')).tags).toEqual(['DROP TABLE']);
});

test('an error ends the batch, has its place, and the session goes on', async () => {
  await expect(run('SELECT 1; SELECT nothing')).rejects.toMatchObject({
    ...{ sqlState: '42703', offset: 17 },
  });
  await run('BEGIN');
  await expect(run('SELECT 1 / 0')).rejects.toMatchObject({ sqlState: '22012' });
  expect(session.status).toBe('failed');
  await expect(run('SELECT 1')).rejects.toMatchObject({ sqlState: '25P02' });
  await run('ROLLBACK');
  expect((await run('SELECT 1')).rows).toEqual([[1]]);
});

test('a database is chosen at the start, the user name means ours, others must be there', async () => {
  await run('CREATE DATABASE other');
  const other = service.open({ user: 'ada', database: 'other' });
  await run('CREATE TABLE only_here (a int)', other);
  await expect(run('SELECT * FROM only_here')).rejects.toMatchObject({ sqlState: '42P01' });
  const own = service.open({ user: 'ada', database: 'ada' });
  expect((await run('SHOW database', own)).rows).toEqual([['tidelock']]);
  expect(() => service.open({ user: 'ada', database: 'nope' })).toThrow('does not exist');
});

describe('a restart', () => {
  test('brings back tables, views, schemas and windows with their rows, under their numbers', async () => {
    await run('CREATE TABLE gone (a int)');
    await run('CREATE TABLE t (a int)');
    await run('CREATE SCHEMA s');
    await run('DROP TABLE gone');
    await run('INSERT INTO t VALUES (1), (2)');
    await run('CREATE VIEW plain AS SELECT a + 1 AS b FROM t');
    await run('CREATE MATERIALIZED VIEW sums AS SELECT sum(b) AS total FROM plain');
    await run('CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT sum(b) AS all_of_it FROM plain');
    await run(`ALTER INDEX sums_primary_idx SET (logical_compaction_window = '10s')`);
    await run('SET schema = s');
    await run('CREATE TABLE inner_t (x numeric)');
    for (let round = 0; round < 2; round += 1) {
      await restart();
      expect(notices).toEqual([]);
      expect((await run('SELECT all_of_it FROM sums')).rows).toEqual([[5n]]);
      expect((await run('SELECT * FROM s.inner_t')).rows).toEqual([]);
      expect((await run('SHOW TABLES')).rows).toEqual([['t']]);
    }
    await run('INSERT INTO t VALUES (10)');
    expect((await run('SELECT all_of_it FROM sums')).rows).toEqual([[16n]]);
    await run('CREATE TABLE fresh (a int)');
    expect((await run('SELECT * FROM fresh')).rows).toEqual([]);
  });

  test('never reads at a time before one that was told, also when the clock went back', async () => {
    await run('CREATE TABLE t (a int)');
    await run('INSERT INTO t VALUES (1)');
    await service.close();
    const hourAgo = { ...systemClock, wallMicros: () => systemClock.wallMicros() - 3.6e9 };
    service = await SqlService.open({
      ...{ dir, files: 'any', rows: null, clock: hourAgo, random: Math.random },
      onNotice: (notice) => notices.push(notice),
    });
    session = service.open({ user: 'ada', database: 'tidelock' });
    expect((await run('SELECT * FROM t')).rows).toEqual([[1]]);
    await run('INSERT INTO t VALUES (2)');
    expect((await run('SELECT count(*) FROM t')).rows).toEqual([[2n]]);
  });

  test('leaves out what cannot be brought back, and says so', async () => {
    writeFileSync(join(dir, 'a.csv'), 'x,y\n1,2\n');
    await run(`CREATE SOURCE f FROM FILE '${dir}/a.csv' FORMAT CSV WITH HEADER`);
    await run('CREATE TABLE t (a int)');
    rmSync(join(dir, 'a.csv'));
    await restart();
    expect(notices).toHaveLength(1);
    expect(notices[0]).toContain('CREATE SOURCE f');
    expect((await run('SHOW TABLES')).rows).toEqual([['t']]);
  });
});

test('a subscription is canceled with the right secret only, and the session goes on', async () => {
  await run('CREATE TABLE t (a int)');
  await run('INSERT INTO t VALUES (1)');
  const first = Promise.withResolvers<void>();
  const rows: SqlRow[] = [];
  const running = session.run('SUBSCRIBE t', {
    ...collector().sink,
    rows: (some) => {
      rows.push(...some);
      first.resolve();
    },
  });
  await first.promise;
  service.cancel(session.connection, session.secret + 1);
  service.cancel(session.connection, session.secret);
  await expect(running).rejects.toMatchObject({ sqlState: '57014' });
  expect(rows.map(([, diff, a]) => [diff, a])).toEqual([[1n, 1]]);
  expect((await run('SELECT a FROM t')).rows).toEqual([[1]]);
});

test('closing ends what runs, and nothing is opened any more', async () => {
  await run('CREATE TABLE t (a int)');
  const ended = expect(run('SUBSCRIBE t')).rejects.toMatchObject({ sqlState: '57P01' });
  await service.close();
  await ended;
  await expect(run('SELECT 1')).rejects.toMatchObject({ sqlState: '57P01' });
  expect(() => service.open({ user: 'a', database: 'a' })).toThrow('shutting down');
});

describe('files of the server', () => {
  test('are closed unless a folder is named, and then open below it only, links followed', async () => {
    writeFileSync(join(dir, 'in.txt'), 'one\n');
    const elsewhere = mkdtempSync(join(tmpdir(), 'tidelock-secret-'));
    writeFileSync(join(elsewhere, 'secret.txt'), 'secret\n');
    symlinkSync(elsewhere, join(dir, 'link'));
    const source = (path: string): Promise<unknown> =>
      run(`CREATE SOURCE f FROM FILE '${path}' FORMAT TEXT`);
    await restart('none');
    await expect(source(join(dir, 'in.txt'))).rejects.toMatchObject({ sqlState: '42501' });
    await restart({ folder: dir });
    for (const path of [
      join(elsewhere, 'secret.txt'),
      join(dir, 'link', 'secret.txt'),
      `${dir}/../${elsewhere.split('/').at(-1)}/secret.txt`,
      '/etc/passwd',
    ]) {
      await expect(source(path), path).rejects.toMatchObject({ sqlState: '42501' });
    }
    await run('CREATE TABLE t (a int)');
    await expect(
      run(`CREATE SINK k FROM t INTO FILE '${elsewhere}/out.json' FORMAT JSON`),
    ).rejects.toMatchObject({ sqlState: '42501' });
    await source(join(dir, 'in.txt'));
    const count = async () => (await run('SELECT count(*) FROM f')).rows;
    await expect.poll(count, { timeout: 3000 }).toEqual([[1n]]);
    rmSync(elsewhere, { recursive: true });
  });
});

test('prepared statements take values, give types, and fail as batches do', async () => {
  await run('CREATE TABLE t (a int, b text)');
  const insert = await session.prepare('INSERT INTO t VALUES ($1, $2)', []);
  expect(insert.parameters).toEqual(['int4', 'text']);
  await session.execute(insert, [1, 'x'], collector().sink);
  await session.sync();
  const select = await session.prepare('SELECT b, a + $1 AS n FROM t WHERE a = $1', ['int4']);
  expect(select.columns?.map(({ name, type }) => [name, type])).toEqual([
    ['b', 'text'],
    ['n', 'int4'],
  ]);
  const { sink, rows } = collector();
  await session.execute(select, [1], sink);
  await session.sync();
  expect(rows).toEqual([['x', 2]]);
  await expect(session.prepare('SELECT 1; SELECT 2', [])).rejects.toMatchObject({
    sqlState: '42601',
  });
  await expect(session.prepare('SELECT nothing', [])).rejects.toMatchObject({ sqlState: '42703' });
});
