/** Reads of SQL by processes of their own: ended at any moment, bounded, and exact, while others are served. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough } from 'node:stream';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SqlShell } from '../../src/cli/sql-shell.ts';
import { localTarget } from '../../src/cli/sql-target.ts';
import { systemClock } from '../../src/engine/clock.ts';
import type { SqlServiceOptions } from '../../src/engine/sql/options.ts';
import { BATCH_ROWS_MAX, BATCHES_AHEAD } from '../../src/engine/sql/readers/messages.ts';
import {
  READER_BYTES_MAX,
  READERS_MAX,
  ReaderPool,
  STALLED_MS_MAX,
} from '../../src/engine/sql/readers/reader-pool.ts';
import { ReaderProcess } from '../../src/engine/sql/readers/reader-process.ts';
import { SqlService } from '../../src/engine/sql/service.ts';
import { WireServer } from '../../src/pgwire/server.ts';
import { readStat } from '../../src/runs/processes/process-group.ts';
import { CollectionStore } from '../../src/sqlite/collections/collection-store.ts';
import { Child } from '../support/child.ts';
import { Command } from '../support/command.ts';
import { HandClock } from '../support/hand-clock.ts';
import { heldBytes } from '../support/held-bytes.ts';
import type { SqlProcessNews } from '../support/sql-process.ts';
import { until } from '../support/stack.ts';

const OPTIONS: SqlServiceOptions = {
  ...{ dir: null, rows: null, files: 'none', clock: systemClock, random: Math.random },
  onNotice: () => undefined,
};
const ROWS = 3000;
/** Characters of a wide row. */
const WIDTH = 40_000;
const FILL = [
  'CREATE TABLE n (a int)',
  `INSERT INTO n VALUES ${Array.from({ length: ROWS }, (_, a) => `(${a})`).join()}`,
];
/** Days, if nobody ends them. */
const ENDLESS = [
  'SELECT count(*) FROM n x, n y, n z WHERE x.a + y.a + z.a = -1',
  'SELECT x.a * y.a + z.a AS k, count(*) FROM n x, n y, n z GROUP BY k',
  'SELECT x.a FROM n x, n y, n z ORDER BY x.a * y.a - z.a',
] as const;
const [CROSS] = ENDLESS;

let dir: string;
let service: SqlService;
let server: WireServer;
let port = 0;
let ada: pg.Client;
let bob: pg.Client;
const bugs: unknown[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-readers-'));
  service = await SqlService.open({ ...OPTIONS, dir });
  server = new WireServer({
    ...{ backend: service, host: '127.0.0.1', port: 0, serverVersion: '18.0 (test)' },
    ...{ needsPassword: false, authenticate: async () => ({ expiresInMs: null }) },
    onBug: (error) => bugs.push(error),
  });
  ({ port } = await server.listen());
  [ada, bob] = [await client(), await client()];
  for (const sql of FILL) await ada.query(sql);
});

afterAll(async () => {
  await ada.end().catch(() => undefined);
  await bob.end().catch(() => undefined);
  await server.close();
  await service.close();
  rmSync(dir, { recursive: true });
  expect(bugs).toEqual([]);
});

async function client(): Promise<pg.Client> {
  const made = new pg.Client({ host: '127.0.0.1', port, user: 'ada' });
  made.on('error', () => undefined);
  await made.connect();
  return made;
}

async function cancel(of: pg.Client): Promise<void> {
  const { processID, secretKey } = of as unknown as { processID: number; secretKey: number };
  const socket = connect(port, '127.0.0.1');
  const packet = Buffer.alloc(16);
  [16, 80877102, processID, secretKey].forEach(
    (word, at) => void packet.writeInt32BE(word, at * 4),
  );
  socket.end(packet);
  socket.resume();
  await once(socket, 'close');
}

