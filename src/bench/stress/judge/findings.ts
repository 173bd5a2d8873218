/** What the judge found wrong, by property, and how often each property was looked at. */

/** In the order in which the table shows them. */
export const PROPERTIES = {
  P1: 'no committed change is lost',
  P2: 'what is delivered twice has no second effect',
  P3: 'what was rolled back is nowhere',
  P4: 'changes are applied in commit order, at commits only',
  P5: 'a reader of a replica sees whole transactions',
  P6: 'also across the selectors that a replica holds',
  P7: 'a copy and the stream after it fit together, transactions in flight included',
  P8: 'what a reader has seen does not go back',
  P11: 'in the end every column of every row is equal',
  P17: 'a row that moves leaves one selector and enters the other',
  P18: 'a crash of Postgres, and a slot that goes back, change nothing',
  P19: 'a killed server or receiver goes on where it was',
  P20: 'a lost slot is told, and made good by a new copy',
  P22: 'every value is exactly the one that was written',
  P24: 'a marker at a position means that nothing before it is missing',
  P25: 'who is older than the log takes a new copy',
  P27: 'after the faults everybody catches up in time',
  P29: 'what the server has acknowledged survives its crash',
  P31: 'the bench itself: the evidence is whole and does not contradict itself',
} as const;

export type Property = keyof typeof PROPERTIES;

/** Rows that a witness shows, and characters of each. */
const WITNESS_LINES_MAX = 12;
const LINE_CHARS_MAX = 600;

export type Finding<P extends string = Property> = {
  readonly property: P;
  /** Milliseconds since the run began: the earliest is told first. */
  readonly t: number;
  /** What is wrong, in a sentence. */
  readonly sentence: string;
  readonly rows: readonly string[];
};

export class Findings<P extends string = Property> {
  readonly #found = new Map<P, { first: Finding<P>; count: number }>();
  readonly #checked = new Map<P, number>();

  add(finding: Finding<P>): void {
    const known = this.#found.get(finding.property);
    if (known === undefined) {
      this.#found.set(finding.property, { first: finding, count: 1 });
      return;
    }
    known.count += 1;
    // A witness with rows tells more than one without.
    const isBetter = finding.rows.length > 0 && known.first.rows.length === 0;
    const isEarlier = finding.t < known.first.t && !(finding.rows.length < known.first.rows.length);
    if (isBetter || isEarlier) known.first = finding;
  }

  /** The case of the property happened `times` more. */
  check(property: P, times = 1): void {
    this.#checked.set(property, this.checked(property) + times);
  }

  checked(property: P): number {
    return this.#checked.get(property) ?? 0;
  }

  has(property: P): boolean {
    return this.#found.has(property);
  }

  witness(property: P): readonly string[] {
    const found = this.#found.get(property);
    if (found === undefined) return [];
    const { first, count } = found;
    const rows = first.rows.slice(0, WITNESS_LINES_MAX);
    const more = first.rows.length - rows.length;
    return [
      `${shortened(first.sentence)} (at ${(first.t / 1000).toFixed(2)} s)`,
      ...rows.map(shortened),
      ...(more > 0 ? [`and ${more} more`] : []),
      ...(count > 1 ? [`${count - 1} more of this kind`] : []),
    ];
  }
}

function shortened(line: string): string {
  return line.length <= LINE_CHARS_MAX ? line : `${line.slice(0, LINE_CHARS_MAX)}…`;
}
