/** The proof of Tidelock itself, started from the dashboard of a real `tidelock runs serve`, and looked at there. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Command } from '../support/command.ts';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** The run simulates for ten seconds on a quiet machine. */
const RUN_MS_MAX = 150_000;
/** Injects a fault, as a stress does, and fails. */
const DISTURBS = `[ezsteps]
begin $MT_MEGATEST -fault kill-server :state start :target server
seen  $MT_MEGATEST -fault kill-server :target server -m "it came again"
end   $MT_MEGATEST -fault kill-server :state end :target server; exit 1
`;

/** The area in a folder of its own, so that nothing of the clone's runs is touched. */
function copiedArea(folder: string): string {
  const area = join(folder, 'areas', 'proof');
  mkdirSync(join(folder, 'areas'));
  for (const name of ['bin', 'src', 'testdata', 'bench', 'node_modules', 'package.json']) {
    symlinkSync(join(ROOT, name), join(folder, name));
  }
  const isOfGit = (path: string): boolean => !path.includes('.tidelock');
  cpSync(join(ROOT, 'areas', 'proof'), area, { recursive: true, filter: isOfGit });
  mkdirSync(join(area, 'tests', 'disturbs'));
  writeFileSync(join(area, 'tests', 'disturbs', 'testconfig'), DISTURBS);
  return area;
}

describe.skipIf(BROWSER_PATH === null)('the proof area in the dashboard', () => {
  test(
    'is started there, watched without reload, ends good, and its verdict shows each property',
    async () => {
      const { url, browser } = await openProof();
      const { page, complaints } = await openPage(browser, url);
      await page.goto(`${url}/dashboard/runs`);
      await page.evaluate(() => document.body.setAttribute('data-kept', 'yes'));
      await start(page, 'today', 'scripts,simulation,disturbs');
      await page.getByRole('link', { name: 'today', exact: true }).click();
      const path = page.getByRole('region', { name: 'Critical path' });
      await path.getByText('simulation/1').waitFor({ timeout: RUN_MS_MAX });
      await page.getByText('4 good').first().waitFor({ timeout: RUN_MS_MAX });
      await lookAtTimeLine(page);
      await lookAtFailure(page);
      await page.goBack();
      await lookAtProof(page);
      expect(await page.locator('body').getAttribute('data-kept')).toBe('yes');
      expect(complaints).toEqual([]);
      await page.close();
      await lookLater(browser, url);
    },
    RUN_MS_MAX * 2,
  );
});

/** A server of a copy of the area, and a browser; both are gone at the end of the test. */
async function openProof(): Promise<{ readonly url: string; readonly browser: Browser }> {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-proof-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const flags = ['runs', 'serve', '--area', copiedArea(folder), '--json'];
  const server = new Command(flags, { TMPDIR: folder });
  const ready = await server.line('the server is ready', ({ url }) => url !== undefined);
  const browser = await openBrowser();
  onTestFinished(async () => {
    await browser.close();
    await server.kill('SIGTERM');
  });
  return { url: String(ready.url), browser };
}

/** A page that is opened afterwards, on a phone in the dark, shows the same, and everybody can use it. */
async function lookLater(browser: Browser, url: string): Promise<void> {
  const { page, complaints } = await openPage(browser, url, {
    ...{ colorScheme: 'dark', viewport: { width: 390, height: 900 } },
  });
  await page.goto(`${url}/dashboard/run?id=1`);
  await page.getByText('lag of the sync').first().waitFor();
  await page.locator('summary', { hasText: '1 fault was injected' }).click();
  await page.locator('summary', { hasText: 'The time line as a table' }).click();
  await page.getByRole('region', { name: 'The time line as a table' }).waitFor();
  expect(await findings(page)).toEqual([]);
  await page
    .getByRole('region', { name: 'Critical path' })
    .getByRole('link', { name: 'simulation/1' })
    .click();
  await page.getByText('bin/tidelock sim --seed 1 --runs 200').first().waitFor();
  expect(await findings(page)).toEqual([]);
  expect(complaints).toEqual([]);
  await page.close();
}

async function start(page: Page, name: string, tests: string): Promise<void> {
  await page.getByRole('button', { name: 'New run' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Target').fill('quick/none');
  await dialog.getByLabel('Name of the run').fill(name);
  await dialog.getByLabel('Tests').fill(tests);
  await dialog.getByRole('button', { name: 'Show the plan' }).click();
  await dialog.getByRole('button', { name: 'Start the run' }).click();
  await page.getByRole('link', { name, exact: true }).waitFor();
}

/** Lanes, the critical path, the lag, the fault; all of it by keyboard too. */
async function lookAtTimeLine(page: Page): Promise<void> {
  const path = page.getByRole('region', { name: 'Critical path' });
  await path.getByText('waited for the one before').first().waitFor();
  await page
    .getByText(/slot 1$/)
    .first()
    .waitFor();
  await page.getByText('lag of the sync').first().waitFor();
  await page.getByText('1 fault was injected').waitFor();
  const last = page.getByRole('link', { name: /^simulation\/1: PASS.*waited for.*scripts\// });
  await tabTo(page, page.locator('.gantt .piece[tabindex="0"]'));
  await page.keyboard.press('End');
  await page.keyboard.press('ArrowUp');
  await last.focus();
  await page.locator('.said', { hasText: 'on the critical path' }).waitFor();
  expect(await page.locator('.overlay path.near').getAttribute('d')).toMatch(/^M/);
  await page.keyboard.press('+');
  await page.waitForURL(/from=\d+&to=\d+/);
  await page.keyboard.press('0');
  await page.waitForURL((address) => !address.search.includes('from='));
}

async function tabTo(page: Page, target: Locator): Promise<void> {
  await page.getByRole('button', { name: 'Closer' }).focus();
  for (let tries = 0; tries < 8; tries += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error('Tab does not reach an execution of the time line');
}

/** What failed names the fault that was there meanwhile: in the list, and on its page. */
async function lookAtFailure(page: Page): Promise<void> {
  const failures = page.getByRole('region', { name: 'Failed tests and items' });
  await failures.getByText('kill-server (server)').waitFor();
  await failures.getByRole('link', { name: 'disturbs' }).click();
  const met = page.getByRole('region', { name: 'Faults meanwhile' }).last();
  await met.getByText('it came again').waitFor();
}

async function lookAtProof(page: Page): Promise<void> {
  await page
    .getByRole('region', { name: 'Critical path' })
    .getByRole('link', { name: 'simulation/1' })
    .click();
  const verdict = page.getByTestId('proof');
  await verdict.getByText(/^\D*\d\d properties held, 0 failed, \d+ not tested$/).waitFor();
  const properties = page.getByRole('region', { name: 'Properties' });
  const row = properties.locator('tr', { has: page.getByText('P1', { exact: true }) });
  await row.getByText('no committed change is lost').waitFor();
  await row.getByText('held').waitFor();
  await page.getByText('bin/tidelock sim --seed 1 --runs 200').first().waitFor();
}
