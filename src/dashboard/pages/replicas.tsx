/** Who reads: leases of replicas and open feeds, those that are furthest behind first. */
import type { JSX } from 'preact';
import type { LiveLease, LiveReader } from '../../protocol/dashboard.ts';
import { bytes, count, seconds } from '../format.ts';
import { Badge, Empty, Panel, Table } from '../parts.tsx';
import { setQuery, usePlace } from '../route.ts';
import { engineOf, useLive } from '../store.ts';

export function ReplicasPage(): JSX.Element | null {
  const live = engineOf(useLive());
  const { query } = usePlace();
  const filter = query.get('find') ?? '';
  if (live === null) return null;
  const { leases, readers } = live;
  if (leases === undefined || readers === undefined) {
    return <Empty>Who reads is shown to administrators: use a token with the scope admin.</Empty>;
  }
  const finds = (...texts: readonly (string | undefined)[]): boolean =>
    texts.some((text) => text?.toLowerCase().includes(filter.toLowerCase()) === true);
  const shownLeases = Object.entries(leases).filter(([replica, { subject }]) =>
    finds(replica, subject),
  );
  const shownReaders = Object.entries(readers).filter(([, reader]) =>
    finds(reader.replica, ...reader.selectors),
  );
  return (
    <>
      <Filter value={filter} />
      <Leases rows={byLag(shownLeases)} total={live.replicas.leases} />
      <Readers rows={byLag(shownReaders)} total={live.feeds.readers} />
    </>
  );
}

function byLag<T extends { readonly lagS: number; readonly lagBytes: number }>(
  rows: readonly (readonly [string, T])[],
): readonly (readonly [string, T])[] {
  return [...rows].sort(
    ([one, a], [other, b]) =>
      b.lagS - a.lagS || b.lagBytes - a.lagBytes || one.localeCompare(other),
  );
}

function Filter({ value }: { value: string }): JSX.Element {
  return (
    <search class="filter">
      <label>
        Find <span class="note">replica, user or selector</span>
        <input
          {...{ type: 'search', value, spellcheck: false }}
          onInput={(event) => setQuery({ find: event.currentTarget.value })}
        />
      </label>
    </search>
  );
}

type Rows<T> = { readonly rows: readonly (readonly [string, T])[]; readonly total: number };

function shownOf({ rows, total }: Rows<unknown>): string {
  return rows.length < total ? `${count(rows.length)} of ${count(total)}` : count(total);
}

function Leases(props: Rows<LiveLease>): JSX.Element {
  return (
    <Panel
      title="Replicas"
      note={`${shownOf(props)}; a lease keeps the log for a replica while it is away`}
    >
      <Table
        caption="Leases of replicas"
        rows={props.rows}
        keyOf={([replica]) => replica}
        empty="No replica has a lease here."
        columns={[
          { title: 'Replica', cell: ([replica]) => <code>{replica}</code> },
          { title: 'User', isMinor: true, cell: ([, { subject }]) => subject ?? '' },
          { title: 'State', cell: ([, lease]) => <LeaseBadge lease={lease} /> },
          { title: 'Position', cell: ([, { ts }]) => <code>{ts}</code> },
          { title: 'Behind', isNumber: true, cell: ([, { lagBytes }]) => bytes(lagBytes) },
          { title: 'For', isNumber: true, cell: ([, { lagS }]) => seconds(lagS) },
          {
            title: 'Lease ends in',
            isNumber: true,
            isMinor: true,
            cell: ([, { expiresInS }]) => seconds(expiresInS),
          },
        ]}
      />
    </Panel>
  );
}

function LeaseBadge({ lease: { state, isConnected } }: { lease: LiveLease }): JSX.Element {
  if (state === 'broken') return <Badge tone="bad">must copy anew</Badge>;
  return isConnected ? <Badge tone="good">connected</Badge> : <Badge tone="idle">away</Badge>;
}

function Readers(props: Rows<LiveReader>): JSX.Element {
  return (
    <Panel title="Feeds" note={`${shownOf(props)} open`}>
      <Table
        caption="Open feeds"
        rows={props.rows}
        keyOf={([id]) => id}
        empty="No feed is open."
        columns={[
          {
            title: 'Replica',
            cell: ([id, { replica }]) => <code>{replica ?? `reader ${id}`}</code>,
          },
          {
            title: 'Selectors',
            cell: ([, { selectors, selectorCount }]) => (
              <>
                {selectors.map((selector) => (
                  <code key={selector} class="chip">
                    {selector}
                  </code>
                ))}
                {selectorCount > selectors.length
                  ? ` and ${selectorCount - selectors.length} more`
                  : ''}
              </>
            ),
          },
          {
            title: 'State',
            cell: ([, { state }]) => (
              <Badge tone={state === 'caught up' ? 'good' : 'warn'}>{state}</Badge>
            ),
          },
          { title: 'Position', cell: ([, { ts }]) => <code>{ts}</code> },
          { title: 'Behind', isNumber: true, cell: ([, { lagBytes }]) => bytes(lagBytes) },
          { title: 'For', isNumber: true, cell: ([, { lagS }]) => seconds(lagS) },
        ]}
      />
    </Panel>
  );
}
