/** A time line as a picture needs it: everything that was computed of a run, and which part of it is in sight. */
import type { EventRow, TestRow } from '../../planner/rows.ts';
import type { LagSample } from '../../planner/run-store.ts';
import { criticalPath, type Link } from '../../report/critical-path.ts';
import { type Fault, faultsOf } from '../../report/faults.ts';
import {
  boundsOf,
  type HostUse,
  type Lane,
  lanesOf,
  type Piece,
  piecesOf,
  type Stretch,
  usesOf,
} from '../../report/time-line.ts';

/** Slots that are drawn. */
export const LANES_MAX = 200;
/** Pieces that are drawn: the longest in sight when there are more. */
const PIECES_MAX = 1500;
/** A closer look than this shows nothing more. */
const VIEW_MS_MIN = 50;

export type Chart = {
  readonly pieces: readonly Piece[];
  readonly byId: ReadonlyMap<number, Piece>;
  readonly lanes: readonly Lane[];
  readonly uses: readonly HostUse[];
  readonly path: readonly Link[];
  readonly isCritical: ReadonlySet<number>;
  /** Who waited for it, by execution. */
  readonly dependents: ReadonlyMap<number, readonly number[]>;
  readonly faults: readonly Fault[];
  readonly lag: readonly LagSample[];
  /** First start to last end. */
  readonly whole: Stretch;
};

export function chartOf(
  rows: readonly TestRow[],
  line: { readonly events: readonly EventRow[]; readonly lag: readonly LagSample[] },
  now: number,
): Chart {
  const waits = line.events.filter(({ kind }) => kind === 'wait');
  const pieces = piecesOf(rows, waits, now);
  const lanes = lanesOf(pieces);
  const path = criticalPath(pieces);
  const { from, to } = boundsOf(pieces);
  const whole = { from, to: Math.max(to, from + 1) };
  return {
    ...{ pieces, lanes, path, whole },
    byId: new Map(pieces.map((piece) => [piece.id, piece])),
    uses: usesOf(pieces, lanes),
    isCritical: new Set(path.map(({ id }) => id)),
    dependents: dependentsOf(pieces),
    faults: faultsOf(line.events).filter((one) => isIn(whole, endingAt(one))),
    lag: line.lag.filter(({ at }) => at >= from && at <= whole.to),
  };
}

function dependentsOf(pieces: readonly Piece[]): ReadonlyMap<number, readonly number[]> {
  const found = new Map<number, number[]>();
  for (const { id, after } of pieces) {
    for (const on of after) {
      const known = found.get(on);
      if (known === undefined) found.set(on, [id]);
      else known.push(id);
    }
  }
  return found;
}

/** A fault without an end is a moment. */
export function endingAt({ from, to }: Fault): Stretch {
  return { from, to: to ?? from };
}

export function isIn(view: Stretch, { from, to }: Stretch): boolean {
  return from <= view.to && to >= view.from;
}

/** What is drawn in this view: the pieces of `kept` always, of the others the longest. */
export function drawnOf(
  { pieces }: Chart,
  view: Stretch,
  kept: ReadonlySet<number>,
): ReadonlySet<number> {
  const seen = pieces.filter((piece) => isIn(view, piece));
  if (seen.length <= PIECES_MAX) return new Set(seen.map(({ id }) => id));
  const weight = ({ id, from, to }: Piece): number => (kept.has(id) ? Number.MAX_VALUE : to - from);
  const drawn = seen.sort((a, b) => weight(b) - weight(a)).slice(0, PIECES_MAX);
  return new Set(drawn.map(({ id }) => id));
}

/** The view of the address, in milliseconds from the first start; everything where it says nothing. */
export function viewOf(whole: Stretch, query: URLSearchParams): Stretch {
  const read = (name: string, otherwise: number): number => {
    const value = Number(query.get(name) ?? '');
    return query.get(name) === null || !Number.isFinite(value) ? otherwise : whole.from + value;
  };
  return within(whole, { from: read('from', whole.from), to: read('to', whole.to) });
}

/** Inside of the whole, and not too close. */
export function within(whole: Stretch, { from, to }: Stretch): Stretch {
  const length = Math.min(Math.max(to - from, VIEW_MS_MIN), whole.to - whole.from);
  const begin = Math.min(Math.max(from, whole.from), whole.to - length);
  return { from: begin, to: begin + length };
}

/** Closer (below 1) or wider, around a time. */
export function zoomed({ from, to }: Stretch, by: number, around: number): Stretch {
  return { from: around - (around - from) * by, to: around + (to - around) * by };
}
