/** `tidelock replicate`: copies once, then follows for ever. */
import type { Command } from 'commander';
import { ServerApi } from '../client/server-api.ts';
import { HttpTransport } from '../http-transport.ts';
import {
  openReplica,
  type Replica,
  type ReplicaEvent,
  TidelockError,
  type WritableReplica,
} from '../index.ts';
import { collect, requireOptions, secondsOption, tokenOf } from './options.ts';
import { createReporter, type Reporter } from './replicate-report.ts';
import { checkViews } from './replicate-views.ts';
import { stopOnSignal } from './stop-signal.ts';

export type ReplicateFlags = {
  readonly server: string;
  readonly selector?: readonly string[];
  readonly view?: readonly string[];
  readonly db: string;
  readonly token?: string;
  readonly write?: boolean;
  readonly repair?: boolean;
  readonly once?: boolean;
  readonly timeout?: number;
  readonly json?: boolean;
};

const HELP = `
Reconnects for ever; a kill at any moment leaves a file that resumes where it stood. Other programs may
read the file at any time:
  sqlite3 fr.db 'SELECT position, applied_at FROM tidelock_replica'
`;

export function register(program: Command): void {
  program
    .command('replicate')
    .description('keep a SQLite file equal to the rows of some selectors')
    .option('--server <url>', 'required; address of the server, for example http://127.0.0.1:7700')
    .option(
      '--selector <selector>',
      'required without --write and --view; a subset; repeatable',
      collect,
    )
    .option('--view <name>', 'instead of --selector: a materialized view of its SQL', collect)
    .option('--db <file>', 'required; the SQLite file, made when it does not exist')
    .option('--token <token>', 'JWT, if the server wants one (or TIDELOCK_TOKEN)')
    .option('--write', 'send what any program writes into the file; subsets are those of the token')
    .option('--repair', 'first compare every row of the file with Postgres, and fetch what differs')
    .option('--once', 'stop when everything that the server has now is in the file')
    .option('--timeout <seconds>', 'with --once: fail after so long', secondsOption)
    .option('--json', 'print every event as one JSON line')
    .addHelpText('after', HELP)
    .action(async (flags: ReplicateFlags, command: Command) => {
      const isNamed = flags.write === true || flags.view !== undefined;
      requireOptions(command, ['server', ...(isNamed ? [] : ['selector']), 'db']);
      if (flags.view === undefined) return await run(flags);
      const named = ofViews(flags, flags.view);
      await checkViews(named.server, flags.view, tokenOf(flags.token));
      await run(named);
    });
}

/** Views are offered as tables are, beside them. */
function ofViews(flags: ReplicateFlags, names: readonly string[]): ReplicateFlags {
  if (flags.selector !== undefined || flags.write === true) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: '--view goes without --selector and --write',
      hint: 'a view has a file of its own',
    });
  }
  const server = `${flags.server.replace(/\/$/, '')}/views`;
  return { ...flags, server, selector: names.map((name) => `view:${name}`) };
}

async function run(flags: ReplicateFlags): Promise<void> {
  const { signal, release } = stopOnSignal();
  try {
    await follow(flags, signal);
  } finally {
    release();
  }
}

