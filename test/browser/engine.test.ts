/** The dashboard's pages over a running engine, in a real browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { issueToken } from '../../src/server/tokens.ts';
import { Stack } from '../support/stack.ts';
import { startServer } from '../unit/server/support.ts';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';

const SECRET = 'a secret that is long enough for HS256, of 32 bytes';
const SCHEMA = `
CREATE TABLE place (id int PRIMARY KEY, name text, _change_selector text);
ALTER TABLE place REPLICA IDENTITY FULL`;

/** Each page, and a part of it. */
const PAGES = [
  ['Engine', 'Path of changes'],
  ['Replicas', 'Feeds'],
  ['Tables', 'Selectors by size'],
  ['Log', 'Transactions'],
  ['Explain a row', 'Which row'],
  ['Rejected writes', 'Rejected writes'],
] as const;

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

  test('the log browser lists transactions and shows what one changed, never as HTML', async () => {
    const { page, complaints } = await openPage(browser, stack.server);
    await stack.sql.query("INSERT INTO place VALUES (7, '<img src=x onerror=alert(1)>', 'FR')");
    await stack.logged();
    await page.goto(`${stack.server}/dashboard/log`);
    const rows = page.getByRole('region', { name: 'Transactions of the log' }).locator('tbody tr');
    await rows.first().getByText('1 insert public.place').waitFor();
    await rows.first().getByRole('link').click();
    const changes = page.getByRole('region', { name: 'Changes of the transaction' });
    await changes.getByText('<img src=x onerror=alert(1)>').waitFor();
    expect(new URL(page.url()).searchParams.get('ts')).toMatch(/^0\//);
    await page.reload();
    await changes.getByText('insert').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('explains why a replica has a row, or has it not', async () => {
    const { page, complaints } = await openPage(browser, stack.server);
    await stack.sql.query("INSERT INTO place VALUES (8, 'Lyon', 'FR')");
    await stack.logged();
    await page.goto(`${stack.server}/dashboard/explain`);
    await page.getByLabel('Table').fill('public.place');
    await page.getByLabel('Key').fill('8');
    await page.getByLabel('Selectors of the replica').fill('FR');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('The replica reads it, so it has the row.').waitFor();
    const readers = page.getByRole('region', { name: "Connected readers of the row's selectors" });
    await readers.getByText('sent').waitFor();
    await page.getByLabel('Selectors of the replica').fill('DE');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByText('The replica reads DE only.').waitFor();
    expect(complaints).toEqual([]);
    await page.getByLabel('Key').fill('eight');
    await page.getByRole('button', { name: 'Explain' }).click();
    await page.getByRole('alert').getByText('is a whole number').waitFor();
    await page.close();
  });

  test('asks for a token where one is needed, and keeps it in the tab only', async () => {
    const guarded = await startServer({ tokens: { secrets: [SECRET] } });
    try {
      const { page } = await openPage(browser, guarded.url);
      await page.goto(`${guarded.url}/dashboard/`);
      await page.getByRole('alert').getByText('no token was sent').waitFor();
      expect(await findings(page)).toEqual([]);
      const request = {
        subject: 'ann',
        selectors: 'any',
        scopes: ['read'],
        lifetimeS: 60,
      } as const;
      await page.getByLabel('Token').fill('wrong');
      await page.getByRole('button', { name: 'Use this token' }).click();
      await page.getByRole('alert').getByText('cannot be accepted').waitFor();
      await page
        .getByLabel('Token')
        .fill(await issueToken({ ...request, secret: SECRET }, guarded.clock));
      await page.getByRole('button', { name: 'Use this token' }).click();
      await page.getByTestId('upper').waitFor();
      expect(await page.evaluate(() => localStorage.length + document.cookie.length)).toBe(0);
      await page.close();
    } finally {
      await guarded.server.close();
    }
  });

  test('says when the server is away, and goes on by itself', async () => {
    const { page } = await openPage(browser, stack.server);
    await page.goto(`${stack.server}/dashboard/`);
    await page.getByTestId('upper').waitFor();
    await stack.stop();
    await page.getByRole('alert').getByText('Not connected:').waitFor();
    await page.getByTestId('upper').waitFor();
    await stack.start();
    await page.getByTestId('connection').getByText('live').waitFor();
    await page.close();
  });

  test.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('everybody can use every page: %s, %i wide', async (colorScheme, width) => {
    const { page, complaints } = await openPage(browser, stack.server, {
      ...{ colorScheme, viewport: { width, height: 900 } },
    });
    await page.goto(`${stack.server}/dashboard/`);
    for (const [name, part] of PAGES) {
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { name: part, level: 2 }).waitFor();
      expect(await findings(page), name).toEqual([]);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });
});
