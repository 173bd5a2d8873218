#!/usr/bin/env node
/**
 * The install guard, run before `npm start` and `npm test`: makes node_modules match package-lock.json.
 *
 *   stamp matches ------------------------------> nothing to do (a few milliseconds)
 *   else: lock -> stamp matches by now ---------> nothing to do (another process was faster)
 *              -> npm ci -> write the stamp ----> done
 *
 * The stamp lives inside node_modules and is written last, so a half finished install has none.
 * Plain JavaScript without dependencies that runs on Node 20, because it runs before anything exists.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { constants, hostname } from 'node:os';
import { delimiter, dirname, join, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const HEARTBEAT_MS = 2_000;
const STALE_MS = 30_000;
const FAILURE_LINES_MAX = 30;
const WAIT_MAX_MS = 10 * 60_000;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const stampFile = join(modules, '.tidelock-install');
const lockFile = join(root, '.tidelock', 'install.lock');
const pinnedNode = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const owner = `${process.pid} ${hostname()}`;

/** What the installed tree must have been made from: the lock file, on this kind of machine. */
function wantedStamp() {
  const hash = createHash('sha256').update(readFileSync(join(root, 'package-lock.json')));
  return hash.update(`${process.platform} ${process.arch}`).digest('hex');
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

const isInstalled = () => readText(stampFile) === wantedStamp() && existsSync(pinnedNode);

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** A holder touches its lock; one that stopped doing so, or whose process is gone, has lost it. */
function isStale(holder) {
  const [pid, host] = holder.split(' ');
  if (host === hostname() && !isAlive(Number(pid))) return true;
  const stat = statSync(lockFile, { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > STALE_MS;
}

function tryLock() {
  try {
    writeFileSync(lockFile, owner, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

/** Renaming first makes sure that of several waiters only one removes a dead lock. */
function dropStaleLock(holder) {
  const aside = `${lockFile}.${process.pid}`;
  try {
    renameSync(lockFile, aside);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  const taken = readText(aside);
  if (taken !== holder && !existsSync(lockFile)) renameSync(aside, lockFile);
  else rmSync(aside, { force: true });
}

async function lock() {
  mkdirSync(dirname(lockFile), { recursive: true });
  const deadline = Date.now() + WAIT_MAX_MS;
  for (let isFirst = true; Date.now() < deadline; isFirst = false) {
    if (tryLock()) return;
    const holder = readText(lockFile);
    if (holder !== undefined && holder !== '' && isStale(holder)) {
      dropStaleLock(holder);
      continue;
    }
    if (isFirst) say(`waiting for another install (process ${holder ?? 'unknown'})`);
    await sleep(200);
  }
  fail(`another install has held ${lockFile} for too long`, `stop it, then: rm ${lockFile}`);
}

function touchLock() {
  const now = new Date();
  if (readText(lockFile) === owner) utimesSync(lockFile, now, now);
}

function unlock() {
  if (readText(lockFile) === owner) rmSync(lockFile, { force: true });
}

/**
 * npm's own scripts must not find the half removed `node` of node_modules/.bin, which npm puts on
 * the path of everything it runs.
 */
function installEnvironment() {
  const path = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.includes(`node_modules${sep}.bin`))
    .join(delimiter);
  return { ...process.env, PATH: path };
}

function npmCommand() {
  const cli = process.env.npm_execpath;
  const runner = process.env.npm_node_execpath;
  const isNpm = cli?.endsWith('npm-cli.js') && existsSync(cli);
  if (isNpm && runner && !runner.startsWith(modules) && existsSync(runner)) return [runner, cli];
  return ['npm'];
}

/** Runs npm ci; its own chatter is shown only when it fails. */
async function npmCi() {
  const [command, ...first] = npmCommand();
  const flags = ['ci', '--loglevel=error', '--include=dev', '--include=optional'];
  const child = spawn(command, [...first, ...flags, '--no-audit', '--no-fund'], {
    cwd: root,
    env: installEnvironment(),
    shell: command === 'npm' && process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk) => {
    output = `${output}${chunk}`.slice(-20_000);
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  let stoppedBy;
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      stoppedBy = signal;
      child.kill(signal);
    });
  }
  return await new Promise((resolve) => {
    child.on('error', (error) => resolve({ code: 1, output: error.message, stoppedBy }));
    child.on('close', (code) => resolve({ code: code ?? 1, output, stoppedBy }));
  });
}

async function install() {
  say('installing dependencies (npm ci), about half a minute');
  rmSync(stampFile, { force: true });
  const { code, output, stoppedBy } = await npmCi();
  if (stoppedBy !== undefined) {
    fail('interrupted', 'start it again when you like', 128 + constants.signals[stoppedBy]);
  }
  if (code !== 0) {
    const lines = output.trimEnd().split('\n');
    process.stderr.write(`${lines.slice(0, FAILURE_LINES_MAX).join('\n')}\n`);
    const remedy = output.includes('code EUSAGE')
      ? `bring package-lock.json up to date: cd ${root} && npm install`
      : `check the network (npm ping) and the disk, then run: cd ${root} && npm ci`;
    fail(`npm ci failed with exit code ${code}`, remedy, code);
  }
  if (!existsSync(pinnedNode)) {
    const remedy = `cd ${root} && npm ci --ignore-scripts=false`;
    fail('npm ci left out the pinned Node: install scripts seem to be switched off', remedy);
  }
  writeFileSync(`${stampFile}.new`, wantedStamp());
  renameSync(`${stampFile}.new`, stampFile);
}

function say(text) {
  process.stderr.write(`tidelock: ${text}\n`);
}

function fail(what, remedy, code = 1) {
  say(`${what}\n  what to do: ${remedy}`);
  unlock();
  process.exit(code);
}

if (!isInstalled()) {
  await lock();
  const heartbeat = setInterval(touchLock, HEARTBEAT_MS);
  try {
    if (!isInstalled()) await install();
  } finally {
    clearInterval(heartbeat);
    unlock();
  }
}
