/** What an execution has said of itself: its steps and its data. */
import type { JSX } from 'preact';
import type { DataRow, RunRow, StepRow, TestRow } from '../../planner/rows.ts';
import { namedLine } from '../../protocol/log-lines.ts';
import { seconds } from '../format.ts';
import { Panel, Table } from '../parts.tsx';
import { setQuery } from '../route.ts';
import { ActionButton, useAway } from './act.tsx';
import { Verdict } from './verdict.tsx';
import { rerunSteps, stepsRefusal } from './wishes.ts';

type StepsProps = {
  readonly rows: readonly StepRow[];
  readonly row: TestRow;
  readonly run: RunRow;
  /** Of its configuration; null: not known here. Others were told by the test itself. */
  readonly names: readonly string[] | null;
};

export function Steps({ rows, row, run, names }: StepsProps): JSX.Element {
  const away = useAway();
  const refusal = away ?? stepsRefusal(row, run);
  return (
    <Panel title="Steps" note={rows.length === 0 ? undefined : (refusal ?? undefined)}>
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
          { title: 'Log', cell: (step) => <StepLog step={step} /> },
          { title: 'Comment', cell: ({ comment }) => comment },
          {
            title: 'Again',
            cell: ({ name: step }) => (
              <Again
                {...{ row, run, step }}
                refusal={refusal ?? (names?.includes(step) === false ? TOLD : null)}
              />
            ),
          },
        ]}
      />
    </Panel>
  );
}

const TOLD = 'The test itself tells of this step: rerun the one that it is part of';

type AgainProps = {
  readonly row: TestRow;
  readonly run: RunRow;
  readonly step: string;
  readonly refusal: string | null;
};

function Again({ row, run, step, refusal }: AgainProps): JSX.Element {
  return (
    <span class="line">
      <ActionButton
        wish={rerunSteps(row, run, { step, isOnly: false })}
        label={`Rerun from here: ${step}`}
        refusal={refusal}
      >
        Rerun from here
      </ActionButton>
      <ActionButton
        wish={rerunSteps(row, run, { step, isOnly: true })}
        label={`Rerun this step: ${step}`}
        refusal={refusal}
      >
        Rerun this step
      </ActionButton>
    </span>
  );
}

/** The log, and the line of it that a rule has named. */
function StepLog({ step: { log, comment } }: { step: StepRow }): JSX.Element | null {
  if (log === null) return null;
  const line = namedLine(comment);
  return (
    <span class="line">
      <button type="button" onClick={() => setQuery({ file: log, line: '' })}>
        {log}
      </button>
      {line === null ? null : (
        <button type="button" onClick={() => setQuery({ file: log, line: `${line}` })}>
          line {line}
        </button>
      )}
    </span>
  );
}

export function Data({ rows }: { rows: readonly DataRow[] }): JSX.Element | null {
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
