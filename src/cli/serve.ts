/** `tidelock serve`: Postgres (embedded or not), engine and HTTP server in one process. */
import type { Command } from 'commander';
import { openEngine } from '../engine/engine.ts';
import { PollingRowStreams } from '../lockstep/row-streams.ts';
import { EmbeddedPostgres } from '../postgres/embedded.ts';
import { bindAddress } from '../server/bind.ts';
import { systemClock } from '../server/clock.ts';
import { needsTokens, type ServerConfig } from '../server/config.ts';
import { createLog, type Log } from '../server/log.ts';
import { createServer, type TidelockServer } from '../server/server.ts';
import { createTokenVerifier } from '../server/tokens.ts';
import type { Settings } from './config.ts';
import {
  addSettingFlags,
  badConfig,
  loadSettings,
  redacted,
  settingsHelp,
  withoutPassword,
} from './config-load.ts';
import { dataDirOf, engineOptionsOf, rowStreamsOptionsOf, serverConfigOf } from './config-parts.ts';
import { logWriter } from './log-lines.ts';
import { programName } from './options.ts';
import { type SqlPort, startSql } from './serve-sql.ts';
import { stopOnSignal } from './stop-signal.ts';

type ServeFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
};

export function register(program: Command): void {
  const command = program
    .command('serve')
    .description('follow a Postgres database and serve snapshots and feeds over HTTP');
  addSettingFlags(command)
    .option('--print-config', 'print the settings in force, without secrets, and stop')
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', settingsHelp)
    .action(run);
}

async function run(flags: ServeFlags): Promise<void> {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags });
  if (flags.printConfig === true) {
    console.log(JSON.stringify(redacted(settings), null, 2));
    return;
  }
  requireSource(settings);
  const config = serverConfigOf(settings);
  // Before Postgres is started: what would fail at the end fails now.
  createTokenVerifier(config.tokens, systemClock);
  await bindAddress(config.host, needsTokens(config.tokens));
  const log = createLog(settings.logLevel, logWriter(process.stderr));
  const stop = stopOnSignal();
  const service = await start(settings, config, log);
  try {
    announce(service, flags.json === true);
    await aborted(stop.signal);
    log.info('ending feeds after their transaction; a second signal stops at once');
    await service.server.drain();
  } finally {
    await service.close();
  }
  log.info('stopped');
}

function requireSource({ postgres, embedded }: Settings): void {
  if ((postgres === undefined) !== (embedded === undefined)) return;
  const how = 'name one source: --postgres <url>, or --embedded <dir> for a Postgres of our own';
  throw badConfig([postgres === undefined ? `no source: ${how}` : `two sources: ${how}`]);
}

type Service = {
  readonly server: TidelockServer;
  readonly url: string;
  /** Null: no SQL. */
  readonly sql: SqlPort | null;
  readonly settings: Settings;
  /** As it may be shown: without password, unless it is our own embedded one. */
  readonly sourceUrl: string;
  /** Ends everything that was started, the last first. */
  readonly close: () => Promise<void>;
};

async function start(settings: Settings, config: ServerConfig, log: Log): Promise<Service> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const source = await startSource(settings, log);
    closers.push(source.stop);
    const lockstep = new PollingRowStreams(rowStreamsOptionsOf(settings, source.url));
    closers.push(() => lockstep.close());
    let sql: SqlPort | null = null;
    const engine = await openEngine({
      ...engineOptionsOf(settings, source.url),
      onNotice: (notice) => log.info(notice),
      onAppended: () => {
        lockstep.wake();
        sql?.service.wake();
      },
    });
    closers.push(() => engine.close());
    const unfit = await engine.firstContact;
    if (unfit !== null) throw unfit;
    sql = await startSql(settings, engine, log);
    if (sql !== null) closers.push(sql.close);
    const views = sql?.views;
    const server = createServer({
      ...{ engine, lockstep, views, config, clock: systemClock, log },
      sql: sql?.counts,
    });
    closers.push(() => server.close());
    const { url } = await server.listen();
    return { server, url, sql, settings, sourceUrl: source.shownUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Source = {
  readonly url: string;
  readonly shownUrl: string;
  readonly stop: () => Promise<void>;
};

async function startSource({ postgres, embedded }: Settings, log: Log): Promise<Source> {
  if (postgres !== undefined) {
    return { url: postgres, shownUrl: withoutPassword(postgres), stop: async () => {} };
  }
  const started = await EmbeddedPostgres.start({
    dir: embedded ?? '',
    onLog: (line) => log.debug({ postgres: line }, 'postgres'),
    onRevival: (notice) => log.warn(notice),
  });
  return { url: started.url, shownUrl: started.url, stop: () => started.stop() };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}

function announce({ url, sql, sourceUrl, settings }: Service, isJson: boolean): void {
  if (isJson) {
    const ready = { ready: true, url, postgres: sourceUrl, data: dataDirOf(settings) };
    const more = sql === null ? {} : { sql: sql.url };
    console.log(JSON.stringify({ ...ready, ...more, pid: process.pid }));
    return;
  }
  const hasTokens = needsTokens(serverConfigOf(settings).tokens);
  const header = hasTokens ? ` -H "Authorization: Bearer $TIDELOCK_TOKEN"` : '';
  console.log(`tidelock is serving ${url}
  source    ${sourceUrl}
  data      ${dataDirOf(settings)}
  status    ${url}/v1/status
  dashboard ${url}/dashboard/${sql === null ? '' : `\n  sql       ${sql.url}`}
try (FR stands for a selector of yours):
  curl -N${header} '${url}/v1/feed?selector=FR'
  ${programName()} replicate --server ${url} --selector FR --db fr.db${hasTokens ? ' --token "$TIDELOCK_TOKEN"' : ''}
stop with Ctrl-C`);
}