/** What a reader has to compute: too many rows for the server's own thread. */
async function count(by: pg.Client): Promise<number> {
  const { rows } = await by.query('SELECT count(*) AS n FROM n');
  return Number(rows[0]?.n);
}

test.each(ENDLESS)('a cancel ends %s, and another session is answered meanwhile', async (sql) => {
  const ended = expect(ada.query(sql)).rejects.toMatchObject({ code: '57014' });
  for (let n = 0; n < 3; n += 1) expect(await count(bob)).toBe(ROWS);
  await bob.query('INSERT INTO n VALUES (1)');
  await bob.query('DELETE FROM n WHERE a = 1');
  await bob.query('INSERT INTO n VALUES (1)');
  await cancel(ada);
  await ended;
  expect(await count(ada)).toBe(ROWS);
});

test('a statement that has had its time is ended, and the next one has its own', async () => {
  await ada.query(`SET statement_timeout = '300ms'`);
  await expect(ada.query(CROSS)).rejects.toMatchObject({
    code: '57014',
    message: 'canceling statement due to statement timeout',
  });
  expect((await ada.query('SHOW statement_timeout')).rows).toEqual([
    { statement_timeout: '300ms' },
  ]);
  await ada.query('RESET statement_timeout');
  expect(await count(ada)).toBe(ROWS);
});

test('who goes away in the middle of a read leaves nothing that computes', async () => {
  const gone = await client();
  gone.query(CROSS).catch(() => undefined);
  await count(bob);
  const pids = service.readerPids.filter(isRunning);
  gone.connection.stream.destroy();
  // The others are idle, and kept.
  await until('its reader has ended', () => !pids.every(isRunning));
  expect(await count(bob)).toBe(ROWS);
});

test('a read that was given to a reader that is dead already is computed by another one', async () => {
  for (let n = 0; n < 5; n += 1) {
    for (const pid of service.readerPids) process.kill(pid, 'SIGKILL');
    expect(await count(bob)).toBe(ROWS);
  }
});

test('a reader that is killed fails its read, and the next read is computed', async () => {
  const failed = expect(ada.query(CROSS)).rejects.toMatchObject({ code: '58000' });
  await count(bob);
  for (const pid of service.readerPids) process.kill(pid, 'SIGKILL');
  await failed;
  expect(await count(ada)).toBe(ROWS);
});

test('a client that takes no rows holds its reader back, and memory stays where it is', async () => {
  const stalled = await client();
  const rows = new pg.Query(`SELECT a, repeat('x', ${WIDTH}) FROM n`);
  rows.on('error', () => undefined);
  const first = once(rows, 'row');
  stalled.query(rows);
  await first;
  stalled.connection.stream.pause();
  const before = heldBytes();
  for (let n = 0; n < 30; n += 1) await count(bob);
  // Some batches wait in the pipes; the rest of the result is not there yet.
  expect(heldBytes() - before).toBeLessThan((ROWS * WIDTH) / 2);
  const end = once(rows, 'end');
  stalled.connection.stream.resume();
  expect((await end)[0]).toMatchObject({ rowCount: await count(bob) });
  await stalled.end();
});

test('readers see whole transactions, and all that was told', async () => {
  await ada.query('CREATE TABLE accounts (id int, v int)');
  const list = Array.from({ length: 400 }, (_, id) => `(${id}, 100)`).join();
  await ada.query(`INSERT INTO accounts VALUES ${list}`);
  let isOver = false;
  const transfers = async (): Promise<void> => {
    for (let n = 0; n < 40; n += 1) {
      await bob.query(
        `UPDATE accounts SET v = v + CASE WHEN id = ${n} THEN -1 ELSE 1 END WHERE id IN (${n}, ${n + 40})`,
      );
      await bob.query(`INSERT INTO accounts VALUES (${1000 + n}, 0)`);
    }
    isOver = true;
  };
  const moving = transfers();
  let last = 0;
  while (!isOver) {
    const { rows } = await ada.query('SELECT sum(v) AS v, count(*) AS n FROM accounts');
    expect(Number(rows[0]?.v)).toBe(40_000);
    expect(Number(rows[0]?.n)).toBeGreaterThanOrEqual(last);
    last = Number(rows[0]?.n);
  }
  await moving;
  const { rows } = await ada.query('SELECT count(*) AS n FROM accounts');
  expect(rows).toEqual([{ n: '440' }]);
});

