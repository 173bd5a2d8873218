/** One run: its counts, its time line, what failed first, and what may be done with it. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../../planner/rows.ts';
import { faultsDuring, faultsOf, faultWords } from '../../../report/faults.ts';
import { execOf, isFailure } from '../../../report/results.ts';
import { dateTime } from '../../format.ts';
import { Badge, Empty, Panel, Stat, Table } from '../../parts.tsx';
import { href, usePlace } from '../../route.ts';
import { ActionButton, argsFor } from '../act.tsx';
import type { RunBook } from '../book.ts';
import { Gantt } from '../gantt.tsx';
import { useTestsOf } from '../hooks.ts';
import { useLine } from '../line.ts';
import { LeftOut, RunsNotice } from '../notice.tsx';
import { Counts, durationText, gradeCounts, Verdict } from '../verdict.tsx';
import { killRun, rerunAll, rerunFailed } from '../wishes.ts';
import { useSeconds } from './matrix.tsx';

const FAILURES_MAX = 200;

export function RunPage(): JSX.Element {
  const { query } = usePlace();
  const id = Number(query.get('id'));
  const book = useTestsOf([id]);
  const run = book.runs.get(id);
  if (run === undefined) {
    return book.isThere === true ? (
      <Empty>There is no such run.</Empty>
    ) : (
      <RunsNotice book={book} />
    );
  }
  return <Run book={book} run={run} />;
}

function Run({ book, run }: { book: RunBook; run: RunRow }): JSX.Element {
  const now = useSeconds(run.state === 'running');
  const tests = [...book.tests.values()].filter(({ runId }) => runId === run.id);
  const leaves = tests.filter(({ isToplevel }) => !isToplevel);
  const failed = leaves.filter(isFailure);
  const line = useLine(run);
  const faults = faultsOf(line.events);
  return (
    <>
      <Summary run={run} book={book} now={now} />
      <LeftOut book={book} runs={[run]} />
      <Panel title="Failures" note={failed.length === 0 ? undefined : `${failed.length}`}>
        <Table
          caption="Failed tests and items"
          rows={failed.slice(0, FAILURES_MAX)}
          keyOf={({ id }) => `${id}`}
          empty={run.state === 'done' ? 'Nothing failed.' : 'Nothing has failed so far.'}
          columns={[
            {
              title: 'Test',
              cell: (row) => <a href={href('test', { id: `${row.id}` })}>{execOf(row)}</a>,
            },
            { title: 'Result', cell: (row) => <Verdict row={row} /> },
            { title: 'Took', isNumber: true, cell: (row) => durationText(row, now) },
            { title: 'Comment', cell: ({ comment }) => comment },
            { title: 'Faults meanwhile', cell: (row) => faultWords(faultsDuring(faults, row)) },
          ]}
        />
      </Panel>
      <Panel title="Time line" note="with faults and the lag of the sync on the same axis">
        <Gantt tests={tests} line={line} now={run.endedAt ?? now} />
      </Panel>
    </>
  );
}

function Summary({ run, book, now }: { run: RunRow; book: RunBook; now: number }): JSX.Element {
  const sums = gradeCounts(run);
  const before = [...book.runs.values()]
    .filter(({ target, createdAt }) => target === run.target && createdAt < run.createdAt)
    .sort((one, other) => other.createdAt - one.createdAt)[0];
  return (
    <Panel
      title={`${run.name} of ${run.target}`}
      actions={<RunActions run={run} hasFailures={sums.bad + sums.broken > 0} />}
    >
      <dl class="stats">
        <Stat name="State">
          <Badge tone={run.state === 'running' ? 'warn' : 'idle'}>{run.state}</Badge>{' '}
          {run.isLocked ? <Badge tone="idle">locked</Badge> : null}
        </Stat>
        <Stat name="Results">
          <Counts run={run} />
        </Stat>
        <Stat name="Started">{dateTime(run.createdAt)}</Stat>
        <Stat name="Took">
          {durationText({ startedAt: run.createdAt, endedAt: run.endedAt } as TestRow, now)}
        </Stat>
        <Stat name="By">{run.owner}</Stat>
        <Stat name="Compare">
          {before === undefined ? (
            'the first of its target'
          ) : (
            <a href={href('compare', { a: `${before.id}`, b: `${run.id}` })}>with {before.name}</a>
          )}
        </Stat>
      </dl>
    </Panel>
  );
}

function RunActions({ run, hasFailures }: { run: RunRow; hasFailures: boolean }): JSX.Element {
  const common = { runId: run.id, testId: null };
  const name = `${run.name} of ${run.target}`;
  return (
    <>
      <ActionButton wish={hasFailures ? rerunFailed(run) : rerunAll(run)}>
        {hasFailures ? 'Rerun failed' : 'Run again'}
      </ActionButton>
      <ActionButton wish={killRun(run)}>Kill</ActionButton>
      <ActionButton
        wish={{
          ...common,
          action: run.isLocked ? 'unlock' : 'lock',
          button: run.isLocked ? 'Unlock' : 'Lock',
          says: run.isLocked
            ? `${name} may be changed again.`
            : `Nothing of ${name} is started or removed until it is unlocked.`,
          args: argsFor(run),
        }}
      >
        {run.isLocked ? 'Unlock' : 'Lock'}
      </ActionButton>
      <ActionButton
        wish={{
          ...common,
          action: 'remove-runs',
          button: 'Remove the run',
          says: `${name} is ended, then its files and results are removed. This cannot be undone.`,
          args: argsFor(run),
        }}
      >
        Remove
      </ActionButton>
    </>
  );
}
