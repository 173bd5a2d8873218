/**
 * The digests that a replica had at its last positions, so that a digest which the server took a moment ago
 * can still be compared: scanning takes time, and the feed goes on meanwhile.
 *
 * A replica that catches up applies many transactions at once and never had the states in between. About
 * such a position it knows nothing, unless the table was not touched.
 */
import type { Ts } from '../core/lsn.ts';
import type { DigestEntry } from '../protocol/feed.ts';

/** At 1,000 transactions a second some eight seconds, which is a scan of some 4 M rows. */
const HISTORY_MAX = 8192;

export type DigestDifference = {
  readonly table: string;
  readonly selector: string;
  readonly ours: { readonly digest: string; readonly rows: number };
  readonly theirs: { readonly digest: string; readonly rows: number };
};

export type Comparison =
  | { readonly kind: 'same' }
  | { readonly kind: 'different'; readonly differences: readonly DigestDifference[] }
  /** The position is not, or no longer, one that the replica had. */
  | { readonly kind: 'unknown' };

/** Before `firstTs` the digest was `before`, from `ts` on it is the next one; in between it is not known. */
type Change = { readonly firstTs: Ts; readonly ts: Ts; readonly before: DigestEntry };

const EMPTY = { digest: '0'.repeat(32), rows: 0 };

export class DigestHistory {
  readonly #now = new Map<string, DigestEntry>();
  readonly #max: number;
  #changes: Change[] = [];
  /** Before this, nothing is known. */
  #since: Ts;

  constructor(since: Ts, digests: readonly DigestEntry[], max: number = HISTORY_MAX) {
    this.#since = since;
    this.#max = max;
    for (const entry of digests) this.#now.set(nameOf(entry), entry);
  }

  /** The transactions from `firstTs` to `ts` were applied as one; these digests changed. */
  note(firstTs: Ts, ts: Ts, changed: readonly DigestEntry[]): void {
    for (const entry of changed) {
      const name = nameOf(entry);
      this.#changes.push({ firstTs, ts, before: this.#now.get(name) ?? { ...entry, ...EMPTY } });
      this.#now.set(name, entry);
    }
    if (this.#changes.length <= this.#max * 2) return;
    const dropped = this.#changes.splice(0, this.#changes.length - this.#max);
    this.#since = dropped.at(-1)?.ts ?? this.#since;
  }

  /** Compares the server's digests at `ts` with what the replica had there. */
  compare(ts: Ts, theirs: readonly DigestEntry[]): Comparison {
    if (ts < this.#since) return { kind: 'unknown' };
    const ours = new Map<string, DigestEntry | null>(this.#now);
    for (let index = this.#changes.length - 1; index >= 0; index -= 1) {
      const change = this.#changes[index];
      if (change === undefined || change.ts <= ts) break;
      ours.set(nameOf(change.before), ts < change.firstTs ? change.before : null);
    }
    return compareEntries(ours, theirs);
  }
}

/** Digests by table and selector on both sides; an entry that is missing has no rows. */
export function differencesOf(
  ours: readonly DigestEntry[],
  theirs: readonly DigestEntry[],
): readonly DigestDifference[] {
  const result = compareEntries(new Map(ours.map((entry) => [nameOf(entry), entry])), theirs);
  return result.kind === 'different' ? result.differences : [];
}

export function describeDifferences(differences: readonly DigestDifference[]): string {
  const names = differences.map(({ table, selector }) => `${table} (${selector})`).join(', ');
  return `the digest differs from Postgres: ${names}`;
}

function compareEntries(
  ours: ReadonlyMap<string, DigestEntry | null>,
  theirs: readonly DigestEntry[],
): Comparison {
  const differences: DigestDifference[] = [];
  const server = new Map(theirs.map((entry) => [nameOf(entry), entry]));
  let isSomethingUnknown = false;
  for (const name of new Set([...ours.keys(), ...server.keys()])) {
    const mine = ours.get(name);
    const their = server.get(name);
    if (mine === null) isSomethingUnknown = true;
    else if (
      (mine ?? EMPTY).digest !== (their ?? EMPTY).digest ||
      (mine ?? EMPTY).rows !== (their ?? EMPTY).rows
    ) {
      differences.push(differenceOf(mine, their));
    }
  }
  if (differences.length > 0) return { kind: 'different', differences };
  return { kind: isSomethingUnknown ? 'unknown' : 'same' };
}

function differenceOf(
  mine: DigestEntry | undefined,
  their: DigestEntry | undefined,
): DigestDifference {
  const { table, selector } = mine ?? their ?? { table: '', selector: '' };
  return {
    table,
    selector,
    ours: { digest: (mine ?? EMPTY).digest, rows: (mine ?? EMPTY).rows },
    theirs: { digest: (their ?? EMPTY).digest, rows: (their ?? EMPTY).rows },
  };
}

function nameOf(entry: { readonly table: string; readonly selector: string }): string {
  return `${entry.table}\u0000${entry.selector}`;
}
