/** The planted bugs, as far as they can be looked at without a run. */
import { expect, test } from 'vitest';
import {
  BUGS,
  isBug,
  PLANT_VARIABLE,
  plantedBug,
} from '../../../../src/bench/stress/bugs/catalog.ts';
import { exitCodeOf } from '../../../../src/bench/stress/bugs/exit-code.ts';
import { plantInFeed } from '../../../../src/bench/stress/bugs/feed-bugs.ts';
import { standIn } from '../../../../src/bench/stress/bugs/stand-in.ts';
import type { RunFile, VerdictFile } from '../../../../src/bench/stress/evidence.ts';
import { choiceOf } from '../../../../src/bench/stress/plan.ts';
import { toLsn } from '../../../../src/core/lsn.ts';
import type { Feed } from '../../../../src/engine/api.ts';

test('a bug is planted only when flag and environment name the same one', () => {
  expect(plantedBug(undefined, { [PLANT_VARIABLE]: 'early-heartbeat' })).toBeNull();
  expect(plantedBug('early-heartbeat', { [PLANT_VARIABLE]: 'early-heartbeat' })).toBe(
    'early-heartbeat',
  );
  for (const environment of [
    {},
    { [PLANT_VARIABLE]: 'toast-as-null' },
    { [PLANT_VARIABLE]: '1' },
  ]) {
    expect(() => plantedBug('early-heartbeat', environment)).toThrowError(/only where/);
  }
  expect(() => plantedBug('toString', { [PLANT_VARIABLE]: 'toString' })).toThrowError(/no bug/);
});

test('every bug has a run that can be made', () => {
  for (const [name, { faults, durationS }] of Object.entries(BUGS)) {
    expect(isBug(name)).toBe(true);
    expect([name, choiceOf(faults)]).not.toEqual([name, undefined]);
    expect(durationS).toBeLessThanOrEqual(10);
  }
});

test('a stand-in does what it overrides, and leaves the rest to the part with its private fields', () => {
  class Part {
    #count = 1;
    step = 1;
    get count(): number {
      return this.#count;
    }
    add(): void {
      this.#count += this.step;
    }
  }
  const part = new Part();
  const other = standIn(part, { add: () => void part.add() });
  other.step = 5;
  other.add();
  expect([other.count, part.count]).toEqual([6, 6]);
  expect(
    standIn(part, {
      get count() {
        return 99;
      },
    }).count,
  ).toBe(99);
});

function feedOf(frames: readonly string[]): Feed {
  const left = frames.map((frame) => Buffer.from(frame));
  return {
    head: Buffer.from('{"type":"hello"}\n'),
    read: () => left.shift() ?? null,
    position: toLsn(0),
    onReady: null,
    progressLine: (kind) => Buffer.from(`{"type":"${kind}"}\n`),
    close: () => undefined,
  };
}

function linesOf(feed: Feed): readonly string[] {
  const lines: string[] = [];
  for (let frame = feed.read(); frame !== null; frame = feed.read()) {
    lines.push(...Buffer.from(frame).toString().split('\n').filter(Boolean));
  }
  return lines;
}

const commit = (ts: string, txid: number): string =>
  `{"type":"commit","ts":"${ts}","txid":"${txid}","micros":1}\n`;
const row = (id: number): string =>
  `{"type":"insert","table":"t","selector":"a","row":[${id},"4611686018427387905"]}\n`;

test('a rewritten feed keeps transactions together over frames, and has its one bug', () => {
  const frames = [row(1), `${commit('0/2000', 7)}${row(2)}${row(3)}`, commit('0/8000', 5)];
  expect(linesOf(plantInFeed('cursor-by-txid', feedOf(frames)))).toEqual(
    `${row(1)}${commit('0/2000', 7)}`.trim().split('\n'),
  );
  const rowLsn = linesOf(plantInFeed('row-lsn-as-cursor', feedOf(frames)));
  expect(
    rowLsn.filter((line) => line.includes('commit')).map((line) => JSON.parse(line).ts),
  ).toEqual(['0/1FF8', '0/7FF8']);
  expect(linesOf(plantInFeed('number-as-double', feedOf(frames)))[0]).toContain(
    '[1,"4611686018427387904"]',
  );
  const honest = feedOf(frames);
  expect(plantInFeed('toast-as-null', honest)).toBe(honest);
});

test('P31: the exit code follows the verdict, but for the bug that is there', () => {
  const run = { bug: null, end: { how: 'quiet' } } as unknown as RunFile;
  const [pass, fail] = ['PASS', 'FAIL'].map((verdict) => ({ verdict }) as VerdictFile);
  if (pass === undefined || fail === undefined) throw new Error('two verdicts');
  expect([exitCodeOf(run, pass), exitCodeOf(run, fail)]).toEqual([0, 1]);
  expect(exitCodeOf({ ...run, end: null }, pass)).toBe(1);
  expect(exitCodeOf({ ...run, bug: 'failure-exits-0' }, fail)).toBe(0);
});
