/** Runs compared and known failures in a real browser. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';
import { RunsBed } from './runs-bed.ts';

describe.skipIf(BROWSER_PATH === null)('the pages about earlier runs', () => {
  let bed: RunsBed | undefined;
  let browser: Browser;

  beforeAll(async () => {
    [bed, browser] = await Promise.all([RunsBed.open(), openBrowser()]);
    const { home } = bed.bed;
    const entries = [
      'odd ann 2999-01-31 it is odd',
      'sizes/% ben 2020-01-31 was slow',
      'a(b x 2999-01-31 y',
    ];
    writeFileSync(join(home, 'quarantine.config'), `${entries.join('\n')}\n`);
    await bed.run('one', 'good,sizes');
    const good = join(home, 'tests/good/testconfig');
    writeFileSync(good, '[ezsteps]\nsay exit 1\n');
    await bed.run('two', 'good,odd,sizes/small');
    rmSync(good);
    writeFileSync(good, '[ezsteps]\nsay exit 0\n');
    await bed.run('three', 'good');
  });

  afterAll(async () => {
    await browser?.close();
    await bed?.close();
  });

  test('the newest run is compared with the last good one before it, until others are chosen', async () => {
    const { page, complaints } = await openPage(browser, bed?.url ?? '');
    await page.goto(`${bed?.url}/dashboard/compare`);
    const found = page.getByRole('region', { name: 'What differs' });
    await page.getByRole('link', { name: 'three', exact: true }).waitFor();
    await page.getByRole('link', { name: 'one', exact: true }).waitFor();
    await found.getByText('missing').first().waitFor();
    expect(await found.locator('tbody tr').count()).toBe(2);

    await page.getByLabel('After').selectOption({ label: 'two of small' });
    await found.locator('tr', { hasText: 'good' }).getByText('newly failing').waitFor();
    const odd = found.locator('tr', { hasText: 'odd' });
    expect(await odd.textContent()).toContain('newly failing');
    expect(await odd.textContent()).toContain('known, ann');
    await page.getByLabel('Only').selectOption('missing');
    expect(await found.locator('tbody tr').allTextContents()).toEqual([
      expect.stringContaining('sizes/large'),
    ]);
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('known failures are seen with their owner and their day, also when it is over', async () => {
    const { page, complaints } = await openPage(browser, bed?.url ?? '');
    await page.goto(`${bed?.url}/dashboard/flaky`);
    const flaky = page.getByRole('region', { name: 'Tests by how often they switch' });
    await flaky.locator('tr', { hasText: 'good' }).getByText('+-+').waitFor();
    const known = page.getByRole('region', { name: 'Known failures by entry' });
    const odd = known.locator('tr', { hasText: 'it is odd' });
    await odd.getByText('1 of 1 fail').waitFor();
    expect(await odd.textContent()).toContain('until 2999-01-31');
    expect(await known.locator('tr', { hasText: 'was slow' }).textContent()).toContain(
      'ended 2020-01-31: counts again',
    );
    await known.getByText('its pattern cannot be used').waitFor();
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