/** Until the signal, or with `--once` until everything is there. */
export async function follow(flags: ReplicateFlags, signal: AbortSignal): Promise<void> {
  const reporter = createReporter(flags);
  try {
    await replicate(flags, reporter, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    reporter.end();
  }
}

async function replicate(
  flags: ReplicateFlags,
  reporter: Reporter,
  stopped: AbortSignal,
): Promise<void> {
  const watch = new Watch(flags.once === true);
  const late = flags.timeout === undefined ? [] : [AbortSignal.timeout(flags.timeout * 1000)];
  const signal = AbortSignal.any([stopped, watch.refused, ...late]);
  const token = tokenOf(flags.token);
  const onEvent = (event: ReplicaEvent): void => {
    reporter.event(event);
    watch.event(event);
  };
  watch.whenCaughtUp(() => void tellMissing({ flags, reporter, signal }));
  try {
    const { server, selector: selectors, db: file, repair, write } = flags;
    const options = { server, selectors, file, token, repair, write, signal, onEvent };
    const replica = await openReplica(options);
    let status = replica.status;
    try {
      if (flags.once === true) await catchUp({ replica, flags, signal, watch });
      else await watch.ended(signal);
      status = replica.status;
    } finally {
      await replica.close();
    }
    reporter.result(status);
  } catch (error) {
    if (late.some((timeout) => timeout.aborted)) throw tooLate(flags, watch.trouble);
    throw error;
  }
}

/** Waits for what the server had when the replica first had caught up with it. */
async function catchUp(work: {
  readonly replica: Replica;
  readonly flags: ReplicateFlags;
  readonly signal: AbortSignal;
  readonly watch: Watch;
}): Promise<void> {
  const { replica, flags, signal, watch } = work;
  await watch.caughtUp(signal);
  if (isWritable(replica, flags)) {
    await replica.sync();
    return;
  }
  const api = new ServerApi(new HttpTransport(flags.server, tokenOf(flags.token)));
  const status = (await api.getJson('/v1/status', signal)) as { log?: { upper?: unknown } };
  const upper = status.log?.upper;
  if (typeof upper === 'string') await replica.waitFor(upper);
}

function isWritable(replica: Replica, flags: ReplicateFlags): replica is WritableReplica {
  return flags.write === true && 'sync' in replica;
}

/** Tables that are declared at the server and do not come: nobody would miss them in time. */
async function tellMissing(work: {
  readonly flags: ReplicateFlags;
  readonly reporter: Reporter;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { flags, reporter, signal } = work;
  const api = new ServerApi(new HttpTransport(flags.server, tokenOf(flags.token)));
  try {
    const { tables = [] } = (await api.getJson('/v1/status', signal)) as { tables?: TableNews[] };
    for (const { name, state, reason } of tables) {
      if (state === 'live') continue;
      reporter.event({ kind: 'warning', message: `table ${name} is ${state}: ${reason}` });
    }
  } catch {
    // It is a courtesy: the feed goes on, and tells of trouble itself.
  }
}

type TableNews = { readonly name: string; readonly state: string; readonly reason?: string };

/** Turns events into promises. */
class Watch {
  readonly #caughtUp = Promise.withResolvers<void>();
  readonly #failed = Promise.withResolvers<never>();
  readonly #refused = new AbortController();
  readonly #isOnce: boolean;
  /** The last error, for a message at the end. */
  trouble: TidelockError | undefined;

  /** `isOnce`: nobody is there to renew a token. */
  constructor(isOnce: boolean) {
    this.#isOnce = isOnce;
    this.#failed.promise.catch(() => {}); // also when nobody waits
  }

  /** Aborts, with the error, when trying again cannot help. */
  get refused(): AbortSignal {
    return this.#refused.signal;
  }

  whenCaughtUp(act: () => void): void {
    this.#caughtUp.promise.then(act);
  }

  event(event: ReplicaEvent): void {
    if (event.kind === 'error') {
      this.trouble = event.error;
      if (this.#isOnce && event.error.code === 'TOKEN_INVALID') this.#refused.abort(event.error);
    }
    if (event.kind !== 'state') return;
    const { state } = event;
    if (state.kind === 'failed') this.#failed.reject(new TidelockError(state.trouble));
    if (state.kind === 'live' && state.isCaughtUp) this.#caughtUp.resolve();
  }

  caughtUp(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#caughtUp.promise, this.#failed.promise, aborted(signal)]);
  }

  /** Rejects when the replica fails, resolves when the user stops it. */
  ended(signal: AbortSignal): Promise<void> {
    return Promise.race([this.#failed.promise, aborted(signal).catch(() => {})]);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

function tooLate({ timeout }: ReplicateFlags, trouble: TidelockError | undefined): TidelockError {
  const last =
    trouble === undefined ? '' : `; the last trouble was ${trouble.code}: ${trouble.message}`;
  return new TidelockError({
    code: 'TIMEOUT',
    message: `the replica did not catch up within ${timeout} s${last}`,
    hint: trouble?.hint ?? 'what was applied stays; run the command again to go on',
  });
}
