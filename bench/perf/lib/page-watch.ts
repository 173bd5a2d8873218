/** A page of the dashboard that tells when something has been painted. */
import { chromium, type Page } from 'playwright-core';

type Bench = {
  /** Since the page began, when the first element that fits was painted. */
  readonly first: (selector: string) => Promise<number>;
  /** Since the page began, when the matrix had all its rows. */
  readonly loaded: () => Promise<number>;
  /** When the line above the matrix has these words, by the wall clock. */
  readonly lineSays: (text: string) => Promise<number>;
  /** Puts text into a filter: milliseconds until what follows was painted. */
  readonly type: (field: string, text: string) => Promise<number>;
  /** How often what is shown changes in so many milliseconds. */
  readonly changes: (ms: number) => Promise<number>;
};

declare global {
  interface Window {
    tidelockBench: Bench;
  }
}

export type WatchedPage = {
  readonly page: Page;
  readonly firstOf: (path: string, selector: string) => Promise<number>;
  readonly close: () => Promise<void>;
};

export async function openWatchedPage(executablePath: string, url: string): Promise<WatchedPage> {
  const browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
  });
  const page = await browser.newPage({ reducedMotion: 'reduce' });
  await page.addInitScript(watch);
  return {
    page,
    firstOf: async (path, selector) => {
      await page.goto(`${url}${path}`, { waitUntil: 'commit' });
      return await page.evaluate((wanted) => window.tidelockBench.first(wanted), selector);
    },
    close: () => browser.close(),
  };
}

/** Runs in the page, before its own script. */
function watch(): void {
  /** Behind the next paint. */
  const painted = (): Promise<void> =>
    new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
  const WAIT_MS_MAX = 30_000;
  const when = (isSo: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!isSo()) return;
        observer.disconnect();
        clearTimeout(timer);
        void painted().then(resolve);
      };
      const say = (): void =>
        reject(new Error(`never so: ${document.body.innerText.slice(0, 500)}`));
      const timer = setTimeout(say, WAIT_MS_MAX);
      const observer = new MutationObserver(look);
      observer.observe(document, { subtree: true, childList: true, characterData: true });
      look();
    });
  const line = (): string => document.querySelector('[data-testid=lines]')?.textContent ?? '';
  window.tidelockBench = {
    first: async (selector) => {
      await when(() => document.querySelector(selector) !== null);
      return performance.now();
    },
    loaded: async () => {
      await when(() => line() !== '' && !line().includes('loading'));
      return performance.now();
    },
    lineSays: async (text) => {
      await when(() => line().includes(text));
      return Date.now();
    },
    type: async (field, text) => {
      const input = document.querySelector<HTMLInputElement>(`input[name=${field}]`);
      if (input === null) throw new Error(`no field ${field}`);
      const before = line();
      const start = performance.now();
      input.value = text;
      input.dispatchEvent(new InputEvent('input', { bubbles: true }));
      await when(() => line() !== before);
      return performance.now() - start;
    },
    changes: (ms) =>
      new Promise((resolve) => {
        let count = 0;
        const observer = new MutationObserver(() => {
          count += 1;
        });
        const matrix = document.querySelector('.grid') ?? document.body;
        observer.observe(matrix, { subtree: true, childList: true, characterData: true });
        setTimeout(() => {
          observer.disconnect();
          resolve(count);
        }, ms);
      }),
  };
}
