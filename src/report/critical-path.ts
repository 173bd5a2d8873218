/** The critical path of a run: the chain of executions that explains why it ended when it did. */

/** One execution in time; milliseconds since 1970. */
export type Span = {
  readonly id: number;
  readonly from: number;
  /** Of one that runs: now. */
  readonly to: number;
  /** Executions that it waited for. */
  readonly after: readonly number[];
};

/**
 * Why a link of the path began when it did:
 * - `begin`: nothing that ran before it explains it
 * - `prerequisite`: it waited for the link before it
 * - `room`: it could have started earlier; the end of the link before it made room
 */
export type Link = {
  readonly id: number;
  readonly why: 'begin' | 'prerequisite' | 'room';
  /** From the end of the link before it (of the first link: from the first start of all) to its start. */
  readonly waitedMs: number;
};

/** Between the end of a prerequisite and the start of what waits for it a runner takes so long without any other reason. */
const GRACE_MS = 250;

/**
 * From its first link to the one that ended last. Every link began at or after the end of the one before it, so lengths and
 * waits add up to the whole run: to end earlier, one of these has to.
 */
export function criticalPath(spans: readonly Span[], graceMs = GRACE_MS): readonly Link[] {
  const ordered = [...spans].sort(byEnd);
  const places = new Map(ordered.map(({ id }, place) => [id, place]));
  const begin = ordered.reduce((least, { from }) => Math.min(least, from), Number.MAX_VALUE);
  const path: Link[] = [];
  let place = ordered.length - 1;
  while (place >= 0) {
    const span = ordered[place] as Span;
    const before = beforeOf(span, { ordered, places, place, begin, graceMs });
    const ended = before.place < 0 ? begin : (ordered[before.place]?.to ?? begin);
    path.push({ id: span.id, why: before.why, waitedMs: span.from - ended });
    place = before.place;
  }
  return path.reverse();
}

type Search = {
  readonly ordered: readonly Span[];
  readonly places: ReadonlyMap<number, number>;
  /** Of the span itself: what explains it stands before it, so no path is endless. */
  readonly place: number;
  /** The first start of all. */
  readonly begin: number;
  readonly graceMs: number;
};

type Before = { readonly place: number; readonly why: Link['why'] };

function beforeOf(span: Span, { ordered, places, place, begin, graceMs }: Search): Before {
  const last = Math.min(lastEndedBy(ordered, span.from), place - 1);
  let need = -1;
  for (const id of span.after) {
    const at = places.get(id) ?? -1;
    if (at <= last) need = Math.max(need, at);
  }
  const isPrompt = span.from - (ordered[need]?.to ?? begin) <= graceMs;
  if (!isPrompt && last > need) return { place: last, why: 'room' };
  return { place: need, why: need < 0 ? 'begin' : 'prerequisite' };
}

/** The last place whose span had ended by then; -1: none. */
function lastEndedBy(ordered: readonly Span[], at: number): number {
  let [low, high] = [0, ordered.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ordered[middle]?.to ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function byEnd(a: Span, b: Span): number {
  return a.to - b.to || a.from - b.from || a.id - b.id;
}
