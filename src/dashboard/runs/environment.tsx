/** How the environment of an execution differs from that of the last good one. */
import type { JSX } from 'preact';
import type { TestRow } from '../../planner/rows.ts';
import type { EnvironmentChange, ExecutionFacts } from '../../protocol/run-files.ts';
import { count } from '../format.ts';
import { Empty, Panel, Table } from '../parts.tsx';
import { href } from '../route.ts';
import { useRuns } from './hooks.ts';

type EnvironmentProps = {
  readonly facts: ExecutionFacts | null;
  /** The last good result before this one. */
  readonly pass: TestRow | null;
};

export function EnvironmentDifference({ facts, pass }: EnvironmentProps): JSX.Element {
  const book = useRuns();
  const changes = facts?.environment ?? null;
  const run = pass === null ? undefined : book.runs.get(pass.runId);
  return (
    <Panel
      title="Environment"
      note={
        pass === null ? undefined : (
          <>
            {changes === null ? '' : `${count(changes.length)} variables `}differ from the last good
            result,{' '}
            <a href={href('test', { id: `${pass.id}` })}>{run?.name ?? `test ${pass.id}`}</a>
          </>
        )
      }
    >
      {changes === null ? (
        <Empty>{emptyText(pass)}</Empty>
      ) : (
        <Table<EnvironmentChange>
          caption="Variables that differ"
          rows={changes}
          keyOf={({ name }) => name}
          empty="Both had the same variables."
          columns={[
            { title: 'Variable', cell: ({ name }) => <code>{name}</code> },
            { title: 'Change', cell: ({ change }) => change },
            { title: 'Before', cell: (one) => <Value {...one} value={one.before} /> },
            { title: 'After', cell: (one) => <Value {...one} value={one.after} /> },
          ]}
        />
      )}
    </Panel>
  );
}

function emptyText(pass: TestRow | null): string {
  return pass === null
    ? 'There is no good result of this target before it.'
    : 'One of the two has left no record of its environment on this host.';
}

function Value({
  isTold,
  value,
}: EnvironmentChange & { value: string | null }): JSX.Element | null {
  if (value !== null) return <code>{value}</code>;
  return isTold ? null : <span class="note">not shown: not set by the area, or a secret</span>;
}
