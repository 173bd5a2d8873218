/** A browser for the tests of one file, and pages that note every complaint. */
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { inject } from 'vitest';

/** Null: the tests of the file are skipped; the run's setup has said why. */
export const BROWSER_PATH: string | null = inject('browserPath');

export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: BROWSER_PATH ?? '',
    // In a container there is no sandbox to be had as root, and little shared memory.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
}

export type WatchedPage = {
  readonly page: Page;
  /** Errors of the console and of scripts, and addresses beyond the server, so far. */
  readonly complaints: readonly string[];
};

/** A page that notes console errors, failed scripts, and every request that leaves `server`. */
export async function openPage(
  browser: Browser,
  server: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const page = await browser.newPage({ reducedMotion: 'reduce', ...options });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return;
    complaints.push(`${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => complaints.push(`${error.name}: ${error.message}`));
  page.on('request', (request) => {
    if (!request.url().startsWith(server) && !request.url().startsWith('data:'))
      complaints.push(`a request to ${request.url()}`);
  });
  return { page, complaints };
}
