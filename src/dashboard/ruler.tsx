/** The log as a line from since to upper, with everybody who keeps its beginning, and the slot's position. */
import type { JSX } from 'preact';
import type { EngineLive, LiveHold } from '../protocol/dashboard.ts';
import { bytes, seconds } from './format.ts';
import { Badge, Table } from './parts.tsx';

const KINDS: Readonly<Record<LiveHold['kind'], string>> = {
  policy: 'the policy of what is kept',
  restart: 'the time after a restart',
  lease: 'lease of a replica',
  snapshot: 'a snapshot under way',
  subscriber: 'a reader that is not caught up',
};
/** Marks on the line; the table has the others. */
const MARKS_MAX = 24;

export function LogRuler({ live }: { live: EngineLive }): JSX.Element {
  const { log, holds = [] } = live;
  const held = holds.filter(({ state }) => state === 'held');
  const share = ({ lagBytes }: { readonly lagBytes: number }): number =>
    log.spanBytes === 0 ? 1 : 1 - Math.min(1, lagBytes / log.spanBytes);
  return (
    <div>
      <div class="ruler" aria-hidden="true">
        <span class="track" />
        {held.slice(0, MARKS_MAX).map((hold, at) => (
          <span
            key={`${hold.kind} ${hold.owner}`}
            class={at === 0 ? 'mark first' : 'mark'}
            style={{ left: `${share(hold) * 100}%` }}
            title={`${KINDS[hold.kind]}: ${hold.owner}`}
          />
        ))}
        <span class="end">since {log.since}</span>
        <span class="end right">upper {log.upper}</span>
      </div>
      <Table
        caption="Who keeps the log, the lowest position first"
        rows={holds}
        keyOf={({ kind, owner }) => `${kind} ${owner}`}
        empty="Nobody keeps the log: what is older than the policy goes."
        columns={[
          { title: 'Held by', cell: ({ kind }) => KINDS[kind] },
          {
            title: 'Owner',
            cell: ({ owner, kind }) => (owner === kind ? '' : <code>{owner}</code>),
          },
          { title: 'Position', cell: ({ ts }) => <code>{ts}</code> },
          { title: 'Keeps', isNumber: true, cell: ({ lagBytes }) => bytes(lagBytes) },
          { title: 'For', isNumber: true, isMinor: true, cell: ({ lagS }) => seconds(lagS) },
          {
            title: 'State',
            cell: ({ state }) => (
              <Badge tone={state === 'held' ? 'good' : 'bad'}>
                {state === 'held' ? 'held' : 'broken: the log was cut'}
              </Badge>
            ),
          },
        ]}
      />
    </div>
  );
}
