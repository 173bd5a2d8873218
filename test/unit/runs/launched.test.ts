/** Jobs of launchers by their files: what is known of one on another host. */
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { claimMark, isFar, isFarAlive, isFarEnding } from '../../../src/runs/execution/launched.ts';
import { hostIdentity } from '../../../src/runs/processes/host.ts';
import { readMark } from '../../../src/runs/processes/process-group.ts';

/** The mark of a job that is led by this process, as another host would have it. */
function farMark(bootId = 'another-boot'): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-far-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const mark = join(folder, 'step-0');
  writeFileSync(mark, `leader ${bootId} ${readFileSync('/proc/self/stat', 'utf8')}`);
  return mark;
}

test('a job is far when its leader is of another boot', () => {
  for (const [bootId, far] of [
    ['another-boot', true],
    [hostIdentity().bootId, false],
  ] as const) {
    const mark = readMark(farMark(bootId));
    expect(mark.kind === 'begun' && mark.leader !== null && isFar(mark.leader)).toBe(far);
  }
});

test('it lives while it has shown itself within its time', () => {
  const mark = farMark();
  const now = Date.now() + 10_000;
  expect(isFarAlive(mark, { now, deadTimeMs: 60_000 })).toBe(true);
  expect(isFarAlive(mark, { now, deadTimeMs: 5000 })).toBe(false);
  writeFileSync(`${mark}.beat`, '');
  utimesSync(`${mark}.beat`, now / 1000, now / 1000);
  expect(isFarAlive(mark, { now, deadTimeMs: 5000 })).toBe(true);
});

test('it is waited for until it has ended, or says that it was killed', () => {
  const mark = farMark();
  expect(isFarEnding(mark)).toBe(true);
  writeFileSync(`${mark}.killed`, '');
  expect(isFarEnding(mark)).toBe(false);
  expect(isFarEnding(farMark(hostIdentity().bootId))).toBe(false);
  const justBegun = farMark();
  writeFileSync(justBegun, '');
  expect(isFarEnding(justBegun)).toBe(true);
});

test('a mark is taken once', () => {
  const mark = `${farMark()}-new`;
  expect([claimMark(mark, 137), claimMark(mark, 1)]).toEqual([true, false]);
  expect(readMark(mark)).toMatchObject({ kind: 'ended', leader: null, exit: { code: 137 } });
});
