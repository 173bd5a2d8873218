/** The accessibility check sees what it is for: each fault is planted in a page once. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findings } from './accessibility.ts';
import { BROWSER_PATH, openBrowser } from './browser.ts';

const GOOD = `<!doctype html><html lang="en"><head><title>A page</title>
<style>:focus-visible { outline: 2px solid #1f5fbf }</style></head><body>
<nav aria-label="Pages"><a href="#a">One</a> <a href="#b">Two</a></nav>
<main><h1>A page</h1><h2>A part</h2><button>Go</button>
<table><caption>Rows</caption><tr><th scope="col">Name</th></tr><tr><td>a</td></tr></table></main></body></html>`;

const FAULTS: readonly (readonly [fault: string, from: string, to: string])[] = [
  ['a control without a name', '<button>Go</button>', '<button></button><button>Go</button>'],
  ['an image without alt', '<h2>', '<img src="data:,"><h2>'],
  ['the page has no language', ' lang="en"', ''],
  ['0 main landmarks', 'main>', 'div>'],
  ['a landmark without a name', '<nav aria-label="Pages">', '<nav>'],
  ['a heading skips a level', '<h2>A part</h2>', '<h3>A part</h3>'],
  ['the id twice is used twice', '<h2>', '<i id="twice"></i><i id="twice"></i><h2>'],
  ['a table without a caption', '<caption>Rows</caption>', ''],
  ['contrast 1.', '<h2>', '<p style="color: #ddd">pale</p><h2>'],
  ['the page is 5000 wide', '<h2>', '<div style="width: 5000px; margin: -8px">wide</div><h2>'],
  [
    'focus is not to be seen',
    ':focus-visible { outline: 2px solid',
    ':focus-visible { outline: 0 solid',
  ],
  ['Tab reaches 2 controls only', '<button>', '<button tabindex="-1">'],
];

describe.skipIf(BROWSER_PATH === null)('the accessibility check', () => {
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    browser = await openBrowser();
    page = await browser.newPage();
  });

  afterAll(() => browser?.close());

  test('finds nothing in a good page', async () => {
    await page.setContent(GOOD);
    expect(await findings(page)).toEqual([]);
  });

  test.each(FAULTS)('finds: %s', async (fault, from, to) => {
    await page.setContent(GOOD.replaceAll(from, to));
    expect((await findings(page)).join('\n')).toContain(fault);
  });
});
