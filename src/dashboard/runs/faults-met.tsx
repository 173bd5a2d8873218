/** Faults that somebody injected while an execution ran: the first suspects when it failed. */
import type { JSX } from 'preact';
import type { TestRow } from '../../planner/rows.ts';
import type { RunQuery } from '../../planner/run-store.ts';
import { faultsDuring, faultsOf } from '../../report/faults.ts';
import { clockTime, seconds } from '../format.ts';
import { Panel, Table } from '../parts.tsx';
import { href } from '../route.ts';
import { useRunQuery } from './ask-runs.ts';

/** A fault that began so long before is still found. */
const EARLIER_MS = 600_000;
const DAY_MS = 86_400_000;

/** Nothing where there were none. */
export function FaultsMet({ row }: { row: TestRow }): JSX.Element | null {
  const { answer } = useRunQuery(questionOf(row));
  const faults = faultsDuring(faultsOf(answer?.events ?? []), row);
  if (faults.length === 0) return null;
  return (
    <Panel title="Faults meanwhile" note="injected on purpose while it ran">
      <Table
        caption="Faults meanwhile"
        rows={faults}
        keyOf={({ testId, name, from }) => `${testId} ${name} ${from}`}
        empty=""
        columns={[
          { title: 'At', cell: ({ from }) => clockTime(from) },
          { title: 'Fault', cell: ({ name }) => name },
          {
            title: 'Took',
            isNumber: true,
            cell: ({ from, to }) => (to === null ? 'not told' : seconds((to - from) / 1000)),
          },
          {
            title: 'By',
            cell: ({ testId }) =>
              testId === row.id ? (
                'this test'
              ) : (
                <a href={href('test', { id: `${testId}` })}>another test</a>
              ),
          },
          { title: 'Seen of it', cell: ({ effects }) => effects.join('; ') || 'nothing' },
        ]}
      />
    </Panel>
  );
}

function questionOf({ runId, startedAt, endedAt }: TestRow): RunQuery | null {
  if (startedAt === null) return null;
  const to = endedAt ?? startedAt + DAY_MS;
  const since = Number.MAX_SAFE_INTEGER;
  return { kind: 'line', runId, since, from: startedAt - EARLIER_MS, to };
}
