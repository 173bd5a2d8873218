import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type RoomQuestion, roomOn } from '../../../src/runs/execution/disk-room.ts';

const home = mkdtempSync(join(tmpdir(), 'tidelock-room-'));
afterAll(() => rmSync(home, { recursive: true }));
writeFileSync(join(home, 'file'), '');

const disk = (name: string): RoomQuestion['disks'][number] => ({ name, path: join(home, name) });
const question = (more: Partial<RoomQuestion>): RoomQuestion => {
  return {
    disks: [disk('a'), disk('b')],
    same: null,
    minSpaceBytes: 1,
    freeSpaceCommand: null,
    home,
    env: {},
    ...more,
  };
};
const BY_NAME =
  'size() { case "$1" in */a) echo 10;; */b) echo 30 rest;; *) echo 20;; esac; }; size';

test('the disk with the most room is taken, as a script of the area measures it', async () => {
  const disks = [disk('a'), disk('c')];
  const found = await roomOn(question({ disks, freeSpaceCommand: BY_NAME }));
  expect(found).toEqual({ kind: 'found', path: join(home, 'c') });
});

test('the disk on which it was before is taken while it has room', async () => {
  const asked = { disks: [disk('a'), disk('c')], freeSpaceCommand: BY_NAME, same: join(home, 'a') };
  expect(await roomOn(question(asked))).toEqual({ kind: 'found', path: join(home, 'a') });
  const full = await roomOn(question({ ...asked, minSpaceBytes: 15 * 1024 }));
  expect(full).toEqual({ kind: 'found', path: join(home, 'c') });
});

test('without enough room every disk is named with what it has', async () => {
  const found = await roomOn(question({ freeSpaceCommand: BY_NAME, minSpaceBytes: 20 * 1024 }));
  const gave = 'free-space-script gave no number (exit 0)';
  expect(found).toEqual({ kind: 'none', reason: `no disk has 20 KiB: a 10 KiB, b ${gave}` });
});

test('a disk that cannot be used leaves the others', async () => {
  const found = await roomOn(question({ disks: [disk('file/sub'), disk('b')] }));
  expect(found).toEqual({ kind: 'found', path: join(home, 'b') });
  const none = await roomOn(question({ disks: [disk('file/sub')] }));
  expect(none).toMatchObject({ kind: 'none', reason: expect.stringContaining('ENOTDIR') });
});
