/** `tidelock runs serve`: the one server of an area: calls of other hosts, feeds, pages, and the sync. */
import type { Command } from 'commander';
import { messageOf } from '../../core/errors.ts';
import { findHome, type Home } from '../../runs/database/home.ts';
import type { RunPlans } from '../../runs/run-plans.ts';
import { type Served, type Serving, serveRuns } from '../../runs/serving.ts';
import { commandLine, shortPath } from '../options.ts';
import { stopOnSignal } from '../stop-signal.ts';
import { addHomeFlags, type HomeFlags, homeOptionsOf } from './home.ts';

type Flags = HomeFlags & {
  readonly host?: string;
  readonly port: string;
  readonly config?: string;
  readonly json?: boolean;
};

type Ending = { readonly reason: string; readonly isWanted: boolean };

const EXIT_FAILED = 1;

export function register(runs: Command): void {
  const command = runs
    .command('serve')
    .description('serve the runs of an area to other hosts and to browsers, and sync them');
  addHomeFlags(command)
    .option('--host <host>', 'name or address to bind; anything but loopback needs token keys')
    .option('--port <port>', 'port; 0 takes a free one, which the area then names', '0')
    .option('--config <file>', 'JSON file with settings of the server')
    .option('--json', 'print one JSON line when ready')
    .action(run);
}

async function run(flags: Flags): Promise<void> {
  const stop = stopOnSignal();
  const ending = Promise.withResolvers<Ending>();
  const end = (reason: string, isWanted: boolean): void => ending.resolve({ reason, isWanted });
  stop.signal.addEventListener('abort', () => end('stopped', true));
  const started = await start(flags, end);
  if (started === null) return stop.release();
  const { reason, isWanted } = await ending.promise;
  if (!isWanted) process.exitCode = EXIT_FAILED;
  await started.close();
  console.error(`tidelock runs serve ends: ${reason}`);
  stop.release();
}

type Started = { readonly close: () => Promise<void> };

/** On the home host as its leader (null: another one leads), elsewhere on a replica. */
async function start(
  flags: Flags,
  onEnd: (reason: string, isWanted: boolean) => void,
): Promise<Started | null> {
  const home = homeOptionsOf(flags);
  const { config: area } = home;
  const found = findHome(home);
  if (found.home !== found.identity.host) {
    const { serveReplica } = await import('./serve-away.ts');
    return await serveReplica({ found, flags, prepare: () => prepare(flags), onEnd });
  }
  const served = await serveRuns({
    home,
    logRoots: [area.home, area.linkTree, ...area.disks.map(({ path }) => path)],
    prepare: () => prepare(flags),
    startRunner,
    plansOf,
    onEnd,
  });
  announce(served, flags.json === true);
  return served.isLeader ? served.serving : null;
}

/** Loaded by the leader only. */
async function plansOf({ store, place }: Home): Promise<RunPlans> {
  const { RunPlans } = await import('../../runs/run-plans.ts');
  const { processEnvironment } = await import('./session.ts');
  return new RunPlans({ store, home: place.area, environment: processEnvironment() });
}

/** Loaded by the leader only. */
async function startRunner(local: Home): Promise<() => void> {
  const { startServingRunner } = await import('../../runs/serving-runner.ts');
  const { processEnvironment, SLOTS } = await import('./session.ts');
  const onTrouble = (error: unknown): void => console.error(`trouble: ${messageOf(error)}`);
  const environment = processEnvironment();
  return await startServingRunner({ local, environment, slots: SLOTS, onTrouble });
}

/** The settings of `tidelock serve` count here too, but for what is of Postgres. */
async function prepare({ host, port, config: file }: Flags) {
  const [{ loadSettings }, { serverConfigOf }, { createLog }, { logWriter }] = await Promise.all([
    ...([import('../config-load.ts'), import('../config-parts.ts')] as const),
    ...([import('../../server/log.ts'), import('../log-lines.ts')] as const),
  ]);
  const flags = { port, ...(host === undefined ? {} : { host }) };
  const settings = loadSettings({ file, environment: process.env, flags });
  const log = createLog(settings.logLevel, logWriter(process.stderr));
  return { config: serverConfigOf(settings), log };
}

function announce(served: Served, isJson: boolean): void {
  if (!served.isLeader) {
    const { host, pid, url } = served.holder;
    if (isJson) console.log(JSON.stringify({ leads: false, leader: { host, pid, url } }));
    else console.log(`process ${pid} on ${host} leads already${url === '' ? '' : `: ${url}`}`);
    return;
  }
  const { url, home } = served.serving;
  if (isJson) console.log(JSON.stringify({ ready: true, leads: true, url, pid: process.pid }));
  else tell(served.serving, shortPath(home.place.area));
}

function tell({ url, home }: Serving, area: string): void {
  const { syncer, place } = home;
  console.log(`the runs of ${area} are served at ${url}
  local     ${place.localFile}
  durable   ${syncer.status.durable}
  replica   ${commandLine('replica', '--area', area, '--db', 'runs.db')}
stop with Ctrl-C, or from anywhere: ${commandLine('stop', '--area', area)}`);
}
