/** Results as words, shapes and colours; the words alone suffice. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { type Grade, gradeOf } from '../../report/results.ts';
import { count, seconds } from '../format.ts';
import { Badge, type Tone } from '../parts.tsx';

const TONES: Readonly<Record<Grade, Tone>> = {
  ...{ good: 'good', bad: 'bad', broken: 'bad', skipped: 'idle', open: 'warn' },
};

type Result = Pick<TestRow, 'state' | 'status'>;

/** `PASS`, `RUNNING`, `KILLED`: the one word that says most. */
export function wordOf({ state, status }: Result): string {
  if (state === 'COMPLETED') return status;
  if (state === 'NOT_STARTED') return status === 'n/a' ? 'waiting' : status;
  return status === 'n/a' || status === state ? state : `${state} ${status}`;
}

export function toneOf(row: Result): Tone {
  return TONES[gradeOf(row)];
}

export function Verdict({ row }: { row: Result }): JSX.Element {
  return <Badge tone={toneOf(row)}>{wordOf(row)}</Badge>;
}

export function durationText({ startedAt, endedAt }: TestRow, nowMs: number): string {
  if (startedAt === null) return '';
  return seconds(Math.max(0, (endedAt ?? nowMs) - startedAt) / 1000);
}

/** Counts of a run by grade: `12 good, 3 bad`. */
export function Counts({ run }: { run: RunRow }): JSX.Element {
  const sums = gradeCounts(run);
  const shown = (['good', 'bad', 'broken', 'skipped', 'open'] as const).filter(
    (grade) => sums[grade] > 0,
  );
  if (shown.length === 0) return <span class="note">no tests yet</span>;
  return (
    <span class="counts">
      {shown.map((grade) => (
        <span key={grade} class={`count ${TONES[grade]}`}>
          {count(sums[grade])} {grade}
        </span>
      ))}
    </span>
  );
}

export function gradeCounts({ counts }: Pick<RunRow, 'counts'>): Record<Grade, number> {
  const sums = { good: 0, bad: 0, broken: 0, skipped: 0, open: 0 };
  for (const [pair, times] of Object.entries(counts)) {
    const slash = pair.indexOf('/');
    const state = pair.slice(0, slash) as TestRow['state'];
    sums[gradeOf({ state, status: pair.slice(slash + 1) })] += times;
  }
  return sums;
}
