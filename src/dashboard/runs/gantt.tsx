/** Executions over time, one lane each, with the faults and the sync's lag of the same time. */
import type { JSX } from 'preact';
import type { EventRow, RunRow, TestRow } from '../../planner/rows.ts';
import { execOf } from '../../report/results.ts';
import { clockTime, seconds } from '../format.ts';
import { Empty } from '../parts.tsx';
import { href } from '../route.ts';
import { durationText, toneOf, wordOf } from './verdict.tsx';

/** Lanes that are drawn: the longest ones when there are more. */
const LANES_MAX = 120;
const TICKS = 5;

type GanttProps = {
  readonly tests: readonly TestRow[];
  readonly events: readonly EventRow[];
  readonly run: RunRow;
  readonly now: number;
};

export function Gantt({ tests, events, run, now }: GanttProps): JSX.Element {
  const started = tests.filter(({ startedAt }) => startedAt !== null);
  if (started.length === 0) return <Empty>Nothing has started.</Empty>;
  const from = Math.min(...started.map(({ startedAt }) => startedAt ?? now));
  const to = Math.max(from + 1, ...started.map(({ endedAt }) => endedAt ?? now));
  const share = (at: number): number => ((at - from) / (to - from)) * 100;
  const length = (row: TestRow): number => (row.endedAt ?? now) - (row.startedAt ?? now);
  const lanes = [...started]
    .sort((one, other) => length(other) - length(one))
    .slice(0, LANES_MAX)
    .sort((one, other) => (one.startedAt ?? 0) - (other.startedAt ?? 0));
  const marks = events.filter(
    ({ kind, at, runId }) =>
      ['fault', 'lag'].includes(kind) &&
      at >= from &&
      at <= to &&
      (runId === null || runId === run.id),
  );
  return (
    <div class="gantt">
      <Axis from={from} to={to} />
      <ul class="lanes">
        {lanes.map((row) => (
          <li key={row.id}>
            <a class="name" href={href('test', { id: `${row.id}` })}>
              {execOf(row)}
            </a>
            <span class="lane">
              <span
                class={`piece ${toneOf(row)}`}
                style={{
                  left: `${share(row.startedAt ?? now)}%`,
                  width: `${Math.max(0.3, share(row.endedAt ?? now) - share(row.startedAt ?? now))}%`,
                }}
              />
              {marks.map(({ seq, at, kind }) => (
                <span
                  key={seq}
                  class={`fault ${kind}`}
                  style={{ left: `${share(at)}%` }}
                  aria-hidden="true"
                />
              ))}
            </span>
            <span class="words">
              {wordOf(row)}, {durationText(row, now)}
            </span>
          </li>
        ))}
      </ul>
      <Marks marks={marks} />
      {started.length > lanes.length ? (
        <p class="note padded">
          The longest {lanes.length} of {started.length} are shown.
        </p>
      ) : null}
    </div>
  );
}

function Axis({ from, to }: { from: number; to: number }): JSX.Element {
  const ticks = Array.from({ length: TICKS }, (_, at) => from + ((to - from) * at) / (TICKS - 1));
  return (
    <div class="axis">
      <span class="note">{seconds((to - from) / 1000)} in all</span>
      <span class="ticks">
        {ticks.map((at) => (
          <span key={at}>{clockTime(at)}</span>
        ))}
      </span>
    </div>
  );
}

function Marks({ marks }: { marks: readonly EventRow[] }): JSX.Element | null {
  if (marks.length === 0) return null;
  return (
    <ul class="sentences">
      {marks.map(({ seq, at, kind, new: now, cause }) => (
        <li key={seq}>
          {clockTime(at)} {kind}: {now ?? ''} {cause}
        </li>
      ))}
    </ul>
  );
}
