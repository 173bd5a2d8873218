/** What is replicated, under which selectors, and how tables changed. */
import type { JSX } from 'preact';
import type { EngineLive, SchemaEvents, SelectorSizes } from '../../protocol/dashboard.ts';
import { useAsk } from '../ask.ts';
import { bytes, count, dateTime } from '../format.ts';
import { Badge, Bar, Empty, Failure, Panel, Table, type Tone } from '../parts.tsx';
import { href } from '../route.ts';
import { engineOf, useLive } from '../store.ts';
import { lookedText } from './explain.tsx';

export function TablesPage(): JSX.Element | null {
  const live = engineOf(useLive());
  if (live === null) return null;
  return (
    <>
      <TablesPanel live={live} />
      <SelectorsPanel />
      <SchemaPanel />
    </>
  );
}

const TABLE_TONES: Readonly<Record<string, Tone>> = {
  live: 'good',
  held: 'warn',
  unreadable: 'warn',
};

function TablesPanel({ live }: { live: EngineLive }): JSX.Element {
  const rows = Object.entries(live.tables).sort(([one], [other]) => one.localeCompare(other));
  return (
    <Panel title="Tables" note={`${count(rows.length)} replicated`}>
      <Table
        caption="Replicated tables"
        rows={rows}
        keyOf={([name]) => name}
        empty="No table is replicated yet. Give one a column _change_selector, or name it in the settings."
        columns={[
          { title: 'Table', cell: ([name]) => <code>{name}</code> },
          {
            title: 'State',
            cell: ([, { state }]) => <Badge tone={TABLE_TONES[state] ?? 'bad'}>{state}</Badge>,
          },
          {
            title: 'Selector',
            cell: ([, { selector }]) => (selector === undefined ? '' : <code>{selector}</code>),
          },
          {
            title: 'Direction',
            isMinor: true,
            cell: ([, { isTwoWay }]) => (isTwoWay ? 'two-way' : 'down'),
          },
          {
            title: 'Columns',
            isNumber: true,
            isMinor: true,
            cell: ([, { columns }]) => count(columns),
          },
          { title: 'Why not', cell: ([, { reason }]) => reason ?? '' },
        ]}
      />
    </Panel>
  );
}

function SelectorsPanel(): JSX.Element {
  const { answer, error, isAsking, again } = useAsk<SelectorSizes>('/v1/log/selectors');
  const largest = answer?.selectors[0]?.share ?? 1;
  return (
    <Panel
      title="Selectors by size"
      note={
        answer === null
          ? undefined
          : `${count(answer.selectorCount)} in ${lookedText(answer.looked)}`
      }
      actions={
        <button type="button" disabled={isAsking} onClick={again}>
          Count again
        </button>
      }
    >
      {error === null ? null : <Failure error={error} />}
      {answer === null ? (
        <Empty>{isAsking ? 'Counting…' : ''}</Empty>
      ) : (
        <Table
          caption="Selectors by their part of the log"
          rows={answer.selectors}
          keyOf={({ selector }) => selector}
          empty="The log is empty."
          columns={[
            {
              title: 'Selector',
              cell: ({ selector }) => <code>{selector === '*' ? 'everybody' : selector}</code>,
            },
            {
              title: 'Share',
              cell: ({ share }) => (
                <>
                  <Bar share={share / largest} /> {(share * 100).toFixed(1)} %
                </>
              ),
            },
            { title: 'Size', isNumber: true, cell: (one) => bytes(one.bytes) },
            { title: 'Changes', isNumber: true, cell: ({ segments }) => count(segments) },
            { title: 'Readers now', isNumber: true, cell: ({ readers }) => count(readers) },
          ]}
        />
      )}
    </Panel>
  );
}

const KINDS = {
  table: ['good', 'defined'],
  resync: ['warn', 'copied anew'],
  drop: ['bad', 'dropped'],
  truncate: ['warn', 'emptied'],
} as const;

function SchemaPanel(): JSX.Element {
  const { answer, error, isAsking, again } = useAsk<SchemaEvents>('/v1/log/schema');
  return (
    <Panel
      title="Schema events"
      note={answer === null ? undefined : lookedText(answer.looked)}
      actions={
        <button type="button" disabled={isAsking} onClick={again}>
          Look again
        </button>
      }
    >
      {error === null ? null : <Failure error={error} />}
      {answer === null ? (
        <Empty>{isAsking ? 'Looking…' : ''}</Empty>
      ) : (
        <Table
          caption="Changes of tables, the newest first"
          rows={answer.events}
          keyOf={({ ts, table, kind }) => `${ts} ${table} ${kind}`}
          empty="No table changed in this part of the log."
          columns={[
            {
              title: 'Position',
              cell: ({ ts }) => (
                <a href={href('log', { at: ts, ts })}>
                  <code>{ts}</code>
                </a>
              ),
            },
            { title: 'Committed', cell: ({ atMs }) => dateTime(atMs) },
            { title: 'Table', cell: ({ table }) => <code>{table}</code> },
            {
              title: 'Event',
              cell: ({ kind }) => <Badge tone={KINDS[kind][0]}>{KINDS[kind][1]}</Badge>,
            },
            { title: 'Detail', cell: ({ detail }) => <span class="note">{detail}</span> },
          ]}
        />
      )}
    </Panel>
  );
}
