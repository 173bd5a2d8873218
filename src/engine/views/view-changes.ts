/** What subscriptions to views have told and nobody was told of yet: changes by time, and how far each view is. */
import type { Column, SqlRow } from '../../sql/types.ts';

/** A change of how often a row is in a view. */
export type ViewDelta = { readonly row: SqlRow; readonly diff: number };

/** One subscription: `(time, progressed, diff, columns...)` a row. */
export class ViewChanges {
  readonly name: string;
  readonly columns: readonly Column[];
  /** Everything before it was told; 0 before the first word. */
  upper = 0;
  #byTime = new Map<number, ViewDelta[]>();

  constructor(name: string, columns: readonly Column[]) {
    this.name = name;
    this.columns = columns;
  }

  take(rows: readonly SqlRow[]): void {
    for (const [time, isProgress, diff, ...row] of rows) {
      const at = Number(time);
      if (isProgress === true) {
        this.upper = Math.max(this.upper, at);
        continue;
      }
      const deltas = this.#byTime.get(at);
      const delta = { row, diff: Number(diff) };
      if (deltas === undefined) this.#byTime.set(at, [delta]);
      else deltas.push(delta);
    }
  }

  /** Times at or before `until` at which something changed. */
  times(until: number): readonly number[] {
    return [...this.#byTime.keys()].filter((time) => time <= until);
  }

  /** The changes at a time, once. */
  at(time: number): readonly ViewDelta[] {
    const deltas = this.#byTime.get(time) ?? [];
    this.#byTime.delete(time);
    return deltas;
  }

  /** Everything at or before `until`, once. */
  upTo(until: number): readonly ViewDelta[] {
    return this.times(until)
      .toSorted((a, b) => a - b)
      .flatMap((time) => this.at(time));
  }
}
