/**
 * The prefix checker: after every local transaction, and at every read, a replica must be exactly what the
 * model was at that commit. One look-up each, so loss, doubling, order and atomicity are checked at every
 * step and not only at the end. What does not fit is an incident; witness.ts finds out what it means.
 */
import { parseLsn } from '../../../core/lsn.ts';
import type { ApplyEvent, ReadEvent } from '../evidence.ts';
import type { Findings } from './findings.ts';
import { type History, isSame, type Moment } from './history.ts';

/** A replica was not what it claimed to be. */
export type Incident = {
  readonly kind: 'apply' | 'copy' | 'read';
  /** Number of the event in its stream. */
  readonly index: number;
  readonly t: number;
  readonly replica: string;
  readonly life: number;
  readonly selectors: readonly string[];
  readonly ts: string;
  readonly position: number;
  /** The position was not told by an `apply` or a copy: a marker moved the replica there. */
  readonly isByMarker: boolean;
  /** The position is that of a copy. */
  readonly isAtCopy: boolean;
  /** A local transaction claims a position at which nothing that it holds was committed. */
  readonly isNoCommit: boolean;
  /** What differs, in words. */
  readonly sentence: string;
  /** The position at which everything was as the replica shows it; null when it never was. */
  readonly stateOf: number | null;
  /** True when some of its parts are right. */
  readonly isPartly: boolean;
};

/** Kept for a witness, by replica and kind; the others are counted. */
const INCIDENTS_MAX = 6;

type ReplicaState = {
  /** Of the last apply or copy. */
  position: number;
  ts: string;
  /** The furthest that a read has seen. */
  readPosition: number;
  copiedAt: number;
  readonly told: Set<number>;
  readonly copies: Set<number>;
  readonly sessions: Map<string, { position: number; ts: string }>;
  readonly incidents: Map<Incident['kind'], number>;
};

export class Checker {
  readonly incidents: Incident[] = [];
  /** Incidents that were not kept. */
  moreIncidents = 0;
  readonly #history: History;
  readonly #findings: Findings;
  readonly #replicas = new Map<string, ReplicaState>();

  constructor(history: History, findings: Findings) {
    this.#history = history;
    this.#findings = findings;
  }

  /** The position of the replica's last apply or copy; 0 when it had none. */
  positionOf(replica: string): number {
    return this.#replicas.get(replica)?.position ?? 0;
  }

  /** How far a reader has seen the replica; 0 when nobody has read it. */
  readPositionOf(replica: string): number {
    return this.#replicas.get(replica)?.readPosition ?? 0;
  }

  /** When the replica last took a copy; -1 when it never did. */
  copiedAt(replica: string): number {
    return this.#replicas.get(replica)?.copiedAt ?? -1;
  }

