/**
 * Goes through what one database saw, read by read: nothing that it has left may come back (P8, and P9 for its own
 * writes), and who sees a write must not be behind what the write's author had seen (P10).
 */
import type { Findings } from '../stress/judge/findings.ts';
import type { Column, HistoryLine } from './history.ts';
import type { TwowayProperty } from './properties.ts';
import { NOBODY, type Segment, type Shown, stretchesOf, withChanges } from './rows.ts';
import { afterWrite, COLUMNS, cellOf, isTrespass, type Replaced, type Write } from './writes.ts';

type Left = Map<string, { from: number; to: number }[]>;

export class Replay {
  readonly #database: number;
  readonly #writes: ReadonlyMap<number, Write>;
  readonly #findings: Findings<TwowayProperty>;
  #shown: Shown = new Map();
  /** Values that were shown once and are not any more, by batch, column and write. */
  readonly #left: Left = new Map();
  /** Others' writes that were seen. */
  readonly #seen = new Set<number>();
  /** Of its own: the last, until it was read back. */
  #own: Write | null = null;

  constructor(
    database: number,
    writes: ReadonlyMap<number, Write>,
    findings: Findings<TwowayProperty>,
  ) {
    this.#database = database;
    this.#writes = writes;
    this.#findings = findings;
  }

  run(history: readonly HistoryLine[]): void {
    for (const line of history) {
      if (line.k === 'read') this.#read(line.t, withChanges(this.#shown, line.changed));
      const write = line.k === 'outcome' && line.isDone ? this.#writes.get(line.write) : undefined;
      if (write === undefined || isTrespass(write)) continue;
      // As if it were read at once: what it replaced may not be seen again.
      this.#move(line.t, afterWrite(write, this.#shown), null);
      this.#own = write;
      this.#findings.check('P9');
    }
  }

  #read(t: number, next: Shown): void {
    this.#findings.check('P8');
    const fresh = this.#move(t, next, this.#own);
    this.#own = null;
    for (const write of fresh) this.#follows(t, write);
  }

  /** Returns others' writes that were not seen before. */
  #move(t: number, next: Shown, own: Write | null): readonly Write[] {
    const fresh: Write[] = [];
    for (const batch of new Set([...this.#shown.keys(), ...next.keys()])) {
      const [before, after] = [this.#shown.get(batch) ?? [], next.get(batch) ?? []];
      if (before === after) continue;
      for (const stretch of stretchesOf(before, after)) {
        const { from, to, left, right } = stretch;
        for (const column of COLUMNS) {
          const [old, now] = [valueIn(left, column), valueIn(right, column)];
          if (old === now) continue;
          this.#leave({ batch, from, to, column, parent: old });
          this.#arrive(
            { batch, from, to, column, parent: now },
            { t, own, isAbsent: left === null },
          );
          const write = this.#writes.get(now);
          if (write === undefined || this.#seen.has(now) || write.database === this.#database)
            continue;
          this.#seen.add(now);
          fresh.push(write);
        }
      }
    }
    this.#shown = next;
    return fresh;
  }

  #leave({ batch, from, to, column, parent }: Replaced): void {
    const key = `${batch} ${column} ${parent}`;
    const ranges = this.#left.get(key);
    if (ranges === undefined) this.#left.set(key, [{ from, to }]);
    else ranges.push({ from, to });
  }

  #arrive(
    { batch, from, to, column, parent }: Replaced,
    {
      t,
      own,
      isAbsent,
    }: { readonly t: number; readonly own: Write | null; readonly isAbsent: boolean },
  ): void {
    if (parent === NOBODY) return;
    const write = this.#writes.get(parent);
    if (write !== undefined && isTrespass(write)) return;
    const ranges = this.#left.get(`${batch} ${column} ${parent}`) ?? [];
    const back = ranges.find((range) => range.from <= to && from <= range.to);
    if (back === undefined || this.#isTakenBack(batch, back)) return;
    const value = { batch, from: Math.max(from, back.from), to: Math.min(to, back.to) };
    if (this.#isUndone({ ...value, column, parent })) return;
    const isOwn = own?.parts.some(({ rows }) => rows[batch] !== undefined) === true;
    const property = isOwn ? 'P9' : isAbsent ? 'P13' : 'P8';
    const key = `${batch}${Math.max(from, back.from)}`;
    this.#findings.add({
      ...{ property, t, rows: [] },
      sentence: `database ${this.#database} shows ${key} again with the ${column} of ${nameOf(parent)}, which it had seen replaced or deleted`,
    });
  }

  /** A forbidden write stood there: when it is taken back, what was before it returns. */
  #isTakenBack(
    batch: string,
    { from, to }: { readonly from: number; readonly to: number },
  ): boolean {
    for (const write of this.#writes.values()) {
      if (!isTrespass(write) || write.database !== this.#database) continue;
      const isHere = write.parts.some(({ rows }) =>
        (rows[batch] ?? []).some((range) => range[0] <= to && from <= range[1]),
      );
      if (isHere) return true;
    }
    return false;
  }

  /** A write of this database had replaced just this value there, and was refused: its undoing shows the value again. */
  #isUndone(value: Replaced): boolean {
    for (const { database, rejected, replaced } of this.#writes.values()) {
      if (database !== this.#database || rejected === null) continue;
      const isIt = replaced.some(
        ({ batch, from, to, column, parent }) =>
          parent === value.parent &&
          batch === value.batch &&
          column === value.column &&
          from <= value.from &&
          value.to <= to,
      );
      if (isIt) return true;
    }
    return false;
  }

  /** What the author had seen is here, or was replaced. */
  #follows(t: number, write: Write): void {
    this.#findings.check('P10');
    for (const [batch, theirs] of write.before) {
      const ours = this.#shown.get(batch) ?? [];
      if (theirs === ours) continue;
      for (const { from, left, right } of stretchesOf(theirs, ours)) {
        if (left === null || right === null) continue;
        for (const column of COLUMNS) {
          const [had, has] = [cellOf(left, column), cellOf(right, column)];
          if (had === has || !this.#isBehind({ batch, from, to: from, column, parent: had }, has))
            continue;
          this.#findings.add({
            ...{ property: 'P10', t, rows: [] },
            sentence: `database ${this.#database} sees ${nameOf(write.write)}, whose author had seen ${batch}${from} with the ${column} of ${nameOf(had)}, and shows ${nameOf(has)}, which that had replaced`,
          });
          return;
        }
      }
    }
  }

  /** True when `older` is what the value replaced. */
  #isBehind(value: Replaced, older: number): boolean {
    const write = this.#writes.get(value.parent);
    if (write === undefined || isTrespass(write)) return false;
    return write.replaced.some(
      ({ batch, from, to, column, parent }) =>
        parent === older &&
        parent !== NOBODY &&
        batch === value.batch &&
        column === value.column &&
        from <= value.from &&
        value.from <= to,
    );
  }
}

function valueIn(segment: Segment | null, column: Column): number {
  return segment === null ? NOBODY : cellOf(segment, column);
}

/** `write 10100003 of database 1`. */
export function nameOf(write: number): string {
  return write === 0
    ? 'the set-up'
    : `write ${write} of database ${Math.floor(write / 10_000_000)}`;
}
