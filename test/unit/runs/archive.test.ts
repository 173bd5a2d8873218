import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { create, replace } from 'tar';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { archiveFile, restoreArchive, saveArchive } from '../../../src/runs/archive.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidelock-archive-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const PLACE = { target: 'linux/small', run: 'w47', test: 'net', itemPath: 'a/b' };

function workArea(): string {
  const dir = join(folder, 'work');
  mkdirSync(join(dir, 'deep/er'), { recursive: true });
  writeFileSync(join(dir, 'log'), Buffer.from([0, 255, 10]));
  writeFileSync(join(dir, 'deep/er/run.sh'), 'exit 0');
  chmodSync(join(dir, 'deep/er/run.sh'), 0o755);
  symlinkSync('log', join(dir, 'link'));
  return dir;
}

test('a work area comes back as it was: bytes, modes and links', async () => {
  const [dir, file] = [workArea(), archiveFile(join(folder, 'archive'), PLACE)];
  expect(file).toBe(join(folder, 'archive/linux/small/w47/net/a/b.tar.zst'));
  expect(await saveArchive(dir, file)).toMatchObject({ entries: 6 });
  rmSync(dir, { recursive: true });
  await restoreArchive(file, dir);
  expect(readFileSync(join(dir, 'log'))).toEqual(Buffer.from([0, 255, 10]));
  expect(statSync(join(dir, 'deep/er/run.sh')).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(dir, 'link'))).toBe('log');
});

test('an archive that cannot be written leaves the earlier one and no half of a new one', async () => {
  const [dir, file] = [workArea(), join(folder, 'archive/t.tar.zst')];
  await saveArchive(dir, file);
  const before = readFileSync(file);
  await expect(saveArchive(join(folder, 'gone'), file)).rejects.toThrow(/gone is not there/);
  mkdirSync(`${file}.new`); // nothing can be written there
  await expect(saveArchive(dir, file)).rejects.toThrow(/was not archived/);
  expect(readFileSync(file)).toEqual(before);
  expect(readdirSync(join(folder, 'archive'))).toEqual(['t.tar.zst']);
});

test('a damaged archive is an error, never a part taken for the whole', async () => {
  const [dir, file] = [workArea(), join(folder, 't.tar.zst')];
  writeFileSync(join(dir, 'random'), Buffer.from(Array.from({ length: 9000 }, (_, n) => n * 7919)));
  await saveArchive(dir, file);
  truncateSync(file, statSync(file).size - 100);
  await expect(restoreArchive(file, join(folder, 'back'))).rejects.toThrow(/was not restored/);
  writeFileSync(file, 'no archive');
  await expect(restoreArchive(file, join(folder, 'back'))).rejects.toThrow(/was not restored/);
});

test('a link of a test leads where it led, and nothing is written through one', async () => {
  const [dir, outside, file] = [workArea(), join(folder, 'outside'), join(folder, 'door.tar')];
  mkdirSync(outside);
  symlinkSync(outside, join(dir, 'door'));
  await saveArchive(dir, `${file}.zst`);
  await restoreArchive(`${file}.zst`, join(folder, 'back'));
  expect(readlinkSync(join(folder, 'back/door'))).toBe(outside);

  // What only somebody else can have made: a link, and an entry below its name.
  await create({ cwd: dir, file }, ['door']);
  rmSync(join(dir, 'door'));
  mkdirSync(join(dir, 'door'));
  writeFileSync(join(dir, 'door/file'), 'x');
  await replace({ cwd: dir, file }, ['door/file']);
  writeFileSync(`${file}.zst`, zstdCompressSync(readFileSync(file)));
  const restoring = restoreArchive(`${file}.zst`, join(folder, 'evil'));
  await expect(restoring).rejects.toThrow(/door\/file leads out of it/);
  expect(readdirSync(outside)).toEqual([]);
  expect(existsSync(join(folder, 'evil'))).toBe(false);
});

test('what is there is not overwritten by an archive', async () => {
  const [dir, file] = [workArea(), join(folder, 't.tar.zst')];
  await saveArchive(dir, file);
  await expect(restoreArchive(file, dir)).rejects.toThrow(/is there already/);
});