test('a reader whose rows nobody takes computes no more of them, and hears that nobody wants the rest', async () => {
  const store = CollectionStore.open(join(dir, 'own.db'));
  const ignore = () => undefined;
  const file = join(dir, 'own.db');
  const options = { file, clock: systemClock, memoryBytesMax: READER_BYTES_MAX };
  const reader = new ReaderProcess({ ...options, onIdle: ignore, onGone: ignore });
  await until('it has started', () => reader.isIdle);
  let batches = 0;
  const rows = (): void => {
    batches += 1;
  };
  // Two batches and a half at once; the next row comes after days.
  const text = `WITH RECURSIVE n (a) AS (SELECT 0 UNION ALL SELECT a + 1 FROM n LIMIT 1000000000000)
    SELECT a FROM n WHERE a < ${2.5 * BATCH_ROWS_MAX}`;
  reader.read(
    { text: { text, places: [] }, types: ['int8'], isSmall: () => false },
    { rows, failed: ignore, stale: ignore },
  );
  await until('two batches are here', () => batches === BATCHES_AHEAD);
  reader.end();
  await until('it takes the next read', () => reader.isIdle);
  reader.kill();
  await reader.gone;
  store.close();
});

test('readers whose rows nobody takes are given to others in bounded time', async () => {
  const file = join(dir, 'own.db');
  const store = CollectionStore.open(file);
  const clock = new HandClock();
  const pool = new ReaderPool({ file, clock });
  const text = `WITH RECURSIVE n (a) AS (SELECT 0 UNION ALL SELECT a + 1 FROM n LIMIT ${9 * BATCH_ROWS_MAX}) SELECT a FROM n`;
  const read = (told: string[], name: string, takes: boolean): void => {
    const running = pool.start(
      { text: { text, places: [] }, types: ['int8'], isSmall: () => false },
      {
        rows: (_rows, { isLast }) => {
          told.push(isLast ? `${name} ends` : `${name} has rows`);
          if (takes) running.next();
        },
        failed: ({ sqlState }) => told.push(`${name} fails: ${sqlState}`),
        stale: () => told.push(`${name} is stale`),
      },
    );
  };
  const told: string[] = [];
  // One after the other, so that the first is the one that is idle for the longest time.
  for (let n = 1; n <= READERS_MAX; n += 1) {
    read(told, `${n}`, false);
    await until(`${n} stalls`, () => told.length === BATCHES_AHEAD * n);
    clock.advance(1);
  }
  told.length = 0;
  clock.advance(STALLED_MS_MAX * 3);
  expect(told).toEqual([]);
  read(told, 'new', true);
  clock.advance(STALLED_MS_MAX - 1);
  expect(told).toEqual([]);
  clock.advance(1);
  await until('the new one is read', () => told.at(-1) === 'new ends');
  expect(told[0]).toBe('1 fails: 53300');
  expect(told.filter((text) => text.includes('fails'))).toHaveLength(1);
  await pool.close();
  store.close();
});

test('a FETCH of more than fits is refused, and the next one is served', async () => {
  await ada.query('BEGIN');
  await ada.query(`DECLARE c CURSOR FOR SELECT a, repeat('x', ${WIDTH * 4}) FROM n`);
  await expect(ada.query('FETCH ALL FROM c')).rejects.toMatchObject({
    code: '54000',
    message: 'the answer has more than 256 MiB',
  });
  await ada.query('ROLLBACK');
  expect(await count(ada)).toBe(await count(bob));
});

