/**
 * The browser of the tests: Debian's Chromium. It is installed when it is missing and this may be done here (as root,
 * by apt-get, once); otherwise the browser tests are left out, and whoever asked is told why.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const INSTALL = 'apt-get update -qq && apt-get install -y -qq chromium';
const INSTALL_MAX_MS = 5 * 60_000;

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
  const child = spawn('sh', ['-c', INSTALL], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: INSTALL_MAX_MS,
  });
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = `${words}${text}`.slice(-300);
  });
  return await new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code) => resolve(code === 0 ? '' : words.trim().split('\n').at(-1)));
  });
}
