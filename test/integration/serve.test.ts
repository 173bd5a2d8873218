import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createNetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, describe, expect, inject, test } from 'vitest';
import { until } from '../support/stack.ts';
import { RawClient } from '../unit/server/support.ts';

const SECRET = 'a secret of more than thirty-two bytes';
const EXIT_MS_MAX = 30_000;

type Run = {
  readonly child: ChildProcess;
  readonly out: { stdout: string; stderr: string };
  /** Resolves with the exit code, or the signal. */
  readonly exit: Promise<number | NodeJS.Signals | null>;
};

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function tidelock(args: readonly string[], environment: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, ['bin/tidelock', ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    out.stdout += text;
  });
  child.stderr.on('data', (text) => {
    out.stderr += text;
  });
  const exit = once(child, 'close').then(([code, signal]) => code ?? signal);
  cleanups.push(async () => {
    if (child.exitCode === null) child.kill('SIGKILL');
    await exit;
  });
  return { child, out, exit };
}

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-serve-'));
  cleanups.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A database with one replicated table of two rows. */
async function database(): Promise<{ url: string; sql: pg.Client; slot: string }> {
  const slot = `serve_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const admin = new pg.Client(inject('postgresUrl'));
  await admin.connect();
  await admin.query(`CREATE DATABASE ${slot}`);
  const url = new URL(inject('postgresUrl'));
  url.pathname = `/${slot}`;
  const sql = new pg.Client(url.href);
  await sql.connect();
  await sql.query(`
    CREATE TABLE city (id int PRIMARY KEY, name text, country text);
    ALTER TABLE city REPLICA IDENTITY FULL;
    INSERT INTO city VALUES (1, 'Paris', 'FR'), (2, 'Bonn', 'DE')`);
  cleanups.push(async () => {
    await sql.end();
    await admin.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
      WHERE slot_name = '${slot}' AND NOT active`);
    await admin.query(`DROP DATABASE ${slot} WITH (FORCE)`);
    await admin.end();
  });
  return { url: url.href, sql, slot };
}

