/** The log of a test in a real browser: a file of 100 MB, and a page that stays small. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';
import { RunsBed } from './runs-bed.ts';

const LINES = 1_300_000;
const MARKED = 777_777;
const MIB = 1024 * 1024;

describe.skipIf(BROWSER_PATH === null)('a log of 100 MB', () => {
  let bed: RunsBed | undefined;
  let browser: Browser;
  let address: string;

  beforeAll(async () => {
    [bed, browser] = await Promise.all([RunsBed.open(), openBrowser()]);
    await bed.run('one', 'good');
    const { id, runDir } = bed.bed.row('one', 'good');
    expect(writeLog(join(runDir ?? '', 'big.log'))).toBeGreaterThan(100 * MIB);
    address = `${bed.url}/dashboard/test?id=${id}&file=big.log`;
  });

  afterAll(async () => {
    await browser?.close();
    await bed?.close();
  });

  test('is shown at its end, searched as a whole, and linked to by line', async () => {
    const { page, complaints } = await openPage(browser, bed?.url ?? '');
    await page.goto(address);
    const log = page.getByRole('region', { name: 'Lines of the log' });
    await log.getByText(`line ${LINES} `).waitFor();
    // The lines before are counted in the background.
    await log.getByRole('link', { name: `${LINES}`, exact: true }).waitFor();

    await page.getByLabel('Search').fill('a NEEDLE here');
    await page.getByRole('button', { name: '1 found, next' }).click();
    await log.locator('.chosen', { hasText: `line ${MARKED} a needle here` }).waitFor();
    await log.getByRole('link', { name: `${MARKED}`, exact: true }).click();
    expect(new URL(page.url()).searchParams.get('line')).toBe(`${MARKED}`);
    await page.reload();
    await log.locator('.chosen', { hasText: `line ${MARKED} ` }).waitFor();
    expect(await inSight(page)).toContain(MARKED);

    await page.getByRole('button', { name: 'First error' }).click();
    await log.locator('.chosen', { hasText: 'line 500000 ERROR' }).waitFor();
    await page.getByLabel('Line', { exact: true }).fill('12345');
    await page.keyboard.press('Enter');
    await log.locator('.chosen', { hasText: 'line 12345 ' }).waitFor();
    await page.getByRole('button', { name: 'Start' }).click();
    await log.getByText('line 1 ', { exact: false }).first().waitFor();
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('takes no more of the page than its window, however far one scrolls', async () => {
    const { page, complaints } = await openPage(browser, bed?.url ?? '');
    await page.goto(`${address}&line=${MARKED}`);
    const log = page.getByRole('region', { name: 'Lines of the log' });
    await log.locator('.chosen').waitFor();
    const before = await heapBytes(page);
    let last = await inSight(page);
    for (const direction of ['down', 'up'] as const) {
      for (let screens = 0; screens < 40; screens += 1) {
        last = await scroll(page, direction, last[0] ?? 0);
        // Nothing is left out and nothing comes twice.
        expect(last).toEqual(Array.from(last, (_, at) => (last[0] ?? 0) + at));
      }
    }
    expect(await log.locator('li').count()).toBeLessThanOrEqual(2001);
    expect((await heapBytes(page)) - before).toBeLessThan(16 * MIB);
    expect(complaints).toEqual([]);
    await page.close();
  });
});

/** Gives its size. */
function writeLog(path: string): number {
  const file = openSync(path, 'w');
  let bytes = 0;
  try {
    for (let from = 1; from <= LINES; from += 10_000) {
      const lines = Array.from({ length: 10_000 }, (_, n) => lineOf(from + n));
      bytes += writeSync(file, lines.join(''));
    }
  } finally {
    closeSync(file);
  }
  return bytes;
}

function lineOf(number: number): string {
  if (number === MARKED) return `line ${number} a \u001b[32mneedle\u001b[0m here\n`;
  if (number === 500_000) return `line ${number} ERROR: here it went wrong\n`;
  return `line ${number} ${'all is well and goes on '.repeat(3)}\n`;
}

/** Numbers of the lines that are in sight. */
function inSight(page: Page): Promise<readonly number[]> {
  return page.evaluate(() => {
    const part = document.querySelector('.log');
    const { top = 0, bottom = 0 } = part?.getBoundingClientRect() ?? {};
    return [...document.querySelectorAll('.log li')].flatMap((line) => {
      const place = line.getBoundingClientRect();
      if (place.top < top || place.bottom > bottom) return [];
      return [Number(line.querySelector('.number')?.textContent)];
    });
  });
}

/** A screen and a half, as a wheel does, once more when the end of the window was in the way; gives what is in sight. */
async function scroll(
  page: Page,
  direction: 'up' | 'down',
  from: number,
): Promise<readonly number[]> {
  for (let looks = 0; looks < 1000; looks += 1) {
    await page.evaluate(
      (sign) => {
        const part = document.querySelector('.log');
        if (part !== null) part.scrollTop += sign * part.clientHeight * 1.5;
        return new Promise((done) => requestAnimationFrame(() => done(null)));
      },
      direction === 'up' ? -1 : 1,
    );
    const now = await inSight(page);
    const [first = from] = now;
    if (direction === 'up' ? first < from : first > from) return now;
  }
  throw new Error(`the log does not move ${direction} from line ${from}`);
}

async function heapBytes(page: Page): Promise<number> {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}
