/** Postgres over TLS: the stream, its side connections and copies take the socket as it is. */
import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type OwnPostgres, startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { expectEqual, SCHEMA, TABLES } from '../support/small-world.ts';
import { Stack, until } from '../support/stack.ts';

let own: OwnPostgres;
let keys: string;
let certificate: string;

beforeAll(async () => {
  own = await startOwnPostgres({});
  keys = mkdtempSync(join(tmpdir(), 'tidelock-tls-'));
  certificate = join(keys, 'server.crt');
  const key = join(keys, 'server.key');
  const create = [
    ...['req', '-new', '-x509', '-days', '2', '-nodes', '-subj', '/CN=127.0.0.1'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1', '-out', certificate, '-keyout', key],
  ];
  execFileSync('openssl', create, { stdio: 'ignore' });
  const session = await PgSession.connect({ url: own.postgres.url });
  const { folder } = await session.queryOne(`SELECT current_setting('data_directory') AS folder`);
  // Postgres reads a key only if it is its own, and may run as another user than we do.
  const { uid, gid } = statSync(folder ?? '');
  for (const path of [keys, certificate, key]) chownSync(path, uid, gid);
  await session.query(`ALTER SYSTEM SET ssl_cert_file = '${certificate}'`);
  await session.query(`ALTER SYSTEM SET ssl_key_file = '${key}'`);
  await session.query('ALTER SYSTEM SET ssl = on');
  await session.query('SELECT pg_reload_conf()');
  await session.end();
});
afterAll(async () => {
  await own?.end();
  rmSync(keys, { recursive: true, force: true });
});

function withParameters(url: string, parameters: string): string {
  return `${url}?${parameters}`;
}

test('P1, P7: stream, copies and digests over TLS, with a certificate that nobody signed', async () => {
  await until('Postgres speaks TLS', async () => {
    const session = await PgSession.connect({
      url: withParameters(own.postgres.url, 'sslmode=require'),
    }).catch(() => null);
    await session?.end();
    return session !== null;
  });
  const stack = await Stack.prepare({
    ...{ postgresUrl: own.postgres.url, schema: SCHEMA, tables: TABLES },
  });
  try {
    stack.useUrl(withParameters(stack.url, 'sslmode=require'));
    await stack.start();
    const { rows } = await stack.sql.query<{ ssl: boolean }>(
      `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name LIKE 'tidelock%'`,
    );
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.every(({ ssl }) => ssl)).toBe(true);
    const replica = await stack.replica('r', ['FR', 'DE']);
    await stack.sql.query(
      `INSERT INTO city SELECT g, repeat('x', 500), 'FR', g FROM generate_series(1000, 9000) g`,
    );
    await stack.settle(replica);
    await expectEqual(stack, 'r', ['FR', 'DE']);
    const digest = await fetch(`${stack.server}/v1/digest?selector=FR`);
    expect(await digest.json()).toMatchObject({
      digests: expect.arrayContaining([
        expect.objectContaining({ table: 'public.city', selector: 'FR', rows: 8101 }),
      ]),
    });
  } finally {
    await stack.close();
  }
});

test('who answers is checked when the URL asks for it', async () => {
  const { url } = own.postgres;
  const unknown = PgSession.connect({ url: withParameters(url, 'sslmode=verify-full') });
  await expect(unknown).rejects.toMatchObject({
    ...{ code: 'SOURCE_DOWN', message: expect.stringMatching(/certificate/) },
  });
  const trusted = `sslmode=verify-full&sslrootcert=${certificate}`;
  const session = await PgSession.connect({ url: withParameters(url, trusted) });
  expect(await session.queryOne('SHOW ssl')).toEqual({ ssl: 'on' });
  await session.end();
});
