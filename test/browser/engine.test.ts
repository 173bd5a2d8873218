/** The dashboard's pages over a running engine, in a real browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { Stack } from '../support/stack.ts';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';

const SCHEMA = `
CREATE TABLE place (id int PRIMARY KEY, name text, _change_selector text);
ALTER TABLE place REPLICA IDENTITY FULL`;

describe.skipIf(BROWSER_PATH === null)('the engine pages', () => {
  let stack: Stack;
  let browser: Browser;

  beforeAll(async () => {
    [stack, browser] = await Promise.all([
      Stack.open({ postgresUrl: inject('postgresUrl'), tables: {}, schema: SCHEMA }),
      openBrowser(),
    ]);
    await stack.replica('fr', ['FR']);
  });

  afterAll(async () => {
    await browser?.close();
    await stack?.close();
  });

  test('show the path live: a commit changes the page without a reload', async () => {
    const { page, complaints } = await openPage(browser, stack.server);
    await page.goto(`${stack.server}/dashboard/`);
    await page.getByTestId('connection').getByText('live').waitFor();
    const path = page.getByRole('region', { name: 'The path from Postgres to the replicas' });
    await path.getByText('streaming').waitFor();
    const before = await page.getByTestId('upper').textContent();
    const counted = Number(await page.getByTestId('transactions').textContent());
    await page.evaluate(() => document.body.setAttribute('data-kept', 'yes'));
    await stack.sql.query("INSERT INTO place VALUES (1, 'Paris', 'FR')");
    await page
      .getByTestId('transactions')
      .getByText(`${counted + 1}`, { exact: true })
      .waitFor();
    expect(await page.getByTestId('upper').textContent()).not.toBe(before);
    expect(await page.locator('body').getAttribute('data-kept')).toBe('yes');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('can be used by everybody: %s, %i wide', async (colorScheme, width) => {
    const { page, complaints } = await openPage(browser, stack.server, {
      ...{ colorScheme, viewport: { width, height: 900 } },
    });
    await page.goto(`${stack.server}/dashboard/`);
    await page.getByTestId('upper').waitFor();
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
