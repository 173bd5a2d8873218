/**
 * What a database shows, as the judge needs it: which write each cell is of. Rows of one statement are alike, so they are
 * kept as ranges: `db1_r2_0` to `db1_r2_999` are one batch, and mostly one segment.
 */

/** Keys `<batch><from>` to `<batch><to>`; the writes that their text and their number are of (-1: of nobody's, or none). */
export type Segment = readonly [from: number, to: number, text: number, number: number];

/** Segments of each batch, ascending. Never changed in place. */
export type Shown = ReadonlyMap<string, readonly Segment[]>;

export type Range = readonly [from: number, to: number];

export const NOBODY = -1;

const KEY = /^(.*?)(\d{1,9})$/;
const STAMP = /^w(\d+)~/;

/** A key's batch and number. What has no number is a batch of its own. */
export function placeOf(key: string): readonly [batch: string, number: number] {
  const match = KEY.exec(key);
  return match === null ? [key, 0] : [match[1] ?? '', Number(match[2])];
}

/** The text of a write, with a canary that must not reach other users. */
export function stampOf(write: number, canary: string): string {
  return `w${write}~${canary}`;
}

export function writeOf(text: unknown): number {
  const match = typeof text === 'string' ? STAMP.exec(text) : null;
  return match === null ? NOBODY : Number(match[1]);
}

/** Gathers rows, in any order, into segments. */
export class Gathering {
  readonly #batches = new Map<string, [number, number, number][]>();

  add(key: string, text: number, number: number): void {
    const [batch, place] = placeOf(key);
    const rows = this.#batches.get(batch);
    if (rows === undefined) this.#batches.set(batch, [[place, text, number]]);
    else rows.push([place, text, number]);
  }

  get shown(): Shown {
    return new Map([...this.#batches].map(([batch, rows]) => [batch, segmentsOf(rows)]));
  }
}

function segmentsOf(rows: [number, number, number][]): readonly Segment[] {
  rows.sort((a, b) => a[0] - b[0]);
  const segments: [number, number, number, number][] = [];
  for (const [place, text, number] of rows) {
    const last = segments.at(-1);
    const isNext = last !== undefined && last[1] === place - 1;
    if (isNext && last[2] === text && last[3] === number) last[1] = place;
    else segments.push([place, place, text, number]);
  }
  return segments;
}

/** The batches that differ; an empty list is a batch that is gone. */
export function changesBetween(before: Shown, after: Shown): Record<string, readonly Segment[]> {
  const changed: Record<string, readonly Segment[]> = {};
  for (const [batch, segments] of after) {
    if (!isSame(before.get(batch), segments)) changed[batch] = segments;
  }
  for (const batch of before.keys()) if (!after.has(batch)) changed[batch] = [];
  return changed;
}

export function withChanges(
  shown: Shown,
  changes: Readonly<Record<string, readonly Segment[]>>,
): Shown {
  const next = new Map(shown);
  for (const [batch, segments] of Object.entries(changes)) {
    if (segments.length === 0) next.delete(batch);
    else next.set(batch, segments);
  }
  return next;
}

function isSame(before: readonly Segment[] | undefined, after: readonly Segment[]): boolean {
  if (before === undefined || before.length !== after.length) return false;
  return after.every((segment, index) =>
    segment.every((part, place) => part === before[index]?.[place]),
  );
}

/** One stretch of keys over which both sides are alike; null: there is no row. */
export type Stretch = {
  readonly from: number;
  readonly to: number;
  readonly left: Segment | null;
  readonly right: Segment | null;
};

/** Walks two lists of segments side by side. */
export function* stretchesOf(
  left: readonly Segment[],
  right: readonly Segment[],
): Generator<Stretch> {
  const cuts = new Set<number>();
  for (const [from, to] of [...left, ...right]) cuts.add(from).add(to + 1);
  const sorted = [...cuts].sort((a, b) => a - b);
  let [l, r] = [0, 0];
  for (const [index, from] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next === undefined) return;
    while (l < left.length && (left[l]?.[1] ?? 0) < from) l += 1;
    while (r < right.length && (right[r]?.[1] ?? 0) < from) r += 1;
    const [a, b] = [covering(left[l], from), covering(right[r], from)];
    if (a !== null || b !== null) yield { from, to: next - 1, left: a, right: b };
  }
}

function covering(segment: Segment | undefined, place: number): Segment | null {
  return segment !== undefined && segment[0] <= place && place <= segment[1] ? segment : null;
}

/** The ranges of all rows. */
export function rangesOf(segments: readonly Segment[]): readonly Range[] {
  const ranges: [number, number][] = [];
  for (const [from, to] of segments) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === from - 1) last[1] = to;
    else ranges.push([from, to]);
  }
  return ranges;
}

export function rowCount(shown: Shown): number {
  let count = 0;
  for (const segments of shown.values()) for (const [from, to] of segments) count += to - from + 1;
  return count;
}
