/** What many runs together have shown: what failed, and which rare states were reached. */
import type { SeedDone } from './seeds.ts';

/** States that a campaign must have been in: without them it has shown little. */
const SOMETIMES: readonly (readonly [state: string, what: string])[] = [
  ['redelivered', 'a transaction was delivered again'],
  ['late in a snapshot', 'a snapshot lacked a transaction that the log had'],
  ['the slot went back', 'a crash of Postgres took the slot back'],
  ['redelivered in the stream', 'the stream brought what the log has'],
  ['drop-slot', 'the slot was dropped'],
  ['lose-slot', 'the slot was lost'],
  ['move-slot', 'somebody moved the slot'],
  ['promote', 'a standby that has everything took the place of Postgres'],
  ['promote-behind', 'a standby that is behind took the place of Postgres'],
  ['restore', 'an older copy took the place of Postgres'],
  ['other-cluster', 'another cluster took the place of Postgres'],
  ['commits were gone with Postgres', 'a commit was gone with Postgres'],
  ['a promotion was followed', 'the history went on over a promotion'],
  ['another history was found out', 'transactions told that the history is another one'],
  ['alter add', 'a column was added'],
  ['alter add-filled', 'a column was added with a value'],
  ['alter drop', 'a column was dropped'],
  ['alter rename', 'a column was renamed'],
  ['alter retype', 'a column changed its type'],
  ['tables were announced', 'the schema had changed while nobody looked'],
  ['a table waited for its copy', 'a reader found a table that waited for its copy'],
  ['resynchronised', 'a replica took a difference snapshot'],
  ['feed ended: TOO_OLD', 'the log was cut under a reader'],
  ['feed ended: TIMELINE_CHANGED', 'a reader was told that its history is over'],
  ['large transactions', 'a transaction came in pieces'],
  ['a savepoint was taken back', 'a savepoint of a large transaction was taken back'],
  ['the log lost unsynced writes', 'a crash of the machine took unsynced writes of the log'],
  ['a replica lost commits', 'a crash of the machine took commits of a replica'],
  ['fill-log', 'the disk of the log was full'],
  ['fill-receiver', 'the disk of a replica was full'],
  ['partition', 'a replica was cut off'],
  ['stall-reader', 'a reader did not read'],
  ['jump-clock', 'the wall clock jumped'],
  ['repeated', 'a report arrived twice'],
  ['broken', 'a request or its answer was lost'],
  ['merged', 'groups of the log were merged'],
  ['purged', 'groups of the log were purged'],
  ['verified', 'a digest of Postgres agreed with a replica'],
  ['a crash of Postgres took a transaction', 'a crash of Postgres took an open transaction'],
  ['uploads arrived twice', 'a local transaction was uploaded twice'],
  ['two-way kill', 'a site that writes was killed'],
  ['crashed at upload: answered', 'a site died between the answer and its storing'],
];

export type Failure = Pick<SeedDone, 'seed' | 'findings' | 'twoway'>;

export type Summary = {
  readonly runs: number;
  readonly steps: number;
  readonly failures: readonly Failure[];
  /** How often each property was looked at. */
  readonly checked: Readonly<Record<string, number>>;
  readonly sometimes: readonly { readonly what: string; readonly times: number }[];
  /** Places in the programs where a process died. */
  readonly crashPoints: Readonly<Record<string, number>>;
};

const FAILURES_KEPT_MAX = 100;

export class Totals {
  readonly #seen = new Map<string, number>();
  readonly #checked = new Map<string, number>();
  readonly #failures: Failure[] = [];
  runs = 0;
  steps = 0;

  get failed(): number {
    return this.#failures.length;
  }

  add({ seed, findings, twoway, steps, seen, checked }: SeedDone): void {
    this.runs += 1;
    this.steps += steps;
    for (const [what, times] of seen) count(this.#seen, what, times);
    for (const [property, times] of checked) count(this.#checked, property, times);
    const isBad = findings.length + twoway.length > 0;
    if (isBad && this.#failures.length < FAILURES_KEPT_MAX) {
      this.#failures.push({ seed, findings, twoway });
    }
  }

  summary(): Summary {
    const crashes = [...this.#seen].filter(([what]) => what.startsWith(CRASHED));
    return {
      ...{ runs: this.runs, steps: this.steps },
      failures: this.#failures.toSorted((a, b) => a.seed - b.seed),
      checked: Object.fromEntries(this.#checked),
      sometimes: SOMETIMES.map(([state, what]) => ({ what, times: this.#seen.get(state) ?? 0 })),
      crashPoints: Object.fromEntries(crashes.map(([what, n]) => [what.slice(CRASHED.length), n])),
    };
  }
}

const CRASHED = 'crashed at ';

function count(counts: Map<string, number>, what: string, times: number): void {
  counts.set(what, (counts.get(what) ?? 0) + times);
}
