/** What a time line shows, in words and numbers. */
import type { JSX } from 'preact';
import { faultsDuring, faultWords } from '../../report/faults.ts';
import { execOf } from '../../report/results.ts';
import type { HostUse, Piece } from '../../report/time-line.ts';
import { clockTime, seconds } from '../format.ts';
import { Stat, Table } from '../parts.tsx';
import { href } from '../route.ts';
import type { Chart } from './chart.ts';
import { wordOf } from './verdict.tsx';

/** Names in one sentence. */
const NAMES_MAX = 8;
/** Rows of the table that stands for the picture. */
const ROWS_MAX = 500;
const FAULTS_MAX = 200;

/** One execution in a sentence. */
export function pieceWords(chart: Chart, piece: Piece): string {
  const { row, from, to, id } = piece;
  const took = row.endedAt === null ? 'for' : 'took';
  const faults = faultsDuring(chart.faults, row);
  const parts = [
    `${execOf(row)}: ${wordOf(row)}, ${took} ${length(to - from)} from ${clockTime(from)}`,
    ...named('waited for', namesOf(chart, piece.after)),
    ...named('who waited for it:', namesOf(chart, chart.dependents.get(id) ?? [])),
    ...(chart.isCritical.has(id) ? ['on the critical path'] : []),
    ...named('faults meanwhile:', faults.length === 0 ? '' : faultWords(faults)),
  ];
  return parts.join('; ');
}

function named(words: string, names: string): readonly string[] {
  return names === '' ? [] : [`${words} ${names}`];
}

function namesOf({ byId }: Chart, ids: readonly number[]): string {
  const names = ids.flatMap((id) => byId.get(id) ?? []).map(({ row }) => execOf(row));
  const more = names.length - NAMES_MAX;
  const shown = names.slice(0, NAMES_MAX).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function length(ms: number): string {
  return seconds(ms / 1000);
}

/** How long it all took, how much of it was used, and how late the durable database was. */
export function Use({ chart }: { chart: Chart }): JSX.Element {
  const { whole, uses, lag, path, byId } = chart;
  const ran = path.reduce((sum, { id }) => sum + lengthOf(byId.get(id)), 0);
  const waited = path.reduce((sum, { waitedMs }) => sum + waitedMs, 0);
  return (
    <dl class="stats">
      <Stat name="From the first start to the last end">{length(whole.to - whole.from)}</Stat>
      {uses.map((use) => (
        <Stat key={use.host} name={`Used on ${use.host}`}>
          {useWords(use, whole.to - whole.from)}
        </Stat>
      ))}
      <Stat name="Critical path">
        {path.length} executions, {length(ran)}, and {length(waited)} of waits
      </Stat>
      <Stat name="Lag of the sync">
        {lag.length === 0
          ? 'not measured in this time'
          : `${length(Math.max(...lag.map(({ ageMs }) => ageMs)))} at most`}
      </Stat>
    </dl>
  );
}

function lengthOf(piece: Piece | undefined): number {
  return piece === undefined ? 0 : piece.to - piece.from;
}

function useWords({ slots, busyMs, idleMs }: HostUse, wholeMs: number): string {
  const share = Math.round((busyMs / (slots * wholeMs)) * 100);
  const many = slots === 1 ? '1 slot' : `${slots} slots`;
  return `${share} % of ${many}; nothing ran for ${length(idleMs)}`;
}

const WHY = {
  begin: 'the first',
  prerequisite: 'waited for the one before',
  room: 'had no room until the one before ended',
} as const;

/** What has to become shorter for the run to end earlier. */
export function CriticalPath({ chart }: { chart: Chart }): JSX.Element {
  const { path, byId } = chart;
  const rows = path.slice(-ROWS_MAX).flatMap((link) => {
    const piece = byId.get(link.id);
    return piece === undefined ? [] : [{ ...link, piece }];
  });
  return (
    <details open={rows.length <= NAMES_MAX}>
      <summary>The critical path: {path.length} executions explain when the run ended</summary>
      <Table
        caption="Critical path"
        rows={rows}
        keyOf={({ id }) => `${id}`}
        empty=""
        columns={[
          {
            title: 'Execution',
            cell: ({ id, piece }) => (
              <a href={href('test', { id: `${id}` })}>{execOf(piece.row)}</a>
            ),
          },
          { title: 'Why then', cell: ({ why }) => WHY[why] },
          { title: 'After', isNumber: true, cell: ({ waitedMs }) => length(waitedMs) },
          { title: 'Took', isNumber: true, cell: ({ piece }) => length(lengthOf(piece)) },
        ]}
      />
    </details>
  );
}

export function FaultList({ chart }: { chart: Chart }): JSX.Element | null {
  const { faults, byId } = chart;
  if (faults.length === 0) return null;
  const by = (testId: number | null): string => {
    const piece = byId.get(testId ?? -1);
    return piece === undefined ? 'another run' : execOf(piece.row);
  };
  return (
    <details>
      <summary>
        {faults.length} {faults.length === 1 ? 'fault was' : 'faults were'} injected
      </summary>
      <Table
        caption="Faults"
        rows={faults.slice(0, FAULTS_MAX)}
        keyOf={({ testId, name, from }) => `${testId} ${name} ${from}`}
        empty=""
        columns={[
          { title: 'At', cell: ({ from }) => clockTime(from) },
          { title: 'Fault', cell: ({ name }) => name },
          {
            title: 'Took',
            isNumber: true,
            cell: ({ from, to }) => (to === null ? 'not told' : length(to - from)),
          },
          { title: 'By', cell: ({ testId }) => by(testId) },
          {
            title: 'Seen of it',
            cell: ({ effects }) => (effects.length === 0 ? 'nothing' : effects.join('; ')),
          },
        ]}
      />
    </details>
  );
}

/** The same as the picture, as text. */
export function PieceTable({ chart }: { chart: Chart }): JSX.Element {
  const { lanes, whole, pieces } = chart;
  const place = new Map(
    lanes.flatMap(({ host, slot, pieces: own }) =>
      own.map(({ id }) => [id, `${host} ${slot}`] as const),
    ),
  );
  return (
    <details>
      <summary>The time line as a table</summary>
      <Table
        caption="The time line as a table"
        rows={pieces.slice(0, ROWS_MAX)}
        keyOf={({ id }) => `${id}`}
        empty=""
        columns={[
          {
            title: 'Execution',
            cell: ({ id, row }) => <a href={href('test', { id: `${id}` })}>{execOf(row)}</a>,
          },
          { title: 'Result', cell: ({ row }) => wordOf(row) },
          { title: 'Host and slot', cell: ({ id }) => place.get(id) ?? '' },
          { title: 'Started after', isNumber: true, cell: ({ from }) => length(from - whole.from) },
          { title: 'Took', isNumber: true, cell: (piece) => length(lengthOf(piece)) },
          { title: 'Waited for', cell: ({ after }) => namesOf(chart, after) },
          {
            title: 'Critical path',
            cell: ({ id }) => (chart.isCritical.has(id) ? 'on it' : ''),
          },
          {
            title: 'Faults meanwhile',
            cell: ({ row }) => faultWords(faultsDuring(chart.faults, row)),
          },
        ]}
      />
      {pieces.length > ROWS_MAX ? (
        <p class="note">
          The first {ROWS_MAX} of {pieces.length}.
        </p>
      ) : null}
    </details>
  );
}
