/**
 * What is remembered in the folder of an embedded server, and who may use it:
 *
 *   owner      the process that started the server (one at a time)
 *   password   of the superuser, readable by its owner only
 *   port       of the last run, taken again while it is free
 *   data/      the server's own files; `data.new` is an initdb that has not finished
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TidelockError } from '../core/errors.ts';

const ORPHAN_FAST_STOP_MS = 20_000;
const ORPHAN_IMMEDIATE_STOP_MS = 10_000;
const POLL_MS = 20;
const CLAIM_TRIES_MAX = 5;

/** A Unix socket's path is limited to 107 bytes, of which the server adds this many. */
const SOCKET_NAME_BYTES = '/.s.PGSQL.65535'.length;
const SOCKET_PATH_BYTES_MAX = 103;

export const dataDirOf = (dir: string): string => join(dir, 'data');

/** The data folder when a socket in it has a name that is short enough, else no socket. */
export function socketDirOf(dir: string): string {
  const path = dataDirOf(dir);
  return Buffer.byteLength(path) + SOCKET_NAME_BYTES <= SOCKET_PATH_BYTES_MAX ? path : '';
}

/** Text of a file, or undefined when there is none. */
function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Makes the folder; others may pass through it, because the server may run as another user. */
export function prepareFolder(dir: string): string {
  mkdirSync(dir, { recursive: true, mode: 0o711 });
  return realpathSync(dir);
}

/** Replaces a file in one step, so that a crash leaves the old or the new one. */
export function writePrivately(
  file: string,
  text: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): void {
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, text, { mode: 0o600 });
  if (owner) chownSync(fresh, owner.uid, owner.gid);
  renameSync(fresh, file);
}

/** A process number is used again one day; with its start time it names one process for ever. */
function processName(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = readIfThere(`/proc/${pid}/stat`);
    // The command in parentheses may contain anything; fields count from behind it.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' ? undefined : `${pid} ${fields[19]}`;
  }
  return isAlive(pid) ? `${pid}` : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, 'EPERM');
  }
}

/** Takes the folder for this process; `EMBEDDED_IN_USE` while another living one has it. */
export function claimFolder(dir: string): void {
  const file = join(dir, 'owner');
  const mine = `${file}.${process.pid}`;
  writeFileSync(mine, processName(process.pid) ?? `${process.pid}`);
  try {
    for (let tries = 0; tries < CLAIM_TRIES_MAX; tries++) {
      if (tryLink(mine, file)) return;
      const holder = readIfThere(file);
      if (holder === undefined) continue;
      const pid = Number(holder.split(' ')[0]);
      if (processName(pid) === holder || !dropClaim(file, holder)) throw inUse(dir, pid);
    }
    throw inUse(dir, undefined);
  } finally {
    rmSync(mine, { force: true });
  }
}

/** A link appears with its whole content or not at all, and only one of several can. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

/** Removes the claim of a dead process; false when somebody else was faster and lives. */
function dropClaim(file: string, holder: string): boolean {
  const aside = `${file}.old.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return true;
    throw error;
  }
  const isDead = readIfThere(aside) === holder;
  if (!isDead) tryLink(aside, file);
  rmSync(aside, { force: true });
  return isDead;
}

function inUse(dir: string, pid: number | undefined): TidelockError {
  const who = pid === process.pid ? 'this process itself' : `process ${pid ?? '(unknown)'}`;
  return new TidelockError({
    code: 'EMBEDDED_IN_USE',
    message: `the embedded Postgres in ${dir} is used by ${who}`,
    hint: 'stop that process, or choose another folder',
    details: { dir, pid },
  });
}

/** Gives the folder up. */
export function releaseFolder(dir: string): void {
  rmSync(join(dir, 'owner'), { force: true });
}

export function passwordOf(dir: string): string {
  const file = join(dir, 'password');
  const known = readIfThere(file);
  if (known !== undefined) return known;
  const password = randomBytes(24).toString('base64url');
  writePrivately(file, password, undefined);
  return password;
}

/** The port of the last run when it is free, else any free one. */
export async function choosePort(dir: string): Promise<number> {
  const remembered = Number(readIfThere(join(dir, 'port')) ?? 0);
  if (remembered > 0 && (await tryPort(remembered)) !== undefined) return remembered;
  return (await tryPort(0)) ?? 0;
}

export function rememberPort(dir: string, port: number): void {
  writePrivately(join(dir, 'port'), `${port}`, undefined);
}

function tryPort(port: number): Promise<number | undefined> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const taken = typeof address === 'object' && address ? address.port : port;
      server.close(() => resolve(taken));
    });
  });
}

/** What the server itself writes about its state: process number in line 1, status in line 8. */
export function readPidFile(dir: string): { pid: number; isReady: boolean } | undefined {
  const text = readIfThere(join(dataDirOf(dir), 'postmaster.pid'));
  if (text === undefined) return undefined;
  const lines = text.split('\n');
  return { pid: Number(lines[0]), isReady: lines[7]?.trim() === 'ready' };
}

/** Whether `pid` is a living server of this very folder (a number alone may belong to anybody). */
function isServerOf(dir: string, pid: number): boolean {
  if (!(pid > 0) || processName(pid) === undefined) return false;
  return commandOf(pid).includes(dataDirOf(dir));
}

function commandOf(pid: number): string {
  if (process.platform === 'linux') return readIfThere(`/proc/${pid}/cmdline`) ?? '';
  return spawnSync('ps', ['-o', 'command=', '-p', `${pid}`], { encoding: 'utf8' }).stdout;
}

/**
 * Stops a server that its dead owner left behind. The pid file of a living server is never touched;
 * one whose number now belongs to a stranger is removed, because Postgres would take that for itself.
 */
export async function stopOrphan(dir: string): Promise<void> {
  const found = readPidFile(dir);
  if (found === undefined) return;
  if (!isServerOf(dir, found.pid)) {
    if (isAlive(found.pid)) removeStalePidFiles(dir);
    return;
  }
  const isGone = (): boolean => !isServerOf(dir, found.pid);
  process.kill(found.pid, 'SIGINT');
  if (await within(ORPHAN_FAST_STOP_MS, isGone)) return;
  process.kill(found.pid, 'SIGQUIT');
  if (await within(ORPHAN_IMMEDIATE_STOP_MS, isGone)) return;
  throw new TidelockError({
    code: 'EMBEDDED_IN_USE',
    message: `the Postgres process ${found.pid} of an earlier run in ${dir} does not stop`,
    hint: `end it and try again: kill -QUIT ${found.pid}`,
  });
}

function removeStalePidFiles(dir: string): void {
  rmSync(join(dataDirOf(dir), 'postmaster.pid'), { force: true });
  const port = readIfThere(join(dir, 'port'));
  rmSync(join(dataDirOf(dir), `.s.PGSQL.${port}.lock`), { force: true });
}

/** Asks `check` again and again until it holds or the time is over. */
export async function within(timeoutMs: number, check: () => boolean): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (!check()) {
    if (performance.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  return true;
}
