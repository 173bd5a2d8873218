/** What a matrix of runs needs of tests: a few fields of each row, many rows as a page of columns. */
import type { State, Status, TestRow } from './rows.ts';

export type TestCell = Pick<
  TestRow,
  'id' | 'runId' | 'name' | 'itemPath' | 'isToplevel' | 'state' | 'status' | 'isStale' | 'seq'
> & {
  /** When it last started or ended, milliseconds since 1970; 0: it has not started. */
  readonly at: number;
};

/** Where a page ends: rows are in the order of names, then items. */
export type CellPlace = {
  readonly name: string;
  readonly itemPath: string;
  readonly isToplevel: boolean;
};

/**
 * Rows of one run in the order of their places, as columns of one length. Texts stand once; a row has their number. In JSON a
 * row takes about 35 bytes instead of 380.
 */
export type CellPage = {
  readonly runId: number;
  readonly names: readonly string[];
  readonly items: readonly string[];
  readonly pairs: readonly (readonly [State, Status])[];
  readonly id: readonly number[];
  readonly name: readonly number[];
  readonly item: readonly number[];
  readonly pair: readonly number[];
  /** 1: stale; 2: top level. */
  readonly flags: readonly number[];
  readonly seq: readonly number[];
  readonly at: readonly number[];
  /** Ask on from here; null: these were the last ones. */
  readonly next: CellPlace | null;
};

export const STALE = 1;
export const TOPLEVEL = 2;

export function cellOf(row: TestRow): TestCell {
  const { id, runId, name, itemPath, isToplevel, state, status, isStale, seq } = row;
  const at = row.endedAt ?? row.startedAt ?? 0;
  return { id, runId, name, itemPath, isToplevel, state, status, isStale, seq, at };
}

export function cellsOf(page: CellPage): TestCell[] {
  return page.id.map((id, place) => {
    const [state, status] = page.pairs[page.pair[place] ?? 0] ?? (['NOT_STARTED', 'n/a'] as const);
    const flags = page.flags[place] ?? 0;
    return {
      ...{ id, runId: page.runId, state, status },
      name: page.names[page.name[place] ?? 0] ?? '',
      itemPath: page.items[page.item[place] ?? 0] ?? '',
      isToplevel: (flags & TOPLEVEL) !== 0,
      isStale: (flags & STALE) !== 0,
      seq: page.seq[place] ?? 0,
      at: page.at[place] ?? 0,
    };
  });
}

/** Texts by number, in the order in which they came first. */
export class TextNumbers {
  readonly texts: string[] = [];
  readonly #numbers = new Map<string, number>();

  numberOf(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.texts.length;
    this.#numbers.set(text, number);
    this.texts.push(text);
    return number;
  }
}
