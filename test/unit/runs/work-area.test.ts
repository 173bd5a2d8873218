/** Places of executions: names from anywhere, and never outside. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { restoreArchive, saveArchive } from '../../../src/runs/archive.ts';
import { itemsBelow, mayHaveNested, nestedIn } from '../../../src/runs/execution/nested-areas.ts';
import {
  copyTest,
  makeWorkArea,
  placePath,
  removeOwnDir,
  removeWorkArea,
} from '../../../src/runs/execution/work-area.ts';

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
  const area = { home: root, linkTree, disks: [{ name: 'here', path: disk }] };
  return { root, disk, linkTree, other, precious, area };
}

test('the directory of an execution is removed, with its link', async () => {
  const { disk, linkTree, area } = places();
  const { dir, link } = makeWorkArea({ disk, linkTree, isClean: false }, PLACE);
  await removeWorkArea(area, PLACE, { dir, below: [] });
  expect([existsSync(dir), existsSync(link)]).toEqual([false, false]);
});

test('a directory that is not the own one of an execution is never removed', async () => {
  const { root, disk, other, precious, area } = places();
  const place = { ...PLACE, itemPath: 'item' };
  for (const dir of [other, join(other, 'item'), root, '/', '', 'linux/1/first/check/item'])
    await removeWorkArea(area, place, { dir, below: [] });
  expect(existsSync(precious)).toBe(true);
  const rolledUp = join(disk, 'linux/1/earlier/check/item');
  mkdirSync(rolledUp, { recursive: true });
  await removeWorkArea(area, place, { dir: rolledUp, below: [] });
  expect(existsSync(rolledUp)).toBe(true);
  await removeWorkArea(area, place, {
    dir: join(disk, 'linux/1/other/../first/check/item'),
    below: [],
  });
});

test('a place of the right name on an unknown disk is removed only when it has our files', async () => {
  const { other, area } = places();
  const dir = join(other, 'linux/1/first/check');
  mkdirSync(dir, { recursive: true });
  await removeWorkArea(area, PLACE, { dir, below: [] });
  expect(existsSync(dir)).toBe(true);
  mkdirSync(join(dir, '.tidelock'));
  await removeWorkArea(area, PLACE, { dir, below: [] });
  expect(existsSync(dir)).toBe(false);
});

test('what an area has left is not removed by a copy of it, and is by the one that it was moved to', async () => {
  const { root, area } = places();
  const [first, copy] = [join(root, 'first'), join(root, 'copy')];
  const dir = join(first, 'disk/linux/1/first/check');
  const record = { env: { MT_RUN_AREA_HOME: first } };
  mkdirSync(join(first, '.tidelock'), { recursive: true });
  mkdirSync(join(dir, '.tidelock/2'), { recursive: true });
  writeFileSync(join(dir, '.tidelock/2/launch.json'), JSON.stringify(record));
  mkdirSync(copy);
  const remove = () => removeWorkArea({ ...area, home: copy }, PLACE, { dir, below: [] });
  await remove();
  expect(existsSync(dir)).toBe(true);
  rmSync(join(first, '.tidelock'), { recursive: true });
  await remove();
  expect(existsSync(dir)).toBe(false);
});

test('nothing is removed or emptied through a link that a test has left behind', async () => {
  const { disk, linkTree, other, precious, area } = places();
  mkdirSync(join(disk, 'linux/1/first'), { recursive: true });
  symlinkSync(other, join(disk, 'linux/1/first/check'));
  const place = { ...PLACE, itemPath: 'item' };
  await removeWorkArea(area, place, { dir: join(disk, 'linux/1/first/check/item'), below: [] });
  expect(() => makeWorkArea({ disk, linkTree, isClean: true }, place)).toThrow('leads out of');
  expect(existsSync(precious)).toBe(true);
});

test('an execution that never had a place is removed, whatever its name', async () => {
  const { area } = places();
  await removeWorkArea(area, { ...PLACE, itemPath: '../..' }, { dir: null, below: [] });
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

describe('work areas of items inside of one another', () => {
  const BELOW = ['a/b', 'a/x/c'];
  const at = (itemPath: string): typeof PLACE => ({ ...PLACE, itemPath });

  /** Of `a`, `a/b` and `a/x/c`, each with a file. */
  function three() {
    const { disk, linkTree, area, root } = places();
    const [a = '', ...below] = ['a', ...BELOW].map((itemPath) => {
      const { dir } = makeWorkArea({ disk, linkTree, isClean: false }, at(itemPath));
      writeFileSync(join(dir, 'own'), itemPath);
      return dir;
    });
    mkdirSync(join(a, 'x/more'));
    return { a, below, nested: below, disk, linkTree, area, root };
  }

  const filesOf = (dirs: readonly string[]): readonly boolean[] =>
    dirs.map((dir) => existsSync(join(dir, 'own')));

  test('are all made, in whatever order', () => {
    const { linkTree, below } = three();
    expect(filesOf(below)).toEqual([true, true]);
    expect(existsSync(join(linkTree, 'linux/1/first/check/a/b/own'))).toBe(true);
  });

  test('are left alone when the outer one is emptied or removed', async () => {
    const { a, nested, disk, linkTree, area, below } = three();
    expect(nestedIn(a, 'a', [...BELOW, 'a/none'])).toEqual(below);
    makeWorkArea({ disk, linkTree, isClean: true, nested }, at('a'));
    expect(filesOf([a, ...below])).toEqual([false, true, true]);
    expect(existsSync(join(a, 'x/more'))).toBe(false);
    await removeWorkArea(area, at('a'), { dir: a, below: BELOW });
    expect(filesOf(below)).toEqual([true, true]);
    expect(readdirSync(a).sort()).toEqual(['b', 'x']);
  });

  test('are no part of its archive, and stay when that is restored', async () => {
    const { a, nested, root, below, area } = three();
    const file = join(root, 'archive/a.tar.zst');
    const { entries } = await saveArchive(a, file, nested);
    expect(entries).toBeLessThan(8);
    await removeOwnDir(a, at('a'), { ...area, below: BELOW });
    writeFileSync(join(below[0] ?? '', 'own'), 'newer');
    await restoreArchive(file, a, nested);
    expect(readFileSync(join(a, 'own'), 'utf8')).toBe('a');
    expect(readFileSync(join(a, 'b/own'), 'utf8')).toBe('newer');
    expect(existsSync(join(a, 'x/more'))).toBe(true);
  });

  test('are not overwritten by a file of the test', async () => {
    const { a, nested, root } = three();
    mkdirSync(join(root, 'test'));
    writeFileSync(join(root, 'test/b'), '');
    await expect(copyTest(join(root, 'test'), a, false, nested)).rejects.toThrow('another item');
    expect(filesOf(nested)).toEqual([true, true]);
  });

  test('with the last one the folders above it go, up to the run', async () => {
    const { disk, linkTree, area } = three();
    for (const itemPath of ['a', ...BELOW]) {
      const dir = join(disk, 'linux/1/first/check', itemPath);
      await removeWorkArea(area, at(itemPath), { dir, below: itemPath === 'a' ? BELOW : [] });
    }
    expect(readdirSync(join(disk, 'linux/1'))).toEqual([]);
    expect(readdirSync(join(linkTree, 'linux/1'))).toEqual([]);
  });
});

test('items that others are below', () => {
  const items = ['a', 'a/b', 'a/b/c', 'ab', 'x/y'].map((path) => ({ path, variables: [] }));
  const known = { kind: 'known', items } as const;
  expect(items.filter(({ path }) => mayHaveNested(known, path)).map(({ path }) => path)).toEqual([
    'a',
    'a/b',
  ]);
  const below = itemsBelow(items.map(({ path }) => ({ name: 't', itemPath: path })));
  expect([below('t', 'a'), below('t', 'x'), below('other', 'a')]).toEqual([
    ['a/b', 'a/b/c'],
    [],
    [],
  ]);
});
