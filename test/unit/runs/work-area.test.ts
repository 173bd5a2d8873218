/** Places of executions: names from anywhere, and never outside. */
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { makeWorkArea, placePath } from '../../../src/runs/work-area.ts';

const PLACE = { target: 'linux/1', run: 'first', test: 'check', itemPath: '' };

test.each([
  ...['..', '../x', 'a/../b', '/etc', 'a//b', './a', 'a/', 'a\0b', 'x'.repeat(256)],
  ...[`${'long/'.repeat(800)}end`],
])('the item path %j is refused', (itemPath) => {
  expect(() => placePath({ ...PLACE, itemPath })).toThrow('no directory can be made');
});

test('blanks, quotes and dollars are names like any other', () => {
  const path = placePath({ ...PLACE, itemPath: `$HOME/a b'"/-rf` });
  expect(path).toBe(`linux/1/first/check/$HOME/a b'"/-rf`);
});

test('a link that a test has left behind leads no work area elsewhere', () => {
  const root = mkdtempSync(join(tmpdir(), 'tidelock-place-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const [disk, linkTree, outside] = ['disk', 'links', 'outside'].map((name) => join(root, name));
  if (disk === undefined || linkTree === undefined || outside === undefined) throw new Error();
  mkdirSync(join(disk, 'linux/1/first/check'), { recursive: true });
  mkdirSync(outside);
  symlinkSync(outside, join(disk, 'linux/1/first/check/item'));
  const place = { ...PLACE, itemPath: 'item/deeper' };
  expect(() => makeWorkArea({ disk, linkTree, isClean: false }, place)).toThrow('leads out of');
});

test('the tree of links leads to the work area, item by item', () => {
  const root = mkdtempSync(join(tmpdir(), 'tidelock-place-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const options = { disk: join(root, 'disk'), linkTree: join(root, 'links'), isClean: false };
  const made = makeWorkArea(options, { ...PLACE, itemPath: 'small/first' });
  expect(readlinkSync(join(root, 'links/linux/1/first/check/small/first'))).toBe(made.dir);
});
