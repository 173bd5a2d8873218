/**
 * The time line of a run: a lane for each slot of each host, faults and the lag of the sync on the same axis. One part of it is
 * reached by Tab, the others by the arrow keys; all that it shows stands in words below it too.
 */
import type { JSX } from 'preact';
import { useMemo, useRef, useState } from 'preact/hooks';
import type { TestRow } from '../../planner/rows.ts';
import type { Piece, Stretch } from '../../report/time-line.ts';
import { clockTime, seconds } from '../format.ts';
import { Empty } from '../parts.tsx';
import { setQuery, usePlace } from '../route.ts';
import { type Chart, chartOf, drawnOf, LANES_MAX, viewOf, within, zoomed } from './chart.ts';
import { Board } from './gantt-board.tsx';
import { CriticalPath, FaultList, PieceTable, pieceWords, Use } from './gantt-words.tsx';
import type { Line } from './line.ts';
import './time-line.css';

type GanttProps = {
  readonly tests: readonly TestRow[];
  readonly line: Line;
  readonly now: number;
};

export function Gantt({ tests, line, now }: GanttProps): JSX.Element {
  const chart = useMemo(() => chartOf(tests, line, now), [tests, line, now]);
  if (chart.pieces.length === 0) return <Empty>Nothing has started.</Empty>;
  return <Drawn chart={chart} />;
}

const CLOSER = 0.5;
const WIDER = 2;

function Drawn({ chart }: { chart: Chart }): JSX.Element {
  const { query } = usePlace();
  const view = viewOf(chart.whole, query);
  const [focused, setFocused] = useState<number | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const board = useRef<HTMLDivElement>(null);
  const chosen = chart.byId.get(focused ?? -1) ?? chart.pieces[0];
  const near = chart.byId.get(hovered ?? focused ?? -1);
  const drawn = drawnOf(chart, view, chart.isCritical);
  const show = (next: Stretch): void => setView(chart.whole, next);
  const go = (piece: Piece | undefined): void => {
    if (piece === undefined) return;
    setFocused(piece.id);
    if (piece.from > view.to || piece.to < view.from) show(shifted(view, piece));
    // Only what is drawn can have the focus.
    requestAnimationFrame(() =>
      board.current?.querySelector<HTMLElement>(`[data-id="${piece.id}"]`)?.focus(),
    );
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey || chosen === undefined) return;
    const act = keyed(event.key, { chart, view, chosen, show, go });
    if (act === null) return;
    event.preventDefault();
    act();
  };
  return (
    <div class="gantt">
      <Use chart={chart} />
      <Tools view={view} whole={chart.whole} show={show} />
      {/* biome-ignore lint/a11y/noStaticElementInteractions: the keys belong to the links inside */}
      <div ref={board} onKeyDown={onKeyDown}>
        <Board
          {...{ chart, view, drawn, near }}
          tabId={chosen?.id ?? null}
          onFocus={setFocused}
          onHover={setHovered}
        />
      </div>
      <p class="said note">
        {near === undefined
          ? 'Point at an execution, or go to one with Tab and the arrow keys: what it waited for, and who waited for it.'
          : pieceWords(chart, near)}
      </p>
      <Left chart={chart} drawn={drawn.size} />
      <CriticalPath chart={chart} />
      <FaultList chart={chart} />
      <PieceTable chart={chart} />
    </div>
  );
}

function setView(whole: Stretch, next: Stretch): void {
  const { from, to } = within(whole, next);
  const isWhole = from === whole.from && to === whole.to;
  setQuery(
    isWhole
      ? { from: '', to: '' }
      : { from: `${Math.round(from - whole.from)}`, to: `${Math.round(to - whole.from)}` },
  );
}

/** The same length, around the piece. */
function shifted({ from, to }: Stretch, piece: Stretch): Stretch {
  const middle = (piece.from + Math.min(piece.to, piece.from + to - from)) / 2;
  return { from: middle - (to - from) / 2, to: middle + (to - from) / 2 };
}

type Keyed = {
  readonly chart: Chart;
  readonly view: Stretch;
  readonly chosen: Piece;
  readonly show: (view: Stretch) => void;
  readonly go: (piece: Piece | undefined) => void;
};

/** What a key does here; null: nothing. */
function keyed(key: string, { chart, view, chosen, show, go }: Keyed): (() => void) | null {
  const { lanes, whole } = chart;
  const lane = lanes.findIndex(({ pieces }) => pieces.includes(chosen));
  const pieces = lanes[lane]?.pieces ?? [];
  const at = pieces.indexOf(chosen);
  const beside = (by: number): Piece | undefined => {
    const other = lanes[lane + by]?.pieces ?? [];
    return other.findLast(({ from }) => from <= chosen.from) ?? other[0];
  };
  const acts: Readonly<Record<string, () => void>> = {
    ArrowRight: () => go(pieces[at + 1]),
    ArrowLeft: () => go(pieces[at - 1]),
    ArrowDown: () => go(beside(1)),
    ArrowUp: () => go(beside(-1)),
    Home: () => go(pieces[0]),
    End: () => go(pieces.at(-1)),
    '+': () => show(zoomed(view, CLOSER, chosen.from)),
    '=': () => show(zoomed(view, CLOSER, chosen.from)),
    '-': () => show(zoomed(view, WIDER, chosen.from)),
    '0': () => show(whole),
  };
  return acts[key] ?? null;
}

type ToolsProps = {
  readonly view: Stretch;
  readonly whole: Stretch;
  readonly show: (view: Stretch) => void;
};

function Tools({ view, whole, show }: ToolsProps): JSX.Element {
  const { from, to } = view;
  const middle = (from + to) / 2;
  const half = (to - from) / 2;
  const isWhole = to - from >= whole.to - whole.from;
  const button = (name: string, next: Stretch, isOff: boolean): JSX.Element => (
    <button type="button" disabled={isOff} onClick={() => show(next)}>
      {name}
    </button>
  );
  return (
    <div class="tools">
      {button('Closer', zoomed(view, CLOSER, middle), false)}
      {button('Wider', zoomed(view, WIDER, middle), isWhole)}
      {button('Earlier', { from: from - half, to: to - half }, from <= whole.from)}
      {button('Later', { from: from + half, to: to + half }, to >= whole.to)}
      {button('All', whole, isWhole)}
      <span class="note">
        {clockTime(from)} to {clockTime(to)}, {seconds((to - from) / 1000)}
      </span>
    </div>
  );
}

function Left({ chart, drawn }: { chart: Chart; drawn: number }): JSX.Element | null {
  const { lanes, pieces } = chart;
  if (lanes.length <= LANES_MAX && drawn === pieces.length) return null;
  return (
    <p class="note">
      {drawn} of {pieces.length} executions are drawn
      {lanes.length > LANES_MAX ? `, in ${LANES_MAX} of ${lanes.length} slots` : ''}; look closer
      for the others.
    </p>
  );
}