  apply(event: ApplyEvent, index: number): void {
    const state = this.#state(event.replica);
    const position = parseLsn(event.ts, 'ts');
    this.#checkOrder(event, position, state);
    state.position = position;
    state.ts = event.ts;
    if (!isResumption(event)) state.told.add(position);
    if (event.kind !== 'apply') {
      state.copies.add(position);
      state.copiedAt = event.t;
    }
    this.#findings.check('P1');
    const wrong = event.digests.flatMap((entry) => {
      const isHeld = entry.selector === '*' || event.selectors.includes(entry.selector);
      const expected = isHeld
        ? this.#history.ofPart(entry.table, entry.selector).at(position)
        : { digest: '0'.repeat(32), rows: 0 };
      return isSame(entry, expected) ? [] : [{ entry, expected }];
    });
    const [first] = wrong;
    if (first === undefined) return;
    const { entry, expected } = first;
    const track = this.#history.ofPart(entry.table, entry.selector);
    this.#note(state, event.kind === 'apply' ? 'apply' : 'copy', () => ({
      ...this.#base(event, position, index),
      sentence: `${event.replica} at ${event.ts} says of ${entry.table} (${entry.selector}) ${words(entry)}, but there it must be ${words(expected)}`,
      stateOf: wrong.length === event.digests.length ? track.find(entry, position) : null,
      isPartly: wrong.length < event.digests.length,
    }));
  }

  read(event: ReadEvent, index: number): void {
    const state = this.#state(event.replica);
    const position = parseLsn(event.ts, 'ts');
    this.#checkSession(event, position, state);
    state.readPosition = Math.max(state.readPosition, position);
    const isByMarker = !state.told.has(position);
    if (isByMarker && position > state.position) this.#findings.check('P24');
    this.#findings.check('P5');
    if (event.selectors.length > 1) this.#findings.check('P6');
    const track = this.#history.ofSet(event.selectors);
    const expected = track.at(position);
    if (!isSame(event, expected)) {
      this.#note(state, 'read', () => ({
        ...this.#base(event, position, index),
        isPartly: false,
        sentence: `a read of ${event.replica} at ${event.ts} shows ${words(event)}, but there it must be ${words(expected)}`,
        stateOf: track.find(event, position),
      }));
    }
    this.#checkSums(event, position);
  }

  #base(
    event: ApplyEvent | ReadEvent,
    position: number,
    index: number,
  ): Omit<Incident, 'kind' | 'sentence' | 'stateOf' | 'isPartly'> {
    const { t, replica, life, selectors, ts } = event;
    const state = this.#state(replica);
    const isTold = state.told.has(position);
    const isAtCopy = state.copies.has(position);
    const isNoCommit = isTold && !isAtCopy && !this.#history.ofSet(selectors).isCommit(position);
    const place = { index, t, replica, life, selectors, ts, position };
    return { ...place, isByMarker: !isTold, isAtCopy, isNoCommit };
  }

  #state(replica: string): ReplicaState {
    const known = this.#replicas.get(replica);
    if (known !== undefined) return known;
    const made: ReplicaState = {
      ...{ position: 0, ts: '0/0', readPosition: 0, copiedAt: -1 },
      ...{ told: new Set(), copies: new Set() },
      ...{ sessions: new Map(), incidents: new Map() },
    };
    this.#replicas.set(replica, made);
    return made;
  }

  #checkOrder(event: ApplyEvent, position: number, state: ReplicaState): void {
    const { replica, ts, t, kind } = event;
    if (kind !== 'apply') {
      this.#findings.check('P8');
      if (position >= state.position) return;
      const sentence = `${replica} took a copy of ${ts} although it had been at ${state.ts}`;
      this.#findings.add({ property: 'P8', t, sentence, rows: [] });
      return;
    }
    this.#findings.check('P4');
    if (isResumption(event) && position === state.position) return;
    if (position <= state.position) {
      const sentence = `${replica} applied ${ts} after it had applied ${state.ts}`;
      this.#findings.add({ property: 'P4', t, sentence, rows: [] });
    }
  }

  #checkSession(event: ReadEvent, position: number, state: ReplicaState): void {
    const key = `${event.session}`;
    const last = state.sessions.get(key);
    state.sessions.set(key, { position, ts: event.ts });
    if (last === undefined) return;
    this.#findings.check('P8');
    if (position >= last.position) return;
    const sentence = `a reader of ${event.replica} saw ${last.ts} and then ${event.ts}`;
    this.#findings.add({ property: 'P8', t: event.t, sentence, rows: [] });
  }

  #checkSums(event: ReadEvent, position: number): void {
    for (const selector of event.selectors) {
      const seen = event.sums[selector] ?? '0';
      const expected = this.#history.balance(selector, position);
      if (seen === expected) continue;
      const sentence = `a read of ${event.replica} at ${event.ts} finds balances of ${seen} in ${selector}, but their sum is ${expected}: part of a transfer is missing or too much`;
      this.#findings.add({ property: 'P5', t: event.t, sentence, rows: [] });
    }
  }

  #note(state: ReplicaState, kind: Incident['kind'], describe: () => Omit<Incident, 'kind'>): void {
    const count = (state.incidents.get(kind) ?? 0) + 1;
    state.incidents.set(kind, count);
    if (count <= INCIDENTS_MAX) this.incidents.push({ ...describe(), kind });
    else this.moreIncidents += 1;
  }
}

/** What a process says of the file that it found: nothing was applied. */
function isResumption({ kind, changes }: ApplyEvent): boolean {
  return kind === 'apply' && changes === 0;
}

function words({ rows, digest }: Moment): string {
  return `${rows} ${rows === 1 ? 'row' : 'rows'} with digest ${digest.slice(0, 12)}`;
}
