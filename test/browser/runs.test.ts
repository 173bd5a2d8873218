/** The dashboard's pages over the runs of an area, in a real browser, with a runner that does what they ask. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';
import { RunsBed } from './runs-bed.ts';

describe.skipIf(BROWSER_PATH === null)('the run pages', () => {
  let bed: RunsBed | undefined;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    [bed, browser] = await Promise.all([RunsBed.open(), openBrowser()]);
    url = bed.url;
  });

  afterAll(async () => {
    await browser?.close();
    await bed?.close();
  });

  test('a run is started, watched, looked into, run again, compared and killed', async () => {
    const { page, complaints } = await openPage(browser, url);
    await page.goto(`${url}/dashboard/runs`);
    await page.evaluate(() => document.body.setAttribute('data-kept', 'yes'));
    await start(page, 'one', 'good,odd,sizes');
    const cells = page.locator('tr', { has: page.getByText('odd', { exact: true }) });
    await cells.getByText('FAIL').waitFor();

    await cells.getByText('FAIL').click();
    const log = page.getByRole('region', { name: 'Lines of the log' });
    await log.getByText('<img src=x onerror=alert(1)> is text').waitFor();
    await log.locator('.ink-1').getByText('ERROR: one is odd').waitFor();
    await page.getByRole('button', { name: 'First error' }).click();
    await page.getByLabel('Search').fill('text');
    await page.getByRole('button', { name: '1 found, next' }).waitFor();

    await ask(page, 'Rerun', 'Rerun');
    await page.locator('.stat', { hasText: 'Attempt' }).getByText('2').waitFor();
    await page.getByTestId('verdict').getByText('FAIL').waitFor();

    await page.getByRole('link', { name: 'Runs', exact: true }).click();
    await start(page, 'two', '%');
    await page.getByRole('link', { name: 'two' }).click();
    const failures = page.getByRole('region', { name: 'Failed tests and items' });
    await failures.getByText('odd').waitFor();
    await page.getByRole('link', { name: 'with one' }).click();
    await page.getByRole('region', { name: 'What differs' }).getByText('still failing').waitFor();

    await page.goBack();
    await ask(page, 'Kill', 'Kill');
    await page.getByText('KILLED').first().waitFor();
    expect(await page.locator('body').getAttribute('data-kept')).toBe('yes');
    await keepPicture(page);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the filter stands in the address, and items are folded under the worst result', async () => {
    const { page, complaints } = await openPage(browser, url);
    await page.goto(`${url}/dashboard/runs?grade=good`);
    const results = page.getByRole('grid', { name: 'Results by test and run' });
    await results.getByText('good', { exact: true }).first().waitFor();
    await page.getByLabel('Test or item').fill('sizes/l');
    await results.getByRole('button', { name: 'sizes' }).click();
    const items = results.locator('tr.item');
    await items.getByText('large', { exact: true }).waitFor();
    expect(await items.count()).toBe(1);
    expect(new URL(page.url()).searchParams.get('find')).toBe('sizes/l');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('everybody can use every page: %s, %i wide', async (colorScheme, width) => {
    const { page, complaints } = await openPage(browser, url, {
      ...{ colorScheme, viewport: { width, height: 900 } },
    });
    await page.goto(`${url}/dashboard/`);
    for (const [name, part] of PAGES) {
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { name: part, level: 2 }).waitFor();
      expect(await findings(page), name).toEqual([]);
    }
    for (const place of ['run?id=1', 'test?id=1', 'compare?a=1&b=2']) {
      await page.goto(`${url}/dashboard/${place}`);
      await page
        .locator('.panel')
        .nth(place.startsWith('compare') ? 0 : 2)
        .waitFor();
      expect(await findings(page), place).toEqual([]);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });
});

/** Each page that the list has, and a part of it. */
const PAGES = [
  ['Runs', 'Results'],
  ['Queue', 'Runners'],
  ['Flaky tests', 'Flaky tests'],
] as const;

async function start(page: Page, name: string, tests: string): Promise<void> {
  await page.getByRole('button', { name: 'New run' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Target').fill('small');
  await dialog.getByLabel('Name of the run').fill(name);
  await dialog.getByLabel('Tests').fill(tests);
  await dialog.getByRole('button', { name: 'Show the plan' }).click();
  await dialog.getByRole('button', { name: 'Start the run' }).click();
  await page.getByRole('link', { name, exact: true }).waitFor();
}

/** Presses a button and says yes. */
async function ask(page: Page, button: string, yes: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: yes }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}

/** Where the environment names a file: the picture of the README. */
async function keepPicture(page: Page): Promise<void> {
  const path = process.env.TIDELOCK_PICTURE;
  if (path === undefined) return;
  await page.setViewportSize({ width: 1200, height: 560 });
  await page.getByRole('link', { name: 'Runs', exact: true }).click();
  await page.getByRole('button', { name: 'sizes' }).click();
  await page.getByText('small', { exact: true }).last().waitFor();
  await page.screenshot({ path });
}