test('a read that takes too much memory is ended, and says so', async () => {
  const small = await SqlService.open({ ...OPTIONS, readBytesMax: 160 * 2 ** 20 });
  const session = small.open({ user: 'ada', database: 'tidelock' });
  const ignore = () => undefined;
  const sink = { columns: ignore, rows: ignore, complete: ignore, notice: ignore };
  for (const sql of FILL) await session.run(sql, sink);
  const greedy = `SELECT length(upper(repeat('xyz', 20000000)) || a) FROM n`;
  await expect(session.run(greedy, sink)).rejects.toMatchObject({ sqlState: '53200' });
  await session.run('SELECT count(*) FROM n', sink);
  await small.close();
});

test('Ctrl-C in the shell ends the read, and the next statement runs', async () => {
  const own = await SqlService.open(OPTIONS);
  const input = new PassThrough();
  const lines = createInterface({ input, output: new PassThrough(), terminal: true });
  const target = localTarget(own, () => own.close());
  const done: unknown[] = [];
  const shell = new SqlShell({
    target: {
      ...target,
      run: (sql, sink) => {
        const run = target.run(sql, sink);
        run.then(
          () => done.push(sql),
          (error: unknown) => done.push(error),
        );
        return run;
      },
    },
    ...{ isJson: false, isTerminal: true },
  });
  const running = shell.run(lines);
  input.write([...FILL, CROSS].map((sql) => `${sql};\n`).join(''));
  await until('the table is filled', () => done.length === 2);
  input.write('\x03');
  await until('the read has ended', () => done.length === 3);
  expect(done[2]).toMatchObject({ sqlState: '57014' });
  input.write('SELECT count(*) FROM n;\n');
  await until('the next one has run', () => done.length === 4);
  input.end();
  await running;
  expect(done[3]).toBe('SELECT count(*) FROM n;');
  await target.close();
});

describe('a folder', () => {
  test('belongs to one process: the second one is told so', async () => {
    const second = new Command(['sql', '--data', dir, 'README.md']);
    await until('it has ended', () => !second.isAlive);
    expect(second.stderr).toContain('SQL_DATA_UNUSABLE');
    expect(second.stderr).toContain('is used by another process');
    expect(await count(ada)).toBe(ROWS);
  });

  test('of a server that was killed while it read is opened at once, and its readers are gone', async () => {
    const own = mkdtempSync(join(tmpdir(), 'tidelock-readers-'));
    const { pids } = await killWhileReading(own);
    const next = await SqlService.open({ ...OPTIONS, dir: own });
    await until('the readers have ended', () => pids.every((pid) => !isRunning(pid)));
    await next.close();
    rmSync(own, { recursive: true });
  });

  test('that a killed process had for its memory goes at the next start', async () => {
    const left = (await killWhileReading(null)).folders;
    expect(left).toHaveLength(1);
    await until('it is gone after a start', async () => {
      const next = await SqlService.open(OPTIONS);
      await next.close();
      return left.every((name) => !existsSync(join(tmpdir(), name)));
    });
  });
});

type Killed = { readonly pids: readonly number[]; readonly folders: readonly string[] };

/** The readers that it had, and its private folder: other tests have such ones too, and remove this one. */
async function killWhileReading(own: string | null): Promise<Killed> {
  const program = new URL('../support/sql-process.ts', import.meta.url);
  const child = new Child<SqlProcessNews>(program, { dir: own, setUp: FILL, read: CROSS });
  const { pids } = await child.first('reading');
  const name = `tidelock-memory-${child.pid}-`;
  const folders = readdirSync(tmpdir()).filter((folder) => folder.startsWith(name));
  process.kill(child.pid, 'SIGKILL');
  await until('the process has ended', () => !child.isAlive);
  return { pids, folders };
}

/** A zombie is dead, whoever has not taken note of it yet. */
function isRunning(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== 'Z';
}
