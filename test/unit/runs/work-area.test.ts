/** Places of executions: names from anywhere, and never outside. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { copyTest, makeWorkArea, placePath, removeWorkArea } from '../../../src/runs/work-area.ts';

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

/** A disk, a tree of links, and another folder with a file that nobody may touch. */
function places() {
  const root = mkdtempSync(join(tmpdir(), 'tidelock-place-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const [disk, linkTree, other] = [join(root, 'disk'), join(root, 'links'), join(root, 'other')];
  mkdirSync(join(other, 'item'), { recursive: true });
  const precious = join(other, 'item', 'precious');
  writeFileSync(precious, '');
  const area = { linkTree, disks: [{ name: 'here', path: disk }] };
  return { root, disk, linkTree, other, precious, area };
}

test('the directory of an execution is removed, with its link', async () => {
  const { disk, linkTree, area } = places();
  const { dir, link } = makeWorkArea({ disk, linkTree, isClean: false }, PLACE);
  await removeWorkArea(area, PLACE, dir);
  expect([existsSync(dir), existsSync(link)]).toEqual([false, false]);
});

test('a directory that is not the own one of an execution is never removed', async () => {
  const { root, disk, other, precious, area } = places();
  const place = { ...PLACE, itemPath: 'item' };
  for (const dir of [other, join(other, 'item'), root, '/', '', 'linux/1/first/check/item'])
    await removeWorkArea(area, place, dir);
  expect(existsSync(precious)).toBe(true);
  const rolledUp = join(disk, 'linux/1/earlier/check/item');
  mkdirSync(rolledUp, { recursive: true });
  await removeWorkArea(area, place, rolledUp);
  expect(existsSync(rolledUp)).toBe(true);
  await removeWorkArea(area, place, join(disk, 'linux/1/other/../first/check/item'));
});

test('a place of the right name on an unknown disk is removed only when it has our files', async () => {
  const { other, area } = places();
  const dir = join(other, 'linux/1/first/check');
  mkdirSync(dir, { recursive: true });
  await removeWorkArea(area, PLACE, dir);
  expect(existsSync(dir)).toBe(true);
  mkdirSync(join(dir, '.tidelock'));
  await removeWorkArea(area, PLACE, dir);
  expect(existsSync(dir)).toBe(false);
});

test('nothing is removed or emptied through a link that a test has left behind', async () => {
  const { disk, linkTree, other, precious, area } = places();
  mkdirSync(join(disk, 'linux/1/first'), { recursive: true });
  symlinkSync(other, join(disk, 'linux/1/first/check'));
  const place = { ...PLACE, itemPath: 'item' };
  await removeWorkArea(area, place, join(disk, 'linux/1/first/check/item'));
  expect(() => makeWorkArea({ disk, linkTree, isClean: true }, place)).toThrow('leads out of');
  expect(existsSync(precious)).toBe(true);
});

test('an execution that never had a place is removed, whatever its name', async () => {
  const { area } = places();
  await removeWorkArea(area, { ...PLACE, itemPath: '../..' }, null);
});

test('a test that is nested too deep is not copied in part, but refused', async () => {
  const { root } = places();
  mkdirSync(join(root, 'test', 'd/'.repeat(70)), { recursive: true });
  await expect(copyTest(join(root, 'test'), join(root, 'copy'), true)).rejects.toThrow(
    'nested more than 64 deep',
  );
});

test('a copy over an earlier attempt does not follow the links that it has left', async () => {
  const { root, other } = places();
  mkdirSync(join(root, 'test/sub'), { recursive: true });
  writeFileSync(join(root, 'test/sub/file'), 'new');
  mkdirSync(join(root, 'copy'));
  symlinkSync(other, join(root, 'copy/sub'));
  await copyTest(join(root, 'test'), join(root, 'copy'), false);
  expect(existsSync(join(other, 'file'))).toBe(false);
  expect(readFileSync(join(root, 'copy/sub/file'), 'utf8')).toBe('new');
});
