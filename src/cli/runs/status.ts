/** `tidelock runs status`: who leads, and how far the durable database is. */
import { existsSync, statfsSync } from 'node:fs';
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import type { RunnerRow } from '../../planner/rows.ts';
import { RUNS_PREFIX, type RunsStatus } from '../../protocol/runs.ts';
import { findHome } from '../../runs/database/home.ts';
import { readDiscovery } from '../../runs/database/leader.ts';
import { failureOf } from '../../runs/database/remote.ts';
import { shortPath, tokenOf } from '../options.ts';
import { addHomeFlags, type HomeFlags, homeOptionsOf } from './home.ts';
import { openLook } from './session.ts';

export type AskFlags = HomeFlags & { readonly json?: boolean };

const ANSWER_MS_MAX = 5000;
const EXIT_FAILED = 1;

export function register(runs: Command): void {
  const command = runs
    .command('status')
    .description('who serves the area, how far behind the durable database is, disks and runners');
  addHomeFlags(command).option('--json', 'one JSON object').action(run);
}

async function run(flags: AskFlags): Promise<void> {
  const status = await statusOf(flags);
  if (status === null) process.exitCode = EXIT_FAILED;
  const here = await hereOf(flags);
  if (flags.json === true) {
    console.log(JSON.stringify({ serving: status !== null, ...status, ...here }));
    return;
  }
  const served = status === null ? 'server    none of this area answers' : text(status);
  console.log([served, ...hereLines(here)].join('\n'));
}

/** What can be seen from this host; no runners where the database cannot be looked at. */
type Here = {
  readonly disks: readonly {
    readonly name: string;
    readonly path: string;
    freeBytes: number | null;
  }[];
  readonly runners: readonly RunnerRow[];
  readonly runsUnderWay: readonly string[];
};

async function hereOf(flags: AskFlags): Promise<Here> {
  const { config } = homeOptionsOf(flags);
  const disks = config.disks.map((disk) => ({ ...disk, freeBytes: freeBytesOf(disk.path) }));
  try {
    return { disks, ...(await databaseFacts(flags)) };
  } catch (error) {
    if (!(error instanceof TidelockError)) throw error;
    console.error(`warning: ${error.message}`);
    return { disks, runners: [], runsUnderWay: [] };
  }
}

async function databaseFacts(flags: AskFlags): Promise<Omit<Here, 'disks'>> {
  const session = await openLook(flags);
  try {
    const { runners = [] } = session.store.read({ kind: 'runners' });
    const { runs = [] } = session.store.read({ kind: 'runs' });
    const underWay = runs.filter(({ state }) => state === 'running');
    return { runners, runsUnderWay: underWay.map(({ target, name }) => `${target} ${name}`) };
  } finally {
    await session.close();
  }
}

/** Null: there is nothing yet. */
function freeBytesOf(path: string): number | null {
  if (!existsSync(path)) return null;
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize;
}

function hereLines({ disks, runners, runsUnderWay }: Here): readonly string[] {
  return [
    ...disks.map(({ name, path, freeBytes }) => {
      const free =
        freeBytes === null ? 'not made yet' : `${Math.floor(freeBytes / 2 ** 20)} MiB free`;
      return `disk      ${name}: ${shortPath(path)}, ${free}`;
    }),
    ...runners.map(({ id, running, slots }) => `runner    ${id}: ${running} of ${slots} running`),
    ...runsUnderWay.map((run) => `run       ${run}`),
  ];
}

async function statusOf(flags: AskFlags): Promise<(RunsStatus & { url: string }) | null> {
  const url = finderOf(flags)();
  const response = url === null ? null : await ask(`${url}${RUNS_PREFIX}/status`, 'GET', flags);
  if (url === null || response === null) return null;
  if (!response.ok) throw failureOf(response, await response.text());
  return { ...((await response.json()) as RunsStatus), url };
}

/** Where the area's file says that a server is; null: it says nothing. The area is read once. */
export function finderOf(flags: HomeFlags): () => string | null {
  const { place } = findHome(homeOptionsOf(flags));
  return () => readDiscovery(place.discoveryFile)?.url ?? null;
}

/** Null: nobody answers there. */
export async function ask(
  url: string,
  method: 'GET' | 'POST',
  flags: AskFlags,
): Promise<Response | null> {
  const token = tokenOf(flags.token);
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  try {
    return await fetch(url, { method, headers, signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch {
    return null;
  }
}

function text({ url, area, host, pid, sync }: RunsStatus & { readonly url: string }): string {
  const behind = sync.ageMs === 0 ? 'up to date' : `${(sync.ageMs / 1000).toFixed(1)} s behind`;
  return `area      ${area}
server    ${url} (process ${pid} on ${host})
durable   ${sync.durable}: ${behind}, at most ${(sync.ageMsMax / 1000).toFixed(1)} s so far
changes   ${sync.seq}, of which ${sync.syncedSeq} are durable
sync      ${sync.state}${sync.error === null ? '' : `: ${sync.error}`}`;
}
