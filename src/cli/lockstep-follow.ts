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

async function run(url: string, flags: FollowFlags, command: Command): Promise<void> {
  requireFitting(flags, command);
  const { origin, path, name, isOnce } = addressOf(url, flags, command);
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
    isFollowing: !isOnce,
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

/** Ends with a usage error for options that would have no effect. */
function requireFitting(flags: FollowFlags, command: Command): void {
  const { db, since, table, key } = flags;
  if (db !== undefined && since !== undefined) {
    command.error('error: option --since cannot be used with --db: the file knows its position');
  }
  if (db === undefined && (table !== undefined || key !== undefined)) {
    command.error('error: options --table and --key say how --db <file> is kept: add it');
  }
  if (db === '' || table === '' || key?.includes('') === true) {
    command.error('error: options --db, --table and --key need a name, not an empty text');
  }
}

type Address = {
  readonly origin: string;
  readonly path: string;
  /** Of the relation. */
  readonly name: string;
  readonly isOnce: boolean;
};

function addressOf(text: string, flags: FollowFlags, command: Command): Address {
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  const name = nameOf(url?.pathname ?? '');
  if (url === null || name === '') {
    return command.error(
      `error: ${JSON.stringify(text.slice(0, 100))} is not the address of a stream, like http://127.0.0.1:7700/lockstep/domains`,
    );
  }
  url.searchParams.delete('since');
  if (flags.once === true) url.searchParams.set('follow', '0');
  const credentials = url.username === '' ? '' : `${url.username}:${url.password}@`;
  return {
    origin: `${url.protocol}//${credentials}${url.host}`,
    path: `${url.pathname}${url.search}`,
    name: name.replace(/^public\./, ''),
    isOnce: url.searchParams.get('follow') === '0',
  };
}

/** The last part of the path; empty when it cannot be read. */
function nameOf(path: string): string {
  try {
    return decodeURIComponent(path.split('/').at(-1) ?? '');
  } catch {
    return ''; // broken percent-encoding
  }
}

function storeOf(flags: FollowFlags & { readonly db: string }, name: string): LockstepStore {
  return LockstepStore.open({
    file: flags.db,
    table: flags.table ?? name,
    key: flags.key ?? ['id'],
  });
}

function print({ objects }: LockstepBatch): void {
  for (const object of objects) console.log(JSON.stringify(object));
}
