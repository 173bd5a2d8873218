/** `tidelock runs stop`: ends the server of an area, from any host. */
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import { RUNS_PREFIX } from '../../protocol/runs.ts';
import { addHomeFlags } from './home.ts';
import { JSON_OPTION } from './session.ts';
import { type AskFlags, ask, finderOf } from './status.ts';

const WAIT_MS_MAX = 15_000;
const LOOK_MS = 100;

export function register(runs: Command): void {
  const command = runs.command('stop').description('end the server of an area');
  addHomeFlags(command)
    .option(...JSON_OPTION)
    .action(run);
}

async function run(flags: AskFlags): Promise<void> {
  const url = finderOf(flags)();
  const answer = url === null ? null : await ask(`${url}${RUNS_PREFIX}/stop`, 'POST', flags);
  if (url === null || answer === null) {
    tell(flags, null);
    return;
  }
  if (!answer.ok) throw refused(await answer.text());
  await gone(url, flags);
  tell(flags, url);
}

/** Null: there was none. */
function tell({ json }: AskFlags, url: string | null): void {
  const text = url === null ? 'no server of this area answers' : `the server at ${url} has ended`;
  console.log(json === true ? JSON.stringify({ stopped: url !== null, url }) : text);
}

async function gone(url: string, flags: AskFlags): Promise<void> {
  const deadline = performance.now() + WAIT_MS_MAX;
  while ((await ask(`${url}/health`, 'GET', flags)) !== null) {
    if (performance.now() > deadline) throw stillThere(url);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function refused(text: string): TidelockError {
  return new TidelockError({
    code: 'TOKEN_FORBIDS',
    message: `the server refuses: ${text.slice(0, 200)}`,
    hint: 'name a token with the scope admin: --token',
  });
}

function stillThere(url: string): TidelockError {
  return new TidelockError({
    code: 'TIMEOUT',
    message: `the server at ${url} still answers`,
    hint: 'it may finish what is under way; end its process if it does not',
  });
}
