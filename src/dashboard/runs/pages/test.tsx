/** One execution: its results, its log as it is written, its steps, its data, its history. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { DataRow, RunRow, StepRow, TestRow } from '../../../planner/rows.ts';
import { STATES } from '../../../planner/rows.ts';
import type { RunQueryResult } from '../../../planner/run-store.ts';
import { namedLine } from '../../../protocol/log-lines.ts';
import { execOf, gradeOf } from '../../../report/results.ts';
import { useAsk } from '../../ask.ts';
import { bytes, dateTime, seconds } from '../../format.ts';
import { Empty, Panel, Stat, Table } from '../../parts.tsx';
import { href, setQuery, usePlace } from '../../route.ts';
import { ActionButton, argsFor } from '../act.tsx';
import { useRuns, useTestsOf } from '../hooks.ts';
import { LogView } from '../log-view.tsx';
import { RunsNotice } from '../notice.tsx';
import { durationText, Verdict } from '../verdict.tsx';
import { useSeconds } from './matrix.tsx';

const HISTORY_ROWS = 30;

export function TestPage(): JSX.Element {
  const { query } = usePlace();
  const id = Number(query.get('id'));
  const book = useRuns();
  const asked = useAsk<RunQueryResult>(questionFor({ kind: 'test', testId: id }));
  const found = book.tests.get(id) ?? asked.answer?.tests?.[0];
  useTestsOf(found === undefined ? [] : [found.runId]);
  const row = book.tests.get(id) ?? found;
  const run = row === undefined ? undefined : book.runs.get(row.runId);
  if (row === undefined || run === undefined) {
    if (book.isThere !== true) return <RunsNotice book={book} />;
    return <Empty>{asked.isAsking ? 'Reading…' : 'There is no such test.'}</Empty>;
  }
  return <Test row={row} run={run} />;
}

function questionFor(query: object): string {
  return `/runs/v1/read?query=${encodeURIComponent(JSON.stringify(query))}`;
}

function Test({ row, run }: { row: TestRow; run: RunRow }): JSX.Element {
  const isOpen = gradeOf(row) === 'open';
  const now = useSeconds(isOpen);
  const steps = useAsk<RunQueryResult>(questionFor({ kind: 'steps', testId: row.id }));
  const data = useAsk<RunQueryResult>(questionFor({ kind: 'data', testId: row.id }));
  // A step that ends changes its test soon after: what is told of the test is the sign to look.
  useEffect(() => {
    steps.again();
    data.again();
  }, [row.seq]);
  const { query } = usePlace();
  const file = query.get('file') ?? row.log ?? '';
  return (
    <>
      <Summary row={row} run={run} now={now} />
      <LogView
        key={`${row.id} ${row.attempt} ${file}`}
        testId={row.id}
        file={file}
        isOpen={isOpen}
        line={lineOf(query.get('line'))}
        named={namedIn(file, row, steps.answer?.steps ?? [])}
      />
      <Steps rows={steps.answer?.steps ?? []} />
      <Data rows={data.answer?.data ?? []} />
      <History row={row} />
    </>
  );
}

function lineOf(text: string | null): number | null {
  const line = Number(text ?? '');
  return Number.isSafeInteger(line) && line > 0 ? line : null;
}

/** The line of a log that its rules have named. */
function namedIn(file: string, row: TestRow, steps: readonly StepRow[]): number | null {
  const step = steps.findLast(({ log }) => log === file);
  return namedLine(step?.comment ?? '') ?? (file === row.log ? namedLine(row.comment) : null);
}

function Summary({ row, run, now }: { row: TestRow; run: RunRow; now: number }): JSX.Element {
  return (
    <Panel title={execOf(row)} actions={<TestActions row={row} run={run} />}>
      <dl class="stats">
        <Stat name="Result">
          <span data-testid="verdict">
            <Verdict row={row} />
          </span>
        </Stat>
        <Stat name="Run">
          <a href={href('run', { id: `${run.id}` })}>{run.name}</a> of {run.target}
        </Stat>
        <Stat name="Took">{durationText(row, now) || 'not started'}</Stat>
        <Stat name="Started">{row.startedAt === null ? 'not yet' : dateTime(row.startedAt)}</Stat>
        <Stat name="Attempt">{row.attempt}</Stat>
        <Stat name="Host">{row.host ?? 'none'}</Stat>
        <Stat name="Processor">{row.cpuMs === null ? 'not known' : seconds(row.cpuMs / 1000)}</Stat>
        <Stat name="Memory">{bytes(row.rssMaxBytes)}</Stat>
        <Stat name="Exit code">{row.exitCode ?? 'none'}</Stat>
        {row.isStale ? <Stat name="Configuration">changed since: stale</Stat> : null}
      </dl>
      {row.comment === '' ? null : <p class="padded">{row.comment}</p>}
      {row.runDir === null ? null : (
        <p class="padded note">
          in <code>{row.runDir}</code>
        </p>
      )}
    </Panel>
  );
}