async function serve(
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<Run & { url: string; postgres: string }> {
  const run = tidelock(['serve', '--port', '0', '--json', ...args], environment);
  await until(
    `it is ready: ${run.out.stderr}`,
    () => run.out.stdout.includes('\n') || run.child.exitCode !== null,
    30_000,
  );
  expect(run.out.stderr).not.toContain('error ');
  const { url, postgres } = JSON.parse(run.out.stdout) as { url: string; postgres: string };
  const headers = tokenHeaders(environment.TOKEN);
  await until('the source streams', async () => {
    const answer = await fetch(`${url}/v1/status`, { headers });
    const status = (await answer.json()) as { source?: { state: string } };
    return answer.status !== 200 || status.source?.state === 'streaming';
  });
  return { ...run, url, postgres };
}

function tokenHeaders(token: string | undefined): Record<string, string> {
  return token === undefined ? {} : { authorization: `Bearer ${token}` };
}

async function serveDatabase(
  args: readonly string[] = [],
  environment: Record<string, string> = {},
) {
  const db = await database();
  const source = ['--postgres', db.url, '--data', folder(), '--slot', db.slot];
  const names = ['--publication', db.slot, '--table', 'public.city=country'];
  return { db, run: await serve([...source, ...names, ...args], environment) };
}

describe('tidelock serve', () => {
  test.runIf(process.platform === 'linux')(
    'runs with an allocator that gives memory back, in the process that was started',
    async () => {
      const { run } = await serveDatabase();
      const { pid } = JSON.parse(run.out.stdout) as { pid: number };
      expect(pid).toBe(run.child.pid);
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      expect(environment).toContain('MALLOC_TRIM_THRESHOLD_=131072');
      expect(run.out.stderr).not.toContain('Warning');
    },
  );

  test('follows a Postgres, serves it, and ends feeds properly at SIGTERM with exit code 0', async () => {
    const { db, run } = await serveDatabase();
    const client = await RawClient.open(Number(new URL(run.url).port));
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    await db.sql.query(`INSERT INTO city VALUES (3, 'Lyon', 'FR'), (4, 'Ulm', 'DE')`);
    await client.saw('Lyon');
    await client.saw('"commit"');
    run.child.kill('SIGTERM');
    expect(await run.exit).toBe(0);
    expect(client.body().isComplete).toBe(true);
    expect(client.received).not.toContain('Ulm');
    expect(
      client
        .lines()
        .map(({ type }) => type)
        .slice(0, 2),
    ).toEqual(['hello', 'table']);
    expect(run.out.stderr).toContain('stopped');
  });

  test('never shows the password of the source', async () => {
    const { run } = await serveDatabase();
    const { password } = new URL(inject('postgresUrl'));
    expect(password.length).toBeGreaterThan(4);
    expect(run.out.stdout + run.out.stderr).not.toContain(password);
  });

  test('starts a Postgres of its own and takes it along when it ends', async () => {
    const dir = folder();
    const run = await serve(['--embedded', dir]);
    const sql = new pg.Client(run.postgres);
    await sql.connect();
    await sql.query(`CREATE TABLE t (id int PRIMARY KEY, _change_selector text);
      ALTER TABLE t REPLICA IDENTITY FULL; INSERT INTO t VALUES (1, 'FR')`);
    await until('the new table is replicated', async () => {
      const answer = await fetch(`${run.url}/v1/tables`);
      return ((await answer.json()) as { tables: unknown[] }).tables.length === 1;
    });
    await sql.end();
    run.child.kill('SIGINT');
    expect(await run.exit).toBe(0);
    await expect(new pg.Client(run.postgres).connect()).rejects.toThrow();
    const again = await serve(['--embedded', dir]);
    const tables = await (await fetch(`${again.url}/v1/tables`)).json();
    expect(tables).toMatchObject({ tables: [{ name: 'public.t' }] });
  });

  test('P27, F1: an embedded Postgres that dies alone is started again, and told', async () => {
    const run = await serve(['--embedded', folder()]);
    const url = new URL(run.postgres);
    const pid = async (): Promise<number> => {
      const sql = new pg.Client(url.href);
      await sql.connect();
      const { rows } = await sql.query<{ file: string }>(
        `SELECT pg_read_file('postmaster.pid') AS file`,
      );
      await sql.end();
      return Number(rows[0]?.file.split('\n')[0]);
    };
    const first = await pid();
    for (let round = 0; round < 2; round += 1) {
      process.kill(await pid(), 'SIGKILL');
      await until('it streams again', async () => {
        const answer = await fetch(`${run.url}/v1/status`);
        const { source } = (await answer.json()) as { source: { state: string } };
        const told = run.out.stderr.split('the embedded Postgres runs again').length - 1;
        return told > round && source.state === 'streaming';
      });
    }
    expect(await pid()).not.toBe(first);
    expect(run.out.stderr).toContain('the embedded Postgres has died');
    run.child.kill('SIGTERM');
    expect(await run.exit).toBe(0);
    await expect(new pg.Client(url.href).connect()).rejects.toThrow();
  });

  test('a second Ctrl-C ends it at once, however much is under way', async () => {
    const { db, run } = await serveDatabase();
    const client = await RawClient.open(Number(new URL(run.url).port));
    client.get('/v1/feed?selector=FR');
    await client.saw('"progress"');
    client.socket.pause();
    await db.sql.query(
      `INSERT INTO city SELECT g, repeat('x', 10000), 'FR' FROM generate_series(10, 4000) g`,
    );
    await until('the reader is stuck', async () => {
      const metrics = await (await fetch(`${run.url}/metrics`)).text();
      return /^tidelock_bytes_out_total\{kind="feed"\} \d{6,}/m.test(metrics);
    });
    run.child.kill('SIGINT');
    await until('it drains', () => run.out.stderr.includes('second signal'));
    // Two within a moment count as one; the drain itself would take ten seconds.
    const isGone = (): boolean => !run.child.kill('SIGINT') || run.child.exitCode !== null;
    await until('it is gone', isGone, 5_000);
    expect(await run.exit).toBe(130);
  });

  test('with tokens serves only what a token covers; the token command issues them', async () => {
    const secrets = { TIDELOCK_TOKEN_SECRETS: SECRET };
    const issued = tidelock(['token', '--selector', 'FR', '--expires', '1h'], secrets);
    expect(await issued.exit).toBe(0);
    const token = issued.out.stdout.trim();
    const { run } = await serveDatabase([], { ...secrets, TOKEN: token });
    const get = (selector: string, bearer?: string): Promise<Response> =>
      fetch(`${run.url}/v1/digest?selector=${selector}`, { headers: tokenHeaders(bearer) });
    expect((await get('FR')).status).toBe(401);
    expect((await get('DE', token)).status).toBe(403);
    const answer = await get('FR', token);
    expect(await answer.json()).toMatchObject({
      digests: [{ table: 'public.city', selector: 'FR', rows: 1 }],
    });
    const writer = tidelock(['token', '--write', '--subject', 'ann', '--claim', 'org=7'], secrets);
    expect(await writer.exit).toBe(0);
    const headers = tokenHeaders(writer.out.stdout.trim());
    const session = (await (await fetch(`${run.url}/v1/session`, { headers })).json()) as object;
    expect(session).toMatchObject({ user: 'ann', canWrite: true, selectors: ['user:ann'] });
    const { timeline } = session as { timeline: string };
    const site = { protocol: 1, timeline, position: '0/0', settled: 0 };
    const upload = await fetch(`${run.url}/v1/upload`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/x-ndjson' },
      body: JSON.stringify(['site', randomUUID(), site]),
    });
    expect(await upload.json()).toMatchObject({
      error: { code: 'BAD_REQUEST', message: 'no table of this server is two-way' },
    });
  });
});

