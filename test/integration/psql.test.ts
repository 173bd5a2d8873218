/**
 * What people type first. Where there is no `psql`, its questions are asked in our own words through `pg`.
 */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/engine/clock.ts';
import { SqlService } from '../../src/engine/sql/service.ts';
import { WireServer } from '../../src/pgwire/server.ts';

const run = promisify(execFile);
const hasPsql = isThere();
const bugs: unknown[] = [];
let service: SqlService;
let wire: WireServer;
let port: number;
let client: pg.Client;

function isThere(): boolean {
  try {
    execFileSync('psql', ['--version']);
    return true;
  } catch {
    return false;
  }
}

beforeAll(async () => {
  service = await SqlService.open({
    ...{ dir: null, rows: null, clock: systemClock, files: 'none', random: Math.random },
    onNotice: () => undefined,
  });
  wire = new WireServer({
    ...{ backend: service, host: '127.0.0.1', port: 0, needsPassword: false },
    serverVersion: '18.0 (test)',
    authenticate: async () => ({ expiresInMs: null }),
    onBug: (error) => bugs.push(error),
  });
  port = (await wire.listen()).port;
  client = new pg.Client({ host: '127.0.0.1', port, user: 'ada', database: 'tidelock' });
  await client.connect();
  for (const sql of [
    `CREATE TABLE orders (id int PRIMARY KEY, city text NOT NULL DEFAULT 'x', amount numeric(10, 2))`,
    'CREATE VIEW totals AS SELECT city, sum(amount) AS total FROM orders GROUP BY city',
    'CREATE MATERIALIZED VIEW counts AS SELECT city, count(*) AS n FROM orders GROUP BY city',
  ]) {
    await client.query(sql);
  }
});

afterAll(async () => {
  await client?.end();
  await wire?.close();
  await service?.close();
  expect(bugs).toEqual([]);
});

async function psql(...commands: readonly string[]): Promise<string> {
  const { stdout } = await run('psql', [
    ...['-X', '-A', '-v', 'ON_ERROR_STOP=1', '-h', '127.0.0.1', '-p', String(port)],
    ...['-U', 'ada', '-d', 'tidelock', ...commands.flatMap((command) => ['-c', command])],
  ]);
  return stdout.trim();
}

/** Without titles, heads and counts. */
async function rows(command: string): Promise<string> {
  const lines = (await psql('\\pset tuples_only', command)).split('\n');
  return lines.slice(1).join('\n');
}

test.runIf(hasPsql)('psql lists relations, databases, schemas and roles', async () => {
  expect((await rows('\\d')).split('\n')).toEqual([
    'public|counts|materialized view|tidelock',
    'public|orders|table|tidelock',
    'public|totals|view|tidelock',
  ]);
  expect(await rows('\\dt')).toBe('public|orders|table|tidelock');
  expect(await rows('\\dv')).toBe('public|totals|view|tidelock');
  expect(await rows('\\l')).toContain('tidelock|tidelock|UTF8|');
  expect(await rows('\\dn')).toBe('public|tidelock');
  expect(await rows('\\du')).toContain('ada|');
  expect(await rows('\\d+')).toContain('public|orders|table|tidelock|permanent|');
});

test.runIf(hasPsql)('psql describes tables, views and indexes', async () => {
  const table = await psql('\\d orders');
  for (const line of [
    'id|integer||not null|',
    "city|text||not null|'x'::text",
    'amount|numeric(10,2)|||',
    '"orders_pkey" PRIMARY KEY, btree (id)',
  ]) {
    expect(table).toContain(line);
  }
  expect(await psql('\\d+ totals')).toContain('SELECT city, sum(amount) AS total FROM orders');
  expect(await psql('\\d orders_pkey')).toContain('id|integer|yes|id');
  expect(await psql('\\d counts', '\\dp', '\\di', '\\dT', '\\dx', '\\df')).toContain('n|bigint|||');
});

test('a driver finds relations, columns and keys as it does in Postgres', async () => {
  const relations = await client.query(
    `SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (current_schemas(false)) AND c.relkind = ANY ('{r,v,m}') AND c.relname ~ $1 ORDER BY 2`,
    ['^(orders|totals)$'],
  );
  expect(relations.rows).toEqual([
    { oid: expect.any(Number), relname: 'orders', relkind: 'r' },
    { oid: expect.any(Number), relname: 'totals', relkind: 'v' },
  ]);
  const { rows } = await client.query(
    `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type, i.indisprimary AS key
     FROM pg_attribute a LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid
     LEFT JOIN pg_index i ON i.indexrelid = k.conindid AND i.indkey = a.attnum::text
     WHERE a.attrelid = $1 AND a.attnum > 0 ORDER BY a.attnum`,
    [relations.rows[0].oid],
  );
  expect(rows).toEqual([
    { attname: 'id', type: 'integer', key: true },
    { attname: 'city', type: 'text', key: null },
    { attname: 'amount', type: 'numeric(10,2)', key: null },
  ]);
  const tables = await client.query(
    `SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1`,
  );
  expect(tables.rows).toEqual([
    { table_name: 'orders', table_type: 'BASE TABLE' },
    { table_name: 'totals', table_type: 'VIEW' },
  ]);
});

test('a session knows its user, database and version', async () => {
  const { rows } = await client.query(
    `SELECT current_user AS who, current_database() AS place, pg_backend_pid() > 0 AS pid, version() ~ '^PostgreSQL 18' AS new`,
  );
  expect(rows).toEqual([{ who: 'ada', place: 'tidelock', pid: true, new: true }]);
});
