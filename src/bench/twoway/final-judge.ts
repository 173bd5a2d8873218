/** What all databases agreed on, against all that was written: nothing lost, nothing back, the same winner always. */
import type { Findings } from '../stress/judge/findings.ts';
import type { Column } from './history.ts';
import type { TwowayProperty } from './properties.ts';
import { nameOf } from './replay.ts';
import { NOBODY, type Range, type Segment } from './rows.ts';
import { cellOf, isTrespass, overlaps, type Replaced, type Write } from './writes.ts';

type Judging = {
  readonly final: Readonly<Record<string, readonly Segment[]>>;
  readonly writes: readonly Write[];
  readonly findings: Findings<TwowayProperty>;
  /** Keys are inserted once: then a row that is gone must have been deleted by somebody who saw it. */
  readonly isOnce: boolean;
  readonly t: number;
};

export function judgeFinal(judging: Judging): void {
  // One that may or may not have happened proves nothing.
  // One that Postgres refused (P1 tells) was taken back: nothing of it need stand, and what it replaced may.
  const known = judging.writes.filter(
    (write) => write.isDone === true && write.rejected === null && !isTrespass(write),
  );
  for (const write of known) {
    judgeReplaced(judging, write);
    if (judging.isOnce) judgeInserted(judging, write);
  }
  judgeTies(judging, known);
}

/** What a write replaced or deleted cannot be what stands at the end. */
function judgeReplaced({ final, findings, t }: Judging, write: Write): void {
  const isDelete = write.parts.every(({ kind }) => kind === 'delete');
  findings.check(isDelete ? 'P13' : 'P1');
  for (const { batch, from, to, column, parent } of write.replaced) {
    if (parent === NOBODY) continue;
    for (const { from: at, segment } of overlaps([[from, to]], final[batch] ?? [])) {
      if (cellOf(segment, column) !== parent) continue;
      findings.add({
        ...{ property: isDelete ? 'P13' : 'P1', t, rows: [] },
        sentence: isDelete
          ? `${batch}${at} is there in the end with the ${column} of ${nameOf(parent)}, which ${nameOf(write.write)} had deleted`
          : `${batch}${at} has in the end the ${column} of ${nameOf(parent)}, which ${nameOf(write.write)} had replaced`,
      });
    }
  }
}

/** Each row of an insert is there, or was deleted by somebody who saw it. */
function judgeInserted({ final, writes, findings, t }: Judging, { write, parts }: Write): void {
  for (const { kind, rows } of parts) {
    if (kind !== 'insert') continue;
    for (const [batch, ranges] of Object.entries(rows)) {
      findings.check('P1');
      const gone = missingIn(ranges, final[batch] ?? []);
      const deletes = writes
        .filter(
          ({ isDone, parts: all }) =>
            isDone !== false && all.some((part) => part.kind === 'delete'),
        )
        .flatMap(({ parts: all }) =>
          all.flatMap((part) => (part.kind === 'delete' ? (part.rows[batch] ?? []) : [])),
        );
      const [lost] = missingIn(
        gone,
        deletes.map(([from, to]) => [from, to, 0, 0] as const).sort((a, b) => a[0] - b[0]),
      );
      if (lost === undefined) continue;
      findings.add({
        ...{ property: 'P1', t, rows: [] },
        sentence: `${batch}${lost[0]}${lost[1] > lost[0] ? ` to ${lost[1]}` : ''} is not there in the end, although ${nameOf(write)} inserted it and nobody deleted it`,
      });
    }
  }
}

function missingIn(ranges: readonly Range[], segments: readonly Segment[]): readonly Range[] {
  const missing: Range[] = [];
  let rest: readonly Range[] = ranges;
  for (const [from, to] of segments) rest = rest.flatMap((range) => without(range, [from, to]));
  missing.push(...rest);
  return missing;
}

function without([from, to]: Range, [cutFrom, cutTo]: Range): readonly Range[] {
  if (cutTo < from || to < cutFrom) return [[from, to]];
  const left: Range[] = [];
  if (from < cutFrom) left.push([from, cutFrom - 1]);
  if (cutTo < to) left.push([cutTo + 1, to]);
  return left;
}

/** Updates of the same value by some who did not know each other have the same version: the greater value wins. */
function judgeTies({ final, findings, t }: Judging, writes: readonly Write[]): void {
  const byParent = new Map<string, { readonly write: Write; readonly replaced: Replaced }[]>();
  for (const write of writes) {
    if (write.parts.some(({ kind }) => kind !== 'update')) continue;
    for (const replaced of write.replaced) {
      if (replaced.parent === NOBODY) continue;
      const key = `${replaced.batch} ${replaced.column} ${replaced.parent}`;
      byParent.set(key, [...(byParent.get(key) ?? []), { write, replaced }]);
    }
  }
  for (const rivals of byParent.values()) {
    if (rivals.length < 2) continue;
    for (const { write, replaced } of rivals) {
      for (const other of rivals) {
        if (other.write === write || !isGreater(other.write.write, write.write, replaced.column))
          continue;
        judgeTie({ final, findings, t, winner: other, loser: { write, replaced } });
      }
    }
  }
}

type Rival = { readonly write: Write; readonly replaced: Replaced };

function judgeTie(
  tie: Pick<Judging, 'final' | 'findings' | 't'> & {
    readonly winner: Rival;
    readonly loser: Rival;
  },
): void {
  const { final, findings, t, winner, loser } = tie;
  const { batch, column } = loser.replaced;
  const from = Math.max(winner.replaced.from, loser.replaced.from);
  const to = Math.min(winner.replaced.to, loser.replaced.to);
  if (from > to) return;
  findings.check('P14');
  for (const { from: at, segment } of overlaps([[from, to]], final[batch] ?? [])) {
    if (cellOf(segment, column) !== loser.write.write) continue;
    findings.add({
      ...{ property: 'P14', t, rows: [] },
      sentence: `${batch}${at} has in the end the ${column} of ${nameOf(loser.write.write)}, but ${nameOf(winner.write.write)} replaced the same value with a greater one`,
    });
  }
}

/** Texts are compared by their bytes, numbers as numbers. */
function isGreater(a: number, b: number, column: Column): boolean {
  return column === 'number' ? a > b : `w${a}~` > `w${b}~`;
}
