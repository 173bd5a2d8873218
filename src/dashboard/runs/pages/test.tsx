/** One execution: its results, its log as it is written, its steps, its data, its past, and how it is run again. */
import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { RunRow, StepRow, TestRow } from '../../../planner/rows.ts';
import { namedLine } from '../../../protocol/log-lines.ts';
import type { ExecutionFacts } from '../../../protocol/run-files.ts';
import { gradeOf } from '../../../report/results.ts';
import { useAsk } from '../../ask.ts';
import { Empty } from '../../parts.tsx';
import { usePlace } from '../../route.ts';
import { Artifacts } from '../artifacts.tsx';
import { useRunQuery } from '../ask-runs.ts';
import { EnvironmentDifference } from '../environment.tsx';
import { FaultsMet } from '../faults-met.tsx';
import { useRuns, useTestsOf } from '../hooks.ts';
import { LogView } from '../log-view.tsx';
import { RunsNotice } from '../notice.tsx';
import { besideProof, ProofPanel } from '../proof.tsx';
import { Reproduce } from '../reproduce.tsx';
import { Data, Steps } from '../test-parts.tsx';
import { Attempts, History } from '../test-past.tsx';
import { TestSummary } from '../test-summary.tsx';
import { useSeconds } from './matrix.tsx';

const HISTORY_ROWS = 30;
const EVENTS_MAX = 2000;

export function TestPage(): JSX.Element {
  const { query } = usePlace();
  const id = Number(query.get('id'));
  const book = useRuns();
  const asked = useRunQuery({ kind: 'test', testId: id });
  const found = book.tests.get(id) ?? asked.answer?.tests?.[0];
  useTestsOf(found === undefined ? [] : [found.runId]);
  // The page knows the newest runs only.
  const older = useRunQuery(
    found === undefined || book.runs.has(found.runId) ? null : { kind: 'runs', ids: [found.runId] },
  );
  const row = book.tests.get(id) ?? found;
  const run = row === undefined ? undefined : (book.runs.get(row.runId) ?? older.answer?.runs?.[0]);
  if (row === undefined || run === undefined) {
    if (book.isThere !== true) return <RunsNotice book={book} />;
    const isAsking = asked.isAsking || older.isAsking;
    return <Empty>{isAsking ? 'Reading…' : 'There is no such test.'}</Empty>;
  }
  return <Test key={row.id} row={row} run={run} />;
}

function Test({ row, run }: { row: TestRow; run: RunRow }): JSX.Element {
  const isOpen = gradeOf(row) === 'open';
  const now = useSeconds(isOpen);
  const { steps, data, events, history, pass, facts } = useAbout(row, run, isOpen ? now : 0);
  const { query } = usePlace();
  // While it runs nobody has said which log is shown first: that of the step that runs.
  const log = row.log ?? steps.findLast((step) => step.log !== null)?.log ?? '';
  const file = query.get('file') ?? log;
  return (
    <>
      <TestSummary {...{ row, run, facts, now }} />
      <LogView
        key={`${row.id} ${row.attempt} ${file}`}
        testId={row.id}
        file={file}
        isOpen={isOpen}
        line={lineOf(query.get('line'))}
        named={namedIn(file, row, steps)}
      />
      <Steps {...{ row, run }} rows={steps} names={facts?.steps ?? null} />
      <FaultsMet row={row} />
      <ProofPanel testId={row.id} data={data} />
      <Data rows={besideProof(data)} />
      <Reproduce {...{ row, run, data, facts }} />
      <History rows={history} />
      <EnvironmentDifference facts={facts} pass={pass} />
      <Attempts events={events} />
      <Artifacts testId={row.id} change={row.seq} />
    </>
  );
}

/** Everything beside its row, asked again when the row has changed; steps and data also with every `tick`. */
function useAbout(row: TestRow, run: RunRow, tick: number) {
  const { id: testId, name, itemPath } = row;
  const { target } = run;
  const steps = useRunQuery({ kind: 'steps', testId });
  const data = useRunQuery({ kind: 'data', testId });
  const of = { runId: null, testId, since: 0 };
  const events = useRunQuery({ kind: 'events', ...of, limit: EVENTS_MAX });
  const past = useRunQuery({ kind: 'history', name, itemPath, target, limit: HISTORY_ROWS });
  const history = past.answer?.tests ?? [];
  const pass = lastGood(history, row);
  const against = pass === null ? '' : `&against=${pass.id}`;
  const isKnown = past.answer !== null;
  const facts = useAsk<ExecutionFacts>(
    isKnown ? `/runs/v1/execution?test=${testId}${against}` : null,
  );
  const seen = useRef(row.seq);
  useEffect(() => {
    if (seen.current === row.seq) return;
    seen.current = row.seq;
    for (const one of [steps, data, events, past, facts]) one.again();
  }, [row.seq]);
  useEffect(() => {
    for (const one of tick === 0 ? [] : [steps, data]) one.again();
  }, [tick]);
  return {
    ...{ steps: steps.answer?.steps ?? [], data: data.answer?.data ?? [] },
    ...{ events: events.answer?.events ?? [], history, pass, facts: facts.answer },
  };
}

/** The newest good result before this one. */
function lastGood(history: readonly TestRow[], row: TestRow): TestRow | null {
  const isBefore = (one: TestRow): boolean => (one.endedAt ?? 0) <= (row.startedAt ?? Infinity);
  const good = history.find((one) => one.id !== row.id && isBefore(one) && gradeOf(one) === 'good');
  return good ?? null;
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
