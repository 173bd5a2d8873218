/** The picture of a time line: lanes with executions, what waited for what, faults and the lag below them. */
import type { JSX } from 'preact';
import type { Link } from '../../report/critical-path.ts';
import { execOf } from '../../report/results.ts';
import type { HostUse, Lane, Piece, Stretch } from '../../report/time-line.ts';
import { clockTime } from '../format.ts';
import { href } from '../route.ts';
import { type Chart, endingAt, isIn, LANES_MAX } from './chart.ts';
import { pieceWords } from './gantt-words.tsx';
import { toneOf } from './verdict.tsx';

const TICKS = 5;
/** As in time-line.css. */
const LANE_PX = 26;
/** Units of the drawing's width. */
const WIDTH = 1000;
/** Arrows to who waited for one execution. */
const ARROWS_MAX = 100;

type BoardProps = {
  readonly chart: Chart;
  readonly view: Stretch;
  readonly drawn: ReadonlySet<number>;
  /** The one that is pointed at, or has the focus. */
  readonly near: Piece | undefined;
  /** The one that Tab reaches. */
  readonly tabId: number | null;
  readonly onFocus: (id: number | null) => void;
  readonly onHover: (id: number | null) => void;
};

export function Board(props: BoardProps): JSX.Element {
  const { chart, view } = props;
  const lanes = chart.lanes.slice(0, LANES_MAX);
  const use = new Map(chart.uses.map((one) => [one.host, one]));
  return (
    <div class="board">
      <Axis {...view} />
      <div class="board">
        <ul class="lanes" aria-label="Slots">
          {lanes.map((lane) => (
            <Slot
              key={`${lane.host} ${lane.slot}`}
              {...props}
              lane={lane}
              use={use.get(lane.host)}
            />
          ))}
          {chart.lag.length === 0 ? null : <LagLane {...{ chart, view }} />}
        </ul>
        <Faults {...{ chart, view }} />
        <Arrows {...props} lanes={lanes} />
      </div>
    </div>
  );
}

function Axis({ from, to }: Stretch): JSX.Element {
  const ticks = Array.from({ length: TICKS }, (_, at) => from + ((to - from) * at) / (TICKS - 1));
  return (
    <div class="axis" aria-hidden="true">
      <span />
      <span class="ticks">
        {ticks.map((at) => (
          <span key={at}>{clockTime(at)}</span>
        ))}
      </span>
    </div>
  );
}

function placed(view: Stretch, { from, to }: Stretch): { left: string; width: string } {
  const share = (at: number): number => ((at - view.from) / (view.to - view.from)) * 100;
  const [left, right] = [Math.max(-1, share(from)), Math.min(101, share(to))];
  return { left: `${left}%`, width: `${Math.max(0.2, right - left)}%` };
}

type SlotProps = BoardProps & { readonly lane: Lane; readonly use: HostUse | undefined };

function Slot({ chart, view, drawn, near, tabId, onFocus, onHover, lane, use }: SlotProps) {
  const linked = new Set(near === undefined ? [] : [...near.after, ...waitersOf(chart, near)]);
  return (
    <li>
      <span class="name">
        {lane.host} slot {lane.slot}
      </span>
      <div class="lane">
        {(use?.idle ?? [])
          .filter((gap) => isIn(view, gap))
          .map((gap) => (
            <span key={gap.from} class="idle" style={placed(view, gap)} title="nothing ran" />
          ))}
        <ul>
          {lane.pieces
            .filter(({ id }) => drawn.has(id))
            .map((piece) => (
              <li key={piece.id}>
                <a
                  data-id={piece.id}
                  class={classOf(piece, chart.isCritical.has(piece.id), linked.has(piece.id))}
                  href={href('test', { id: `${piece.id}` })}
                  tabIndex={piece.id === tabId ? 0 : -1}
                  style={placed(view, piece)}
                  aria-label={pieceWords(chart, piece)}
                  onFocus={() => onFocus(piece.id)}
                  onMouseEnter={() => onHover(piece.id)}
                  onMouseLeave={() => onHover(null)}
                >
                  {execOf(piece.row)}
                </a>
              </li>
            ))}
        </ul>
      </div>
    </li>
  );
}