describe('tidelock serve does not start', () => {
  const refused = async (args: readonly string[], environment = {}): Promise<string> => {
    const run = tidelock(['serve', ...args], environment);
    // The limit of the wait for its end: a server that does start would run for ever.
    const timer = setTimeout(() => run.child.kill('SIGKILL'), EXIT_MS_MAX);
    expect(await run.exit).toBe(2);
    clearTimeout(timer);
    expect(run.out.stdout).toBe('');
    return run.out.stderr;
  };

  test('without a source, or with two', async () => {
    expect(await refused([])).toContain('--embedded');
    expect(await refused(['--postgres', 'postgres://h/d', '--embedded', 'x'])).toContain(
      'two sources',
    );
  });

  test('on an open address without tokens, and makes no Postgres first', async () => {
    const dir = join(folder(), 'pg');
    const text = await refused(['--embedded', dir, '--host', '0.0.0.0']);
    expect(text).toContain('TIDELOCK_TOKEN_SECRETS');
    expect(() => rmSync(dir)).toThrow(/ENOENT/);
  });

  test('on a port that is taken, and says what to do', async () => {
    const other = createNetServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', () => resolve()));
    cleanups.push(() => void other.close());
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    const { url, slot } = await database();
    const source = ['--postgres', url, '--slot', slot, '--publication', slot, '--data', folder()];
    expect(await refused([...source, '--port', port])).toContain('use another port');
  });

  test('but prints its settings without secrets', async () => {
    const run = tidelock(['serve', '--postgres', 'postgres://u:hunter2@h/d', '--print-config']);
    expect(await run.exit).toBe(0);
    expect(JSON.parse(run.out.stdout)).toMatchObject({
      postgres: 'postgres://u:***@h/d',
      port: 7700,
    });
  });
});

describe('tidelock doctor', () => {
  test('is content with a fit Postgres and exits 1 when a table cannot be replicated', async () => {
    const { url, sql, slot } = await database();
    const args = ['doctor', '--postgres', url, '--slot', slot, '--table', 'public.city=country'];
    const good = tidelock(args);
    expect([await good.exit, good.out.stdout]).toEqual([
      0,
      expect.stringContaining('READY: 0 failed'),
    ]);
    await sql.query('ALTER TABLE city DROP CONSTRAINT city_pkey');
    const bad = tidelock([...args, '--json']);
    expect(await bad.exit).toBe(1);
    expect(JSON.parse(bad.out.stdout)).toMatchObject({
      fit: false,
      findings: expect.arrayContaining([
        expect.objectContaining({ check: 'table public.city', level: 'fail' }),
      ]),
    });
  });

  test('says which tables cost more than they must, and which rows reach nobody', async () => {
    const db = await database();
    await db.sql.query(`
      CREATE TABLE letter (id int, country text, body text, PRIMARY KEY (id, country));
      INSERT INTO letter VALUES (1, '*', 'b'); INSERT INTO city VALUES (9, 'nowhere', '')`);
    const tables = ['--table', 'public.city=country', '--table', 'public.letter=country'];
    const run = tidelock(['doctor', '--postgres', db.url, '--slot', db.slot, ...tables, '--json']);
    expect(await run.exit).toBe(0);
    const { findings } = JSON.parse(run.out.stdout) as { findings: { level: string }[] };
    const warned = (check: string, found: RegExp, remedy: RegExp): unknown =>
      expect.objectContaining({
        ...{ check, level: 'warn' },
        ...{ found: expect.stringMatching(found), remedy: expect.stringMatching(remedy) },
      });
    const full = /ALTER TABLE "public"\."letter" REPLICA IDENTITY FULL/;
    expect(findings).toContainEqual(warned('table public.letter', /out of line/, full));
    expect(findings).toContainEqual(warned('table public.letter', /selector is \*/, /SELECT/));
    expect(findings).toContainEqual(warned('table public.city', /selector is \*/, /SELECT/));
    expect(findings).not.toContainEqual(warned('table public.city', /out of line/, /./));
  });

  test('reports a Postgres that cannot be reached', async () => {
    const run = tidelock(['doctor', '--postgres', 'postgres://u:p@127.0.0.1:9/d']);
    expect(await run.exit).toBe(1);
    expect(run.out.stdout).toContain('fail  connection');
  });
});
