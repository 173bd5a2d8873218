/** The Postgres and the browser of the browser tests. Without a browser they are skipped, and it is said why. */
import type { TestProject } from 'vitest/node';
import { ensureBrowser } from '../../tools/browser.mjs';
import setupPostgres from '../integration/global-setup.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Path of a Chromium; null when there is none. */
    browserPath: string | null;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const browser = await ensureBrowser(say);
  const path = 'path' in browser ? browser.path : null;
  if ('missing' in browser) say(`SKIPPED: ${browser.missing}`);
  project.provide('browserPath', path);
  if (path !== null) return await setupPostgres(project);
  project.provide('postgresUrl', '');
  return async () => undefined;
}

function say(text: string): void {
  process.stderr.write(`browser tests: ${text}\n`);
}
