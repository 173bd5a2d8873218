/** `tidelock lockstep follow`: prints a stream, or keeps a SQLite table from it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import {
  followLockstep,
  type LockstepBatch,
  type LockstepFollowerOptions,
} from '../client/lockstep-follower.ts';
import { HttpTransport } from '../http-transport.ts';
import { LockstepStore } from '../sqlite/lockstep-store.ts';
import { collect, tokenOf } from './options.ts';
import { stopOnSignal } from './stop-signal.ts';

type FollowFlags = {
  readonly db?: string;
  readonly table?: string;
  readonly key?: readonly string[];
  readonly since?: string;
  readonly token?: string;
  readonly once?: boolean;
  readonly json?: boolean;
};

const HELP = `
Without --db every object of the stream is printed as one JSON line, the rows with the position to resume at.
With --db a SQLite table holds the last version of each row; a kill at any moment leaves a file that resumes.
  tidelock lockstep follow http://127.0.0.1:7700/lockstep/domains
  tidelock lockstep follow http://127.0.0.1:7700/lockstep/domains --db domains.db --key name
`;

export function register(lockstep: Command): void {
  lockstep
    .command('follow <url>')
    .description('print the rows of a stream, or keep a SQLite table from them')
    .option('--db <file>', 'the SQLite file, made when it does not exist')
    .option('--table <name>', 'the table in it (default: the last part of the URL)')
    .option('--key <column>', 'a column that identifies a row (default: id); repeatable', collect)
    .option('--since <position>', 'without --db: where to begin')
    .option('--token <token>', 'JWT, if the server wants one (or TIDELOCK_TOKEN)')
    .option('--once', 'stop when everything that the server has now has come')
    .option('--json', 'with --db: print one JSON line per batch')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(url: string, flags: FollowFlags): Promise<void> {
  const { origin, path, name } = addressOf(url, flags);
  const { signal, release } = stopOnSignal();
  const store = flags.db === undefined ? null : storeOf({ ...flags, db: flags.db }, name);
  let rows = 0;
  const onBatch = (batch: LockstepBatch): void => {
    rows += batch.rows.length;
    if (store === null) print(batch);
    else store.apply(batch.rows, batch.since);
    if (store !== null && flags.json === true)
      console.log(JSON.stringify({ rows: batch.rows.length, since: batch.since }));
  };
  const options: LockstepFollowerOptions = {
    ...{ transport: new HttpTransport(origin, tokenOf(flags.token)), path, onBatch, signal },
    since: store?.since ?? flags.since ?? 0,
    isFollowing: flags.once !== true,
    onTrouble: (reason, retryMs) => console.error(`${reason}; again in ${retryMs / 1000} s`),
    sleep: (ms, stop) => sleep(ms, undefined, { signal: stop }),
  };
  try {
    await followLockstep(options);
    if (store !== null && flags.json !== true) {
      console.log(`${flags.db}: ${rows} rows came, position ${store.since}`);
    }
  } finally {
    store?.close();
    release();
  }
}

function addressOf(
  text: string,
  flags: FollowFlags,
): { readonly origin: string; readonly path: string; readonly name: string } {
  const url = new URL(text.includes('://') ? text : `http://${text}`);
  url.searchParams.delete('since');
  if (flags.once === true) url.searchParams.set('follow', '0');
  const name = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
  const credentials = url.username === '' ? '' : `${url.username}:${url.password}@`;
  return {
    origin: `${url.protocol}//${credentials}${url.host}`,
    path: `${url.pathname}${url.search}`,
    name: name.replace(/^public\./, ''),
  };
}

function storeOf(flags: FollowFlags & { readonly db: string }, name: string): LockstepStore {
  return new LockstepStore({
    file: flags.db,
    table: flags.table ?? name,
    key: flags.key ?? ['id'],
  });
}

function print({ rows, controls }: LockstepBatch): void {
  for (const row of rows) console.log(JSON.stringify(row));
  for (const control of controls) console.log(JSON.stringify(control));
}