function TestActions({ row, run }: { row: TestRow; run: RunRow }): JSX.Element {
  const args = argsFor(run, row.isToplevel ? `${row.name}/%` : execOf(row));
  const common = { runId: run.id, testId: row.id };
  const name = `${execOf(row)} of ${run.name}`;
  return (
    <>
      <ActionButton
        wish={{
          ...common,
          action: 'rerun',
          button: 'Rerun',
          says: `${name} is started again.`,
          args: { ...args, rerun: { kind: 'all' } },
        }}
      >
        Rerun
      </ActionButton>
      <ActionButton
        wish={{
          ...common,
          action: 'kill',
          button: 'Kill',
          says: `${name} is ended with everything it has started.`,
          args,
        }}
      >
        Kill
      </ActionButton>
      <ActionButton
        wish={{
          ...{
            ...common,
            action: 'set-state',
            button: 'Set',
            args: { ...args, to: { state: row.state, status: row.status } },
          },
          says: `The state of ${name} is set by hand, whatever its tests say. The log of events tells who did it.`,
          asks: [
            { name: 'state', label: 'State', value: row.state, options: STATES, put: put('state') },
            { name: 'status', label: 'Status', value: row.status, put: put('status') },
            { name: 'comment', label: 'Why', value: '' },
          ],
        }}
      >
        Set state
      </ActionButton>
    </>
  );
}

/** The two halves of `to`. */
function put(field: 'state' | 'status'): (args: Record<string, unknown>, answer: string) => void {
  return (args, answer) => {
    args.to = { ...(args.to as object), [field]: answer };
  };
}

function Steps({ rows }: { rows: readonly StepRow[] }): JSX.Element {
  return (
    <Panel title="Steps">
      <Table
        caption="Steps"
        rows={rows}
        keyOf={({ id }) => `${id}`}
        empty="It has no steps."
        columns={[
          { title: 'Step', cell: ({ name }) => name },
          {
            title: 'Result',
            cell: (step) => (
              <Verdict
                row={{ state: step.state === 'end' ? 'COMPLETED' : 'RUNNING', status: step.status }}
              />
            ),
          },
          {
            title: 'Exit code',
            isNumber: true,
            cell: ({ exitCode, isMasked }) =>
              `${exitCode ?? ''}${isMasked ? ', masked by rules' : ''}`,
          },
          {
            title: 'Took',
            isNumber: true,
            cell: ({ startedAt, endedAt }) =>
              endedAt === null ? 'running' : seconds((endedAt - startedAt) / 1000),
          },
          {
            title: 'Log',
            cell: ({ log }) =>
              log === null ? (
                ''
              ) : (
                <button type="button" onClick={() => setQuery({ file: log, line: '' })}>
                  {log}
                </button>
              ),
          },
          { title: 'Comment', cell: ({ comment }) => comment },
        ]}
      />
    </Panel>
  );
}

function Data({ rows }: { rows: readonly DataRow[] }): JSX.Element | null {
  if (rows.length === 0) return null;
  return (
    <Panel title="Data" note="measured values against what was expected">
      <Table
        caption="Measured values"
        rows={rows}
        keyOf={({ id }) => `${id}`}
        empty=""
        columns={[
          { title: 'Category', cell: ({ category }) => category },
          { title: 'Variable', cell: ({ variable }) => variable },
          { title: 'Value', isNumber: true, cell: ({ value, units }) => `${value} ${units}` },
          { title: 'Expected', isNumber: true, cell: ({ expected }) => expected },
          { title: 'Tolerance', isNumber: true, cell: ({ tolerance }) => tolerance },
          {
            title: 'Result',
            cell: ({ status }) => (
              <Verdict row={{ state: 'COMPLETED', status: status.toUpperCase() }} />
            ),
          },
          { title: 'Comment', cell: ({ comment }) => comment },
        ]}
      />
    </Panel>
  );
}

function History({ row }: { row: TestRow }): JSX.Element {
  const { name, itemPath } = row;
  const { answer } = useAsk<RunQueryResult>(
    questionFor({ kind: 'history', name, itemPath, limit: HISTORY_ROWS }),
  );
  const book = useRuns();
  const rows = answer?.tests ?? [];
  const marks = rows
    .map((one) => gradeOf(one))
    .filter((grade) => grade !== 'open' && grade !== 'skipped');
  const switches = marks.filter(
    (grade, at) => at > 0 && (grade === 'good') !== (marks[at - 1] === 'good'),
  ).length;
  const rate = marks.length < 2 ? '' : `${switches} switches in ${marks.length} results`;
  return (
    <Panel title="History" note={rate}>
      <ul class="strip">
        {rows.map((one) => (
          <li key={one.id}>
            <a
              class="strip-link"
              href={href('test', { id: `${one.id}` })}
              title={book.runs.get(one.runId)?.name ?? ''}
            >
              <Verdict row={one} />
            </a>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
