/** A run in time: who ran where and when, in which slot, and when nothing did. */
import type { EventRow, TestRow } from '../planner/rows.ts';
import type { Span } from './critical-path.ts';

/** An execution that has started. */
export type Piece = Span & { readonly row: TestRow };

/** One slot of a host: pieces that do not overlap, in order. */
export type Lane = {
  readonly host: string;
  /** From 1. */
  readonly slot: number;
  readonly pieces: readonly Piece[];
};

export type Stretch = { readonly from: number; readonly to: number };

/** How well a host was used between two times. */
export type HostUse = {
  readonly host: string;
  /** As many ran at once at most. */
  readonly slots: number;
  /** Lengths of all its pieces. */
  readonly busyMs: number;
  /** When nothing ran here. */
  readonly idle: readonly Stretch[];
  readonly idleMs: number;
};

const NO_HOST = 'no host';

/** Executions that have started, first started first. `waits`: events of kind `wait`, the last one of an execution counts. */
export function piecesOf(
  rows: readonly TestRow[],
  waits: readonly EventRow[],
  now: number,
): readonly Piece[] {
  const ended = wholeTests(rows, now);
  const after = new Map<number, readonly number[]>();
  for (const { testId, new: ids } of waits) {
    if (testId !== null) after.set(testId, (ids ?? '').split(' ').map(Number));
  }
  const pieces = rows.flatMap((row) => {
    const { id, startedAt, endedAt, isToplevel } = row;
    if (startedAt === null || isToplevel) return [];
    const to = Math.max(startedAt, endedAt ?? now);
    const waited = (after.get(id) ?? []).flatMap((one) => ended(one, startedAt) ?? []);
    return [{ id, from: startedAt, to, after: waited, row }];
  });
  return pieces.sort((a, b) => a.from - b.from || a.id - b.id);
}

/** Who waited for a whole test waited for the item of it that ended last before then. */
function wholeTests(
  rows: readonly TestRow[],
  now: number,
): (id: number, by: number) => number | null {
  const items = new Map<string, TestRow[]>();
  const toplevels = new Map<number, string>();
  for (const row of rows) {
    if (row.isToplevel) toplevels.set(row.id, row.name);
    else if (row.startedAt !== null) {
      const known = items.get(row.name);
      if (known === undefined) items.set(row.name, [row]);
      else known.push(row);
    }
  }
  const endOf = ({ endedAt }: TestRow): number => endedAt ?? now;
  for (const of of items.values()) of.sort((a, b) => endOf(a) - endOf(b));
  return (id, by) => {
    const name = toplevels.get(id);
    if (name === undefined) return id;
    return items.get(name)?.findLast((row) => endOf(row) <= by)?.id ?? null;
  };
}

/** By host, then slot. A piece takes the first slot that is free: how many there are is how many ran at once. */
export function lanesOf(pieces: readonly Piece[]): readonly Lane[] {
  const hosts = new Map<string, Piece[][]>();
  for (const piece of pieces) {
    const host = piece.row.host ?? NO_HOST;
    const slots = hosts.get(host) ?? [];
    hosts.set(host, slots);
    const free = slots.find((slot) => (slot.at(-1)?.to ?? 0) <= piece.from);
    if (free === undefined) slots.push([piece]);
    else free.push(piece);
  }
  return [...hosts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([host, slots]) => slots.map((of, at) => ({ host, slot: at + 1, pieces: of })));
}

/** Of every host between the first start and the last end of all. */
export function usesOf(pieces: readonly Piece[], lanes: readonly Lane[]): readonly HostUse[] {
  const { from, to } = boundsOf(pieces);
  const hosts = Map.groupBy(lanes, ({ host }) => host);
  return [...hosts].map(([host, slots]) => {
    const own = slots.flatMap((lane) => lane.pieces).sort((a, b) => a.from - b.from);
    const busyMs = own.reduce((sum, piece) => sum + piece.to - piece.from, 0);
    const idle = gaps(own, { from, to });
    const idleMs = idle.reduce((sum, gap) => sum + gap.to - gap.from, 0);
    return { host, slots: slots.length, busyMs, idle, idleMs };
  });
}

/** The first start and the last end; both 0 of nothing. */
export function boundsOf(pieces: readonly Stretch[]): Stretch {
  if (pieces.length === 0) return { from: 0, to: 0 };
  let [from, to] = [Number.MAX_VALUE, 0];
  for (const piece of pieces) {
    from = Math.min(from, piece.from);
    to = Math.max(to, piece.to);
  }
  return { from, to };
}

/** `ordered` by start. */
function gaps(ordered: readonly Stretch[], { from, to }: Stretch): readonly Stretch[] {
  const found: Stretch[] = [];
  let until = from;
  for (const piece of ordered) {
    if (piece.from > until) found.push({ from: until, to: piece.from });
    until = Math.max(until, piece.to);
  }
  if (to > until) found.push({ from: until, to });
  return found;
}
