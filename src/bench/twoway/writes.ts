/** All writes of a run, from the histories: what each replaced, and what it ended. */
import type { Column, HistoryLine, Part } from './history.ts';
import { type Range, type Segment, type Shown, stretchesOf, withChanges } from './rows.ts';

export const COLUMNS: readonly Column[] = ['text', 'number'];

/** Rows over which a write replaced the same value. */
export type Replaced = {
  readonly batch: string;
  readonly from: number;
  readonly to: number;
  readonly column: Column;
  readonly parent: number;
};

export type Write = {
  readonly write: number;
  readonly database: number;
  readonly t: number;
  readonly operation: string;
  readonly parts: readonly Part[];
  /** What was shown right before it, to its own database. */
  readonly before: Shown;
  readonly replaced: readonly Replaced[];
  /** Null: nobody knows. */
  isDone: boolean | null;
  /** Postgres refused it: with which code. */
  rejected: string | null;
};

/** True for a write that the rules forbid. */
export function isTrespass({ operation }: Write): boolean {
  return operation === 'trespass';
}

export function writesOf(database: number, history: readonly HistoryLine[]): readonly Write[] {
  let shown: Shown = new Map();
  const writes = new Map<number, Write>();
  for (const line of history) {
    if (line.k === 'read') shown = withChanges(shown, line.changed);
    if (line.k === 'write') {
      const { write, t, operation, parts } = line;
      const replaced = parts.flatMap((part) => replacedBy(part, shown));
      writes.set(write, {
        ...{ write, database, t, operation, parts, before: shown, replaced },
        ...{ isDone: null, rejected: null },
      });
    }
    const known = 'write' in line ? writes.get(line.write) : undefined;
    if (line.k === 'outcome' && known !== undefined) known.isDone = line.isDone;
    if (line.k === 'rejected' && known !== undefined) known.rejected = line.code;
  }
  return [...writes.values()];
}

function replacedBy(part: Part, before: Shown): readonly Replaced[] {
  const columns = part.kind === 'update' ? part.columns : COLUMNS;
  return Object.entries(part.rows).flatMap(([batch, ranges]) =>
    overlaps(ranges, before.get(batch) ?? []).flatMap(({ from, to, segment }) =>
      columns.map((column) => ({ batch, from, to, column, parent: cellOf(segment, column) })),
    ),
  );
}

export function cellOf(segment: Segment, column: Column): number {
  return column === 'text' ? segment[2] : segment[3];
}

/** Where ranges and segments meet. */
export function overlaps(
  ranges: readonly Range[],
  segments: readonly Segment[],
): readonly { readonly from: number; readonly to: number; readonly segment: Segment }[] {
  const wanted = ranges.map(([from, to]) => [from, to, 0, 0] as const);
  const found: { from: number; to: number; segment: Segment }[] = [];
  for (const { from, to, left, right } of stretchesOf(wanted, segments)) {
    if (left !== null && right !== null) found.push({ from, to, segment: right });
  }
  return found;
}

/** What is shown right after a write, when nobody else wrote. */
export function afterWrite({ write, parts }: Write, shown: Shown): Shown {
  let next = shown;
  for (const part of parts) {
    const changed: Record<string, readonly Segment[]> = {};
    for (const [batch, ranges] of Object.entries(part.rows)) {
      changed[batch] = written({ write, part, ranges, segments: next.get(batch) ?? [] });
    }
    next = withChanges(next, changed);
  }
  return next;
}

function written(how: {
  readonly write: number;
  readonly part: Part;
  readonly ranges: readonly Range[];
  readonly segments: readonly Segment[];
}): readonly Segment[] {
  const { write, part, ranges, segments } = how;
  const wanted = ranges.map(([from, to]) => [from, to, 0, 0] as const);
  const result: Segment[] = [];
  for (const { from, to, left, right } of stretchesOf(wanted, segments)) {
    if (left === null && right !== null) result.push([from, to, right[2], right[3]]);
    if (left === null || part.kind === 'delete') continue;
    if (part.kind === 'insert') result.push([from, to, write, write]);
    if (part.kind !== 'update' || right === null) continue;
    const of = (column: Column, old: number): number =>
      part.columns.includes(column) ? write : old;
    result.push([from, to, of('text', right[2]), of('number', right[3])]);
  }
  return result;
}
