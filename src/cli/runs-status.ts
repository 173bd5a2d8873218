/** `tidelock runs status`: who leads, and how far the durable database is. */
import type { Command } from 'commander';
import { RUNS_PREFIX, type RunsStatus } from '../protocol/runs.ts';
import { findHome } from '../runs/home.ts';
import { readDiscovery } from '../runs/leader.ts';
import { failureOf } from '../runs/remote.ts';
import { tokenOf } from './options.ts';
import { addHomeFlags, type HomeFlags, homeOptionsOf } from './runs-home.ts';

export type AskFlags = HomeFlags & { readonly json?: boolean };

const ANSWER_MS_MAX = 5000;
const EXIT_FAILED = 1;

export function register(runs: Command): void {
  const command = runs
    .command('status')
    .description('who serves the area, and how far behind the durable database is');
  addHomeFlags(command).option('--json', 'one JSON object').action(run);
}

async function run(flags: AskFlags): Promise<void> {
  const status = await statusOf(flags);
  if (status === null) process.exitCode = EXIT_FAILED;
  if (flags.json === true) console.log(JSON.stringify({ serving: status !== null, ...status }));
  else console.log(status === null ? 'no server of this area answers' : text(status));
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
