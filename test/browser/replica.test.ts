/** The pages of `tidelock runs serve` off the home host, in a real browser. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AwayWorld } from '../support/away-world.ts';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';

describe.skipIf(BROWSER_PATH === null)('the pages of a replica', () => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await openBrowser();
  });

  afterAll(() => browser?.close());

  test('name the home host and the lag, change without reload, and let nobody act', async () => {
    const world = new AwayWorld({ good: '[ezsteps]\nrun echo "all is well"\n' });
    const home = await world.serveOn('home');
    await world.text(world.on('home', ['run', '--target', 'x', '--name', 'one']));
    const { url } = await world.serveOn('far');
    const { page, complaints } = await openPage(browser, url);
    await page.goto(`${url}/dashboard/runs`);
    const banner = page.getByTestId('replica');
    await banner.getByText(/Shown is what it had .* ago/).waitFor();
    const link = banner.getByRole('link', { name: 'home' });
    expect(await link.getAttribute('href')).toBe(`${home.url}/dashboard/runs`);
    expect(await findings(page)).toEqual([]);

    await world.text(world.far('run', '--target', 'x', '--name', 'two'));
    await page.getByRole('link', { name: 'two' }).click();
    const kill = page.getByRole('button', { name: 'Kill', exact: true });
    await kill.waitFor();
    expect(await kill.isDisabled()).toBe(true);
    expect(complaints).toEqual([]);

    await home.server.kill('SIGKILL');
    await banner.getByText('Its server cannot be reached.').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });
});
