/** Who an execution is and how it went, and what may be done with it. */
import type { JSX } from 'preact';
import type { RunRow, TestRow } from '../../planner/rows.ts';
import { STATES } from '../../planner/rows.ts';
import type { ExecutionFacts } from '../../protocol/run-files.ts';
import { execOf, patternOfName, patternOfRow } from '../../report/results.ts';
import { bytes, dateTime, seconds } from '../format.ts';
import { Badge, Panel, Stat } from '../parts.tsx';
import { href } from '../route.ts';
import { ActionButton, argsFor } from './act.tsx';
import { useRuns } from './hooks.ts';
import { untilText, useQuarantine } from './known.ts';
import { durationText, Verdict } from './verdict.tsx';
import { killTest, rerunTest } from './wishes.ts';

type SummaryProps = {
  readonly row: TestRow;
  readonly run: RunRow;
  readonly facts: ExecutionFacts | null;
  readonly now: number;
};

const HASH_CHARS = 12;

export function TestSummary({ row, run, facts, now }: SummaryProps): JSX.Element {
  return (
    <Panel title={execOf(row)} actions={<TestActions row={row} run={run} />}>
      <dl class="stats">
        <Stat name="Result">
          <span data-testid="verdict">
            <Verdict row={row} />
          </span>
          <Known row={row} now={now} />
        </Stat>
        <Stat name="Run">
          <a href={href('run', { id: `${run.id}` })}>{run.name}</a> of {run.target}
        </Stat>
        <Stat name="Numbers">
          test {row.id}, run {run.id}
        </Stat>
        <Stat name="Attempt">{row.attempt}</Stat>
        <Stat name="Took">{durationText(row, now) || 'not started'}</Stat>
        <Stat name="Started">{row.startedAt === null ? 'not yet' : dateTime(row.startedAt)}</Stat>
        <Stat name="Host">{row.host ?? 'none'}</Stat>
        <Stat name="Process">{processText(facts)}</Stat>
        <Stat name="Processor">{row.cpuMs === null ? 'not known' : seconds(row.cpuMs / 1000)}</Stat>
        <Stat name="Memory">{bytes(row.rssMaxBytes)}</Stat>
        <Stat name="Exit code">{row.exitCode ?? 'none'}</Stat>
        <Stat name="Configuration">
          {row.configHash === null ? (
            'none'
          ) : (
            <code title={row.configHash}>{row.configHash.slice(0, HASH_CHARS)}</code>
          )}{' '}
          {row.isStale ? <Badge tone="warn">STALE: it has changed since</Badge> : null}
        </Stat>
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

function processText(facts: ExecutionFacts | null): string {
  if (facts === null || facts.process === null) return 'not known here';
  return `${facts.process.pid}${facts.process.isAlive ? '' : ', ended'}`;
}

/** Whose known failure it is. */
function Known({ row, now }: { row: TestRow; now: number }): JSX.Element | null {
  const entry = useQuarantine().of(row);
  if (entry === null) return null;
  return (
    <span class="note">
      {' '}
      known: {entry.reason} ({entry.owner}, {untilText(entry, now)})
    </span>
  );
}

/** More are named by none: then it is all of the area's tests that wait. */
const NAMES_MAX = 500;

function TestActions({ row, run }: { row: TestRow; run: RunRow }): JSX.Element {
  const book = useRuns();
  const pattern = patternOfRow(row);
  const args = argsFor(run, pattern);
  const common = { runId: run.id, testId: row.id };
  const name = `${execOf(row)} of ${run.name}`;
  const inRun = new Set(
    [...book.tests.values()].flatMap((one) => (one.runId === run.id ? [one.name] : [])),
  );
  const all = inRun.size > NAMES_MAX ? '%' : [...inRun].map(patternOfName).join(',');
  return (
    <>
      <ActionButton wish={rerunTest(row, run)}>Rerun</ActionButton>
      <ActionButton
        wish={{
          ...{ ...common, action: 'rerun', button: 'Rerun from here' },
          says: `${name} is started again, and then all of the run that waits for it.`,
          args: { ...argsFor(run, all), rerun: { kind: 'chosen', pattern, downstream: true } },
        }}
      >
        Rerun from here
      </ActionButton>
      <ActionButton wish={killTest(row, run)}>Kill</ActionButton>
      <ActionButton
        wish={{
          ...{ ...common, action: 'set-state', button: 'Set' },
          args: { ...args, to: { state: row.state, status: row.status } },
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
