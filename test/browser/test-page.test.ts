/** The page of one test in a real browser: where it differs from the last pass, what it left, and how it is run again. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../support/stack.ts';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser, openPage } from './browser.ts';
import { RunsBed } from './runs-bed.ts';

const DRAWS = `[ezsteps]
draw echo drawn > result.html; megatest -set-values :category reproduce :variable SEED :value 42
[triggers]
COMPLETED/PASS echo fired
`;

/** Each step says in `ran` that it has run. */
const BUILDS = `[ezsteps]
compile echo compile >> ran
link echo link $LEVEL >> ran; megatest -step told :state start :status n/a; megatest -step told :state end :status 0
pack echo pack >> ran
`;

describe.skipIf(BROWSER_PATH === null)('the page of a test', () => {
  let bed: RunsBed | undefined;
  let browser: Browser;

  beforeAll(async () => {
    [bed, browser] = await Promise.all([RunsBed.open(), openBrowser()]);
    const { home } = bed.bed;
    mkdirSync(join(home, 'tests/draws'));
    writeFileSync(join(home, 'tests/draws/testconfig'), DRAWS);
    writeFileSync(join(home, 'quarantine.config'), 'odd ann 2999-01-31 it is odd\n');
    await bed.run('one', 'draws');
    const configs = '[default]\nLEVEL 2\nAPI_TOKEN abc-not-shown\n';
    writeFileSync(join(home, 'runconfigs.config'), configs);
    await bed.run('two', 'draws,odd');
    mkdirSync(join(home, 'tests/builds'));
    writeFileSync(join(home, 'tests/builds/testconfig'), BUILDS);
    await bed.run('steps', 'builds');
  });

  afterAll(async () => {
    await browser?.close();
    await bed?.close();
  });

  const open = async (name: string, run = 'two') => {
    const opened = await openPage(browser, bed?.url ?? '');
    const { id } = bed?.bed.row(run, name) ?? {};
    await opened.page.goto(`${bed?.url}/dashboard/test?id=${id}`);
    return opened;
  };

  test('says who it is, what differs from the last pass, and how it is run again', async () => {
    const { page, complaints } = await open('draws');
    const changes = page.getByRole('region', { name: 'Variables that differ' });
    await changes.getByText('LEVEL').waitFor();
    expect(await changes.locator('tr', { hasText: 'LEVEL' }).textContent()).toBe('LEVELadded2');
    expect(await changes.locator('tr', { hasText: 'API_TOKEN' }).textContent()).toContain(
      'not shown',
    );
    expect(await page.content()).not.toContain('abc-not-shown');
    const commands = page.getByRole('region', { name: 'Reproduce' });
    await commands.getByText('--pattern draws --set-var SEED=42').waitFor();
    await page
      .getByRole('region', { name: 'Triggers that were fired' })
      .getByText('echo fired')
      .waitFor();
    await page.getByText('flip rate 0 %: 0 changes in 2 results').waitFor();
    const { id, runId, configHash } = bed?.bed.row('two', 'draws') ?? {};
    await page.getByText(`test ${id}, run ${runId}`).waitFor();
    await page.getByText((configHash ?? '?').slice(0, 12)).waitFor();
    await page.getByText(/^\d+, ended$/).waitFor();
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      expect(await findings(page), colorScheme).toEqual([]);
    }
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('gives a file of its work area out, and never shows it as a page', async () => {
    const { page, complaints } = await open('draws');
    const files = page.getByRole('region', { name: 'Files of the work area' });
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      files.getByRole('link', { name: 'Download result.html' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('result.html');
    expect(readFileSync(await download.path(), 'utf8')).toBe('drawn\n');
    expect(await files.getByText('megatest.sh').count()).toBe(0);
    await files.getByRole('button', { name: 'Read result.html' }).click();
    await page.getByRole('region', { name: 'Lines of the log' }).getByText('drawn').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('fetches a file with the token, which a link cannot carry', async () => {
    const { page, complaints } = await open('draws');
    await page.evaluate(() => sessionStorage.setItem('tidelock-token', 'any'));
    await page.reload();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download result.html' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe('result.html');
    expect(readFileSync(await download.path(), 'utf8')).toBe('drawn\n');
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('shows the log of the step that runs, line by line', async () => {
    const { page, complaints } = await openPage(browser, bed?.url ?? '');
    const { home } = bed?.bed ?? { home: '' };
    mkdirSync(join(home, 'tests/talks'));
    const steps =
      'first echo is over\nsecond echo hello; while ! test -e go; do sleep 0.05; done; echo bye';
    writeFileSync(join(home, 'tests/talks/testconfig'), `[ezsteps]\n${steps}\n`);
    bed?.start('live', 'talks');
    await until('it is there', () => (bed?.bed.rows('live').length ?? 0) > 0);
    const { id } = bed?.bed.row('live', 'talks') ?? {};
    await page.goto(`${bed?.url}/dashboard/test?id=${id}`);
    const log = page.getByRole('region', { name: 'Lines of the log' });
    await log.getByText('hello').waitFor();
    await page.getByTestId('verdict').getByText('RUNNING').waitFor();
    await page.getByText('It has not ended: its steps can run again then').waitFor();
    expect(await page.getByRole('button', { name: 'Rerun this step: first' }).isDisabled()).toBe(
      true,
    );
    writeFileSync(join(bed?.bed.row('live', 'talks').runDir ?? '', 'go'), '');
    await log.getByText('bye').waitFor();
    await page.getByTestId('verdict').getByText('PASS').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('is run again from here, and keeps its attempts', async () => {
    const { page, complaints } = await open('draws');
    await ask(page, 'Rerun from here', 'Rerun from here');
    const attempts = page.getByRole('region', { name: 'Attempts', exact: true }).last();
    await attempts.locator('tbody tr').nth(1).getByText('COMPLETED/PASS').waitFor();
    expect(bed?.bed.row('two', 'odd').attempt).toBe(1);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('runs again from a step, or one step alone, and leaves the earlier ones as they are', async () => {
    const { page, complaints } = await open('builds', 'steps');
    const { runDir } = bed?.bed.row('steps', 'builds') ?? {};
    const ran = (): readonly string[] =>
      readFileSync(join(runDir ?? '', 'ran'), 'utf8')
        .trim()
        .split('\n');
    const steps = page.getByRole('region', { name: 'Steps' }).first();
    await steps.getByRole('button', { name: 'Rerun from here: pack' }).waitFor();
    await page
      .getByTitle('The test itself tells of this step: rerun the one that it is part of')
      .first()
      .waitFor();
    expect(await findings(page)).toEqual([]);
    const attempts = page.getByRole('region', { name: 'Attempts', exact: true }).last();
    const passes = attempts.locator('tbody tr', { hasText: 'COMPLETED/PASS' });

    await ask(page, 'Rerun from here: link', 'Rerun');
    await passes.nth(1).waitFor();
    expect(ran()).toEqual(['compile', 'link 2', 'pack', 'link 2', 'pack']);

    // Only what was launched before still knows the level.
    writeFileSync(join(bed?.bed.home ?? '', 'runconfigs.config'), '[default]\nLEVEL 3\n');
    await page.getByRole('button', { name: 'Rerun this step: link' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('The step link of builds of steps').waitFor();
    await dialog.getByLabel('As').selectOption('it was launched before');
    await dialog.getByRole('button', { name: 'Rerun' }).click();
    await passes.nth(2).waitFor();
    expect(ran().slice(5)).toEqual(['link 2']);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('says why no step can run again: the run is locked', async () => {
    const { page, complaints } = await open('builds', 'steps');
    const again = page.getByRole('button', { name: 'Rerun from here: link' });
    await again.waitFor();
    const { runId } = bed?.bed.row('steps', 'builds') ?? { runId: 0 };
    const lock = { kind: 'setRun', runId, facts: { isLocked: true }, cause: 'locked' } as const;
    await bed?.bed.store.write({ actor: 'ann', writes: [lock] });
    await page.getByText('The run is locked: unlock it to run steps again').waitFor();
    expect(await again.isDisabled()).toBe(true);
    expect(await findings(page)).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('a known failure says whose it is, and a state that is set says why', async () => {
    const { page, complaints } = await open('odd');
    await page.getByText('known: it is odd (ann, until 2999-01-31)').waitFor();
    await page.getByRole('button', { name: 'Set state' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Status').fill('WAIVED');
    await dialog.getByLabel('Why').fill('seen by ann');
    await dialog.getByRole('button', { name: 'Set', exact: true }).click();
    const forced = page.getByRole('region', { name: 'States that were set by hand' });
    await forced.getByText('COMPLETED/WAIVED').waitFor();
    await forced.getByText('seen by ann').waitFor();
    expect(complaints).toEqual([]);
    await page.close();
  });
});

/** Presses a button and says yes. */
async function ask(page: Page, button: string, yes: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: yes }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
}
