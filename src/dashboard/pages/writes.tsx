/** Writes of replicas that Postgres refused: each stays in its file, with the reason, until somebody looks. */
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { RejectedWrites } from '../../protocol/dashboard.ts';
import { useAsk } from '../ask.ts';
import { count, dateTime } from '../format.ts';
import { Badge, Empty, Failure, Panel, Stat, Table } from '../parts.tsx';

const ASK_MS = 5000;

export function WritesPage(): JSX.Element {
  const { answer, error, isAsking, again } = useAsk<RejectedWrites>('/v1/rejected');
  useEffect(() => {
    const timer = setInterval(again, ASK_MS);
    return () => clearInterval(timer);
  }, []);
  const totals = Object.entries(answer?.totals ?? {});
  return (
    <Panel title="Rejected writes" note="of two-way tables, since the server started">
      {error === null ? null : <Failure error={error} />}
      {totals.length === 0 ? null : (
        <dl class="stats">
          {totals.map(([code, times]) => (
            <Stat key={code} name={code}>
              {count(times)}
            </Stat>
          ))}
        </dl>
      )}
      {answer === null ? (
        <Empty>{isAsking ? 'Asking…' : ''}</Empty>
      ) : (
        <Table
          caption="Rejected writes, the newest first"
          rows={answer.latest}
          keyOf={({ site, number, atMs }) => `${site} ${number} ${atMs}`}
          empty="Nothing was refused. Refused writes are taken back in their file and listed here."
          columns={[
            { title: 'When', cell: ({ atMs }) => dateTime(atMs) },
            { title: 'Code', cell: ({ code }) => <Badge tone="warn">{code}</Badge> },
            {
              title: 'Table',
              cell: ({ table }) => (table === undefined ? '' : <code>{table}</code>),
            },
            { title: 'Key', cell: ({ key }) => (key === undefined ? '' : <code>{key}</code>) },
            { title: 'Reason', cell: ({ message }) => message },
            { title: 'User', cell: ({ user }) => user },
            {
              title: 'File',
              isMinor: true,
              cell: ({ site, number }) => (
                <>
                  <code>{site}</code> no. {number}
                </>
              ),
            },
          ]}
        />
      )}
    </Panel>
  );
}
