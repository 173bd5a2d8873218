/** `tidelock runs replica`: a SQLite file that follows the runs of an area, on any host. A new leader is found by the area's file. */
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import { RUNS_PREFIX, type RunsStatus } from '../../protocol/runs.ts';
import { failureOf } from '../../runs/database/remote.ts';
import { requireOptions } from '../options.ts';
import { follow } from '../replicate.ts';
import { stopOnSignal } from '../stop-signal.ts';
import { addHomeFlags } from './home.ts';
import { type AskFlags, ask, finderOf } from './status.ts';

type Flags = AskFlags & {
  readonly server?: string;
  readonly db: string;
  readonly once?: boolean;
};

type Place = { readonly server: string; readonly selector: readonly string[] };

const LOOK_MS = 1000;
const REFUSALS: ReadonlySet<number> = new Set([401, 403]);

export function register(runs: Command): void {
  const command = runs
    .command('replica')
    .description('keep a SQLite file equal to the run database: for bulk reads on another host');
  addHomeFlags(command)
    .option('--server <url>', 'the server, where the area itself cannot be seen from here')
    .option('--db <file>', 'required; the SQLite file, made when it does not exist')
    .option('--once', 'stop when everything that the server has now is in the file')
    .option('--json', 'print every event as one JSON line')
    .action(async (flags: Flags, command: Command) => {
      requireOptions(command, ['db']);
      await run(flags);
    });
}

async function run(flags: Flags): Promise<void> {
  const { signal, release } = stopOnSignal();
  const { server } = flags;
  const find = server === undefined ? finderOf(flags) : () => server;
  try {
    do {
      const place = await findPlace(flags, find, signal);
      if (place !== null) await followThere(flags, { ...place, find }, signal);
    } while (flags.once !== true && !signal.aborted);
  } finally {
    release();
  }
}

/** The selector is the area's path at its home. With `--once` a server must be there. */
async function findPlace(
  flags: Flags,
  find: () => string | null,
  signal: AbortSignal,
): Promise<Place | null> {
  while (!signal.aborted) {
    const server = find();
    const answer =
      server === null ? null : await ask(`${server}${RUNS_PREFIX}/status`, 'GET', flags);
    if (server !== null && answer?.ok === true) {
      const { area } = (await answer.json()) as RunsStatus;
      return { server, selector: [area] };
    }
    if (answer !== null && REFUSALS.has(answer.status)) {
      throw failureOf(answer, await answer.text()); // waiting mends no token
    }
    if (flags.once === true) throw nobody();
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return null;
}

function nobody(): TidelockError {
  return new TidelockError({
    code: 'OFF_HOME',
    message: 'no server of this area answers',
    hint: 'start `tidelock runs serve` on its home host',
  });
}

/** Ends when the area names another server. */
async function followThere(
  flags: Flags,
  { find, ...place }: Place & { readonly find: () => string | null },
  signal: AbortSignal,
): Promise<void> {
  const moved = new AbortController();
  const timer = setInterval(() => {
    const now = find();
    if (now !== null && now !== place.server) moved.abort();
  }, LOOK_MS);
  const { db, token, once, json } = flags;
  try {
    await follow(
      { ...place, db, ...defined({ token, once, json }) },
      AbortSignal.any([signal, moved.signal]),
    );
  } finally {
    clearInterval(timer);
  }
}

function defined<T extends object>(values: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}
