/** What an execution has said of itself: its steps and its data. */
import type { JSX } from 'preact';
import type { DataRow, StepRow } from '../../planner/rows.ts';
import { namedLine } from '../../protocol/log-lines.ts';
import { seconds } from '../format.ts';
import { Panel, Table } from '../parts.tsx';
import { setQuery } from '../route.ts';
import { Verdict } from './verdict.tsx';

export function Steps({ rows }: { rows: readonly StepRow[] }): JSX.Element {
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
          { title: 'Log', cell: (step) => <StepLog step={step} /> },
          { title: 'Comment', cell: ({ comment }) => comment },
        ]}
      />
    </Panel>
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
