/** SQL beside the HTTP server: the service over the engine's tables, and its port. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { POSTGRES_VERSION } from '../coordinator/sql/profiles.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import type { SqlCounts } from '../core/sql-counts.ts';
import { systemClock as engineClock } from '../engine/clock.ts';
import type { RunningEngine } from '../engine/engine.ts';
import { SqlService } from '../engine/sql/service.ts';
import { openViewEngine, type ViewEngine, viewedTables } from '../engine/views/view-engine.ts';
import type { WireClient } from '../pgwire/connection.ts';
import { WireServer, type WireTls } from '../pgwire/server.ts';
import { bindAddress, isLoopback } from '../server/bind.ts';
import { systemClock } from '../server/clock.ts';
import { needsTokens } from '../server/config.ts';
import type { Log } from '../server/log.ts';
import { createTokenVerifier, type TokenVerifier } from '../server/tokens.ts';
import type { Settings } from './config.ts';
import { dataDirOf, serverConfigOf } from './config-parts.ts';
import { strongRandom } from './options.ts';
import { packageVersion } from './package.ts';

export type SqlPort = {
  readonly service: SqlService;
  /** Its views, for replicas. */
  readonly views: ViewEngine['engine'];
  readonly counts: SqlCounts;
  /** `postgres://127.0.0.1:7701/tidelock` */
  readonly url: string;
  close(): Promise<void>;
};

/** Null when the settings name no port. Throws `BAD_CONFIG`. */
export async function startSql(
  settings: Settings,
  engine: RunningEngine,
  log: Log,
): Promise<SqlPort | null> {
  const { sqlPort, sqlFiles } = settings;
  if (sqlPort === undefined) return null;
  const dir = join(dataDirOf(settings), 'sql');
  const onNotice = (notice: string): void => log.warn(notice);
  const tables = viewedTables(engine);
  const views = await openViewEngine({ dir, clock: engineClock, tables, onNotice });
  const closers: (() => Promise<void>)[] = [() => views.engine.close()];
  // What was opened last is closed first, also when the next one cannot be opened.
  const close = async (): Promise<void> => {
    for (const one of closers.splice(0).reverse()) await one();
  };
  try {
    const service = await SqlService.open({
      ...{ dir, views: views.source, onNotice },
      rows: engine.rows,
      clock: engineClock,
      files: sqlFiles === undefined ? 'none' : { folder: resolve(sqlFiles) },
      random: strongRandom,
      statementTimeoutMs: settings.sqlStatementTimeoutS * 1000,
      readBytesMax: settings.sqlReadBytesMax,
    });
    closers.push(() => service.close());
    const { url, server } = await listen(settings, service, log);
    closers.push(() => server.close());
    const { counts } = server;
    return { ...{ service, views: views.engine, counts, url }, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(
  settings: Settings,
  service: SqlService,
  log: Log,
): Promise<{ readonly url: string; readonly server: WireServer }> {
  const { host, tokens } = serverConfigOf(settings);
  const verifier = createTokenVerifier(tokens, systemClock);
  const address = await bindAddress(host, needsTokens(tokens));
  const server = new WireServer({
    ...{ backend: service, host: address, port: settings.sqlPort ?? 0 },
    serverVersion: `${POSTGRES_VERSION} (Tidelock ${packageVersion()})`,
    needsPassword: verifier !== null,
    tls: readTls(settings),
    isLocal: (peer) => isLoopback(peer.replace(/^::ffff:/, '')),
    authenticate: (client) => authenticate(client, verifier),
    onBug: (error) => log.error({ err: error }, 'a statement failed'),
  });
  const { port } = await server.listen();
  const name = address.includes(':') ? `[${address}]` : address;
  return { url: `postgres://${name}:${port}/tidelock`, server };
}

/** Undefined where no certificate is named. Throws `BAD_CONFIG`. */
function readTls({ sqlTlsCert, sqlTlsKey }: Settings): WireTls | undefined {
  if (sqlTlsCert === undefined && sqlTlsKey === undefined) return undefined;
  try {
    const [cert, key] = [sqlTlsCert ?? '', sqlTlsKey ?? ''].map((path) =>
      readFileSync(path, 'utf8'),
    );
    return { cert: cert ?? '', key: key ?? '' };
  } catch (cause) {
    throw new TidelockError({
      code: 'BAD_CONFIG',
      message: `the certificate of the SQL port cannot be read: ${messageOf(cause)}`,
      hint: 'sqlTlsCert and sqlTlsKey name PEM files, both of them',
      cause,
    });
  }
}

/** The password is a token. SQL reads every row of every subset and makes things on the server: that is an admin's. */
async function authenticate(
  { password }: WireClient,
  verifier: TokenVerifier | null,
): Promise<{ readonly expiresInMs: number | null }> {
  if (verifier === null) return { expiresInMs: null };
  const { scopes, selectors, expiresAtMs } = await verifier.verify(password ?? '');
  if (scopes.has('admin') && selectors === 'any') {
    return { expiresInMs: expiresAtMs - systemClock.wallMs() };
  }
  throw new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: 'the token does not cover SQL: it needs the scope admin, for all selectors',
    hint: 'make one with: tidelock token --selector * --scope admin',
  });
}
