/** `tidelock lockstep serve`: streams by transaction id alone, from any Postgres. */
import type { Command } from 'commander';
import { PollingRowStreams } from '../lockstep/row-streams.ts';
import { bindAddress } from '../server/bind.ts';
import { systemClock } from '../server/clock.ts';
import { needsTokens } from '../server/config.ts';
import { createRowServer } from '../server/lockstep/row-server.ts';
import { createLog } from '../server/log.ts';
import { addSettingFlags, badConfig, loadSettings, withoutPassword } from './config-load.ts';
import { rowStreamsOptionsOf, serverConfigOf } from './config-parts.ts';
import { logWriter } from './log-lines.ts';
import { stopOnSignal } from './stop-signal.ts';

type ServeFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly json?: boolean;
};

const HELP = `
Needs no logical decoding, no slot and no right but SELECT. The same streams are part of \`tidelock serve\`.
  tidelock lockstep serve --postgres postgres://localhost/app
  curl -N http://127.0.0.1:7700/lockstep/domains
`;

export function register(lockstep: Command): void {
  const command = lockstep
    .command('serve')
    .description('serve streams of tables and views, also of a Postgres without logical decoding');
  addSettingFlags(command, ['postgres', 'host', 'port', 'lockstepRelations', 'logLevel'])
    .option('--json', 'print one JSON line when ready')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: ServeFlags): Promise<void> {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags });
  const { postgres } = settings;
  if (postgres === undefined) throw badConfig(['postgres: name the database: --postgres <url>']);
  const config = serverConfigOf(settings);
  await bindAddress(config.host, needsTokens(config.tokens));
  const log = createLog(settings.logLevel, logWriter(process.stderr));
  const streams = new PollingRowStreams(rowStreamsOptionsOf(settings, postgres));
  const stop = stopOnSignal();
  const server = createRowServer({ streams, config, clock: systemClock, log });
  try {
    const relations = await streams.relations();
    const { url } = await server.listen();
    console.log(
      flags.json === true
        ? JSON.stringify({ ready: true, url, relations, pid: process.pid })
        : announcement(url, withoutPassword(postgres), relations),
    );
    await aborted(stop.signal);
  } finally {
    await server.close();
    stop.release();
  }
}

function announcement(url: string, source: string, relations: readonly string[]): string {
  const [first = 'public.domains'] = relations;
  const found =
    relations.length === 0
      ? 'none carries a txid yet; add it with: tidelock lockstep install <table> --postgres <url>'
      : relations.join(', ');
  return `tidelock is serving ${url}
  source     ${source}
  relations  ${found}
try:
  curl -N '${url}/lockstep/${encodeURIComponent(first)}'
stop with Ctrl-C`;
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
