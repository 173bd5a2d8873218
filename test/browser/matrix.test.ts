/** The matrix by keyboard alone, its filters and its menu, the plan before a run, and pages of other sites. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';
import { RunsBed } from './runs-bed.ts';

describe.skipIf(BROWSER_PATH === null)('the matrix of runs', () => {
  let bed: RunsBed | undefined;
  let browser: Browser;
  let url: string;

  beforeAll(async () => {
    [bed, browser] = await Promise.all([RunsBed.open(), openBrowser()]);
    url = bed.url;
    await bed.run('first', 'good,odd,sizes');
  });

  afterAll(async () => {
    await browser?.close();
    await bed?.close();
  });

  async function matrix(query = ''): Promise<{ page: Page; complaints: readonly string[] }> {
    const opened = await openPage(browser, url);
    await opened.page.goto(`${url}/dashboard/runs${query}`);
    await opened.page.locator('tr.test').first().waitFor();
    return opened;
  }

  test('one Tab reaches the grid, arrows walk through it, Enter unfolds and opens', async () => {
    const { page, complaints } = await matrix();
    await page.getByRole('button', { name: 'New run' }).focus();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('grid');
    expect(await markedText(page)).toBe('good');
    await press(page, 'ArrowUp');
    expect(await markedText(page)).toBe('Test');
    await press(page, 'Control+End');
    expect(await markedText(page)).toContain('PASS');
    await press(page, 'Home');
    expect(await markedText(page)).toContain('sizes');
    await press(page, 'Enter');
    await page.locator('tr.item').nth(1).waitFor();
    await press(page, 'ArrowDown');
    expect(await markedText(page)).toBe('large');
    await press(page, 'ArrowRight', 'Enter');
    await page.getByRole('heading', { name: 'sizes/large' }).waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the menu of a cell opens and is left by keys, and leads to log and actions', async () => {
    const { page, complaints } = await matrix('?find=odd');
    await page.getByRole('grid').focus();
    await press(page, 'ArrowRight', 'Shift+F10');
    const menu = page.getByRole('menu', { name: 'odd of first' });
    await menu.getByRole('menuitem', { name: 'Open' }).waitFor();
    expect(await findings(page)).toEqual([]);
    await page.keyboard.press('Escape');
    await menu.waitFor({ state: 'detached' });
    expect(await markedText(page)).toContain('FAIL');

    await press(page, 'Shift+F10', 'ArrowDown', 'ArrowDown', 'Enter');
    const dialog = page.getByRole('dialog');
    await dialog.getByText('odd of first is started again.').waitFor();
    await dialog.getByRole('button', { name: 'Rerun' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByRole('grid').getByText('FAIL').click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Log' }).click();
    await page.getByText('Attempt').locator('..').getByText('2').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('filters by tag and by time stand in the address', async () => {
    const { page, complaints } = await matrix();
    const names = page.locator('tr.test .first');
    await page.getByLabel('Tag').locator('option', { hasText: 'odd-ones' }).waitFor({
      state: 'attached',
    });
    await page.getByLabel('Tag').selectOption('quick');
    await until(names, ['odd']);
    await page.getByLabel('Changed').selectOption('in an hour');
    await until(names, ['odd']);
    expect(new URL(page.url()).search).toBe('?tag=quick&since=1h');
    await page.goto(`${url}/dashboard/runs?since=2999-01-01`);
    await page.getByText('0 lines, 0 items of 1 of 1 runs', { exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('the plan is shown before a run is started, and again when something else is wanted', async () => {
    const { page, complaints } = await matrix();
    await page.getByRole('button', { name: 'New run' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Target').fill('small');
    await dialog.getByLabel('Name of the run').fill('planned');
    await dialog.getByLabel('Only with tags').fill('none-has-it');
    await dialog.getByRole('button', { name: 'Show the plan' }).click();
    await dialog.getByText('No test fits.').waitFor();
    await dialog.getByLabel('Only with tags').fill('');
    await dialog.getByLabel('Tests').fill('good,sizes');
    await dialog.getByRole('button', { name: 'Show the plan' }).click();
    await dialog.getByText('2 tests, runs 3').waitFor();
    // Behind the dialog nothing can have the focus, so that the check of Tab finds nowhere to begin.
    const faults = await findings(page);
    expect(faults.filter((fault) => !fault.startsWith('Tab reaches 0'))).toEqual([]);
    await dialog.getByRole('button', { name: 'Start the run' }).click();
    await page.getByRole('link', { name: 'planned', exact: true }).waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a page of another site can neither act nor have the area read', async () => {
    const page = await browser.newPage();
    const hostile = await otherSite();
    try {
      await page.goto(hostile.url);
      const tasksBefore = bed?.bed.store.read({ kind: 'tasks', states: null, limit: 100 }).tasks;
      const statuses: number[] = [];
      page.on('response', (response) => {
        if (response.url().startsWith(url)) statuses.push(response.status());
      });
      await page.evaluate(attack, url);
      // The form leaves the page: its answer is what the hostile site can make its visitor see.
      await page.waitForURL(`${url}/**`);
      expect(statuses.length).toBeGreaterThanOrEqual(3);
      for (const status of statuses) expect(status).toBeGreaterThanOrEqual(400);
      expect(bed?.bed.store.read({ kind: 'tasks', states: null, limit: 100 }).tasks).toEqual(
        tasksBefore,
      );
    } finally {
      await page.close();
      hostile.server.close();
    }
  });
});

async function press(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

/** Of the cell that the grid says is the present one. */
function markedText(page: Page): Promise<string | null | undefined> {
  return page.evaluate(() => {
    const id = document.activeElement?.getAttribute('aria-activedescendant') ?? '';
    return document.getElementById(id)?.textContent?.trim();
  });
}

async function until(found: ReturnType<Page['locator']>, texts: readonly string[]): Promise<void> {
  await expect.poll(() => found.allInnerTexts()).toEqual([...texts]);
}

async function otherSite(): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>prizes</title><form method="post"><input name="a"></form>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://localhost:${port}/` };
}

/** Runs in the page of the other site: what needs no leave of the server (no preflight), and a form. */
async function attack(server: string): Promise<void> {
  const body = JSON.stringify({ action: 'run', runId: null, testId: null, args: {} });
  const blind = { mode: 'no-cors', credentials: 'include' } as const;
  for (const path of ['/runs/v1/tasks', '/runs/v1/plan'])
    await fetch(server + path, { ...blind, method: 'POST', body });
  await fetch(`${server}/runs/v1/tags?target=small`, blind).catch(() => undefined);
  const form = document.querySelector('form');
  if (form === null) return;
  form.action = `${server}/runs/v1/stop`;
  form.enctype = 'text/plain';
  form.submit();
}
