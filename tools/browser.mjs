/**
 * The browser of the tests: Debian's Chromium. It is installed when it is missing and this may be done here (as root,
 * by apt-get, once); otherwise the browser tests are left out, and whoever asked is told why.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** A mirror that does not answer, or a lock that another apt-get holds, is given up. */
const BOUNDS = '-o Acquire::http::Timeout=20 -o Acquire::Retries=1 -o DPkg::Lock::Timeout=60';
const INSTALL = `apt-get update -qq ${BOUNDS} && apt-get install -y -qq ${BOUNDS} chromium`;
const INSTALL_MS_MAX = 5 * 60_000;
/** Between the wish to end and the end. */
const GRACE_MS = 5000;

/** Path of a browser, or null. */
export function findBrowser() {
  return PLACES.find((place) => existsSync(place)) ?? null;
}

/**
 * Finds or installs it; `say` is told before and after what takes long.
 * @param {(text: string) => void} say
 * @returns {Promise<{ path: string } | { missing: string }>}
 */
export async function ensureBrowser(say) {
  const found = findBrowser();
  if (found !== null) return { path: found };
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    return {
      missing: 'there is no Chromium, and it cannot be installed here: needs root and apt-get',
    };
  }
  say('installing Chromium for the browser tests (apt-get, once, about half a minute)');
  const startMs = Date.now();
  const failure = await install();
  const path = findBrowser();
  if (path === null) return { missing: `Chromium could not be installed: ${failure}` };
  say(`installed Chromium in ${Math.round((Date.now() - startMs) / 1000)} s`);
  return { path };
}

/** Resolves with the last words of what failed; empty when it went well. */
async function install() {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const { code, words } = await runBounded(['sh', '-c', INSTALL], { env, msMax: INSTALL_MS_MAX });
  if (code === 0) return '';
  return words || `apt-get was not through after ${INSTALL_MS_MAX / 60_000} minutes`;
}

/**
 * Runs a command and all that it starts, no longer than `msMax`: whatever is left then is ended, the politely asked first.
 * @param {readonly string[]} command
 * @param {{ env?: NodeJS.ProcessEnv, msMax: number, graceMs?: number }} options
 * @returns {Promise<{ code: number | null, words: string }>} Null for one that was ended; the last line of its errors.
 */
export async function runBounded([file = '', ...rest], { env, msMax, graceMs = GRACE_MS }) {
  // A group of its own: the shell alone would leave the ones that it waits for, which hold its pipe open.
  const child = spawn(file, rest, { env, detached: true, stdio: ['ignore', 'ignore', 'pipe'] });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = `${words}${text}`.slice(-300);
  });
  const end = (signal) => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    } catch {} // nobody is left
  };
  const onExit = () => end('SIGKILL');
  process.once('exit', onExit);
  return await new Promise((resolve) => {
    const timers = [setTimeout(() => end('SIGTERM'), msMax)];
    const settle = (code) => {
      for (const timer of timers) clearTimeout(timer);
      process.off('exit', onExit);
      child.stderr.destroy();
      resolve({ code, words: words.trim().split('\n').at(-1) ?? '' });
    };
    timers.push(
      setTimeout(() => {
        end('SIGKILL');
        settle(null);
      }, msMax + graceMs),
    );
    child.on('error', (error) => {
      words = error.message;
      settle(null);
    });
    child.on('close', settle);
  });
}