function classOf({ row }: Piece, isCritical: boolean, isNear: boolean): string {
  const tone = toneOf(row);
  return [
    ...['piece', tone === 'idle' ? 'idle-tone' : tone],
    ...(isCritical ? ['critical'] : []),
    ...(isNear ? ['near'] : []),
  ].join(' ');
}

function waitersOf({ dependents }: Chart, { id }: Piece): readonly number[] {
  return dependents.get(id) ?? [];
}

function LagLane({ chart, view }: Pick<BoardProps, 'chart' | 'view'>): JSX.Element {
  const highest = Math.max(1, ...chart.lag.map(({ ageMs }) => ageMs));
  const bars = chart.lag
    .filter(({ at }) => at >= view.from && at <= view.to)
    .map(({ at, ageMs }) => {
      const x = ((at - view.from) / (view.to - view.from)) * WIDTH;
      return `M${x.toFixed(1)} ${LANE_PX}v-${((ageMs / highest) * (LANE_PX - 2)).toFixed(1)}h3V${LANE_PX}z`;
    });
  return (
    <li class="lag">
      <span class="name">lag of the sync</span>
      <div class="lane" aria-hidden="true">
        <svg viewBox={`0 0 ${WIDTH} ${LANE_PX}`} preserveAspectRatio="none" aria-hidden="true">
          <path d={bars.join('')} />
        </svg>
      </div>
    </li>
  );
}

function Faults({ chart, view }: Pick<BoardProps, 'chart' | 'view'>): JSX.Element {
  const shown = chart.faults.filter((fault) => isIn(view, endingAt(fault)));
  return (
    <div class="overlay" aria-hidden="true">
      {shown.map((fault) => (
        <span
          key={`${fault.testId} ${fault.name} ${fault.from}`}
          class={fault.effects.length > 0 ? 'fault seen' : 'fault'}
          style={placed(view, endingAt(fault))}
          title={fault.name}
        />
      ))}
    </div>
  );
}

type ArrowsProps = BoardProps & { readonly lanes: readonly Lane[] };

/** Of the critical path always; of what one points at, to all that it waited for and that waited for it. */
function Arrows({ chart, view, near, lanes }: ArrowsProps): JSX.Element {
  const height = (lanes.length + (chart.lag.length === 0 ? 0 : 1)) * LANE_PX;
  const rows = new Map(
    lanes.flatMap(({ pieces }, at) => pieces.map(({ id }) => [id, at] as const)),
  );
  const arrow = (from: number, to: number): string => {
    const [one, other] = [chart.byId.get(from), chart.byId.get(to)];
    const [row, next] = [rows.get(from), rows.get(to)];
    if (one === undefined || other === undefined || row === undefined || next === undefined)
      return '';
    const x = (at: number): number => ((at - view.from) / (view.to - view.from)) * WIDTH;
    const y = (at: number): number => (at + 0.5) * LANE_PX;
    return `M${x(one.to)} ${y(row)}L${x(other.from)} ${y(next)}`;
  };
  const near1 = near === undefined ? [] : nearArrows(chart, near).map(([a, b]) => arrow(a, b));
  const links = chart.path.slice(1).map(({ id }, at) => arrow((chart.path[at] as Link).id, id));
  return (
    <svg
      class="overlay"
      viewBox={`0 0 ${WIDTH} ${Math.max(1, height)}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      <path class="critical" d={links.join('')} />
      <path class="near" d={near1.join('')} />
    </svg>
  );
}

function nearArrows(chart: Chart, near: Piece): readonly (readonly [number, number])[] {
  const to = near.after.map((id) => [id, near.id] as const);
  const from = waitersOf(chart, near).map((id) => [near.id, id] as const);
  return [...to, ...from].slice(0, ARROWS_MAX);
}
