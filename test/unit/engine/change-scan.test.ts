/** Readings of the log as changes while it grows, is merged, is purged and begins anew. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { ChangeReading } from '../../../src/engine/api.ts';
import {
  INDEX_MAX,
  NO_SEQUENCE,
  type Sequence,
} from '../../../src/protocol/transicator/sequence.ts';
import {
  ChangeLogBed,
  isAfter,
  isFor,
  isTooOld,
  type Told,
  type Transaction,
  toldOf,
  type Written,
} from './change-log-bed.ts';

const SELECTORS = ['DE', 'FR', 'IT'] as const;
const EVERYTHING = { since: null, snapshot: null, changesMax: 1000 } as const;

const beds: ChangeLogBed[] = [];

afterEach(() => {
  for (const { store } of beds.splice(0)) store.close();
});

function newBed(): ChangeLogBed {
  const bed = new ChangeLogBed();
  beds.push(bed);
  return bed;
}

/** A client that asks for what comes after what it has, a little at a time. */
class Client {
  readonly #bed: ChangeLogBed;
  readonly #selectors: readonly string[];
  readonly #changesMax: number;
  #since: Sequence | null;
  /** Where it began. */
  #start: Sequence | null;
  /** `bed.cuts` when `#since` was right; null: nobody told it. */
  #cuts: number | null;
  #cutsAtOpen = 0;
  #reading: ChangeReading | null = null;
  #due: readonly Transaction[] = [];
  #lastOfLog: Sequence | null = null;
  #got: Told[] = [];
  readonly #all: Told[] = [];
  isRefused = false;

  constructor(
    bed: ChangeLogBed,
    request: {
      readonly selectors: readonly string[];
      readonly changesMax: number;
      readonly since: Sequence | null;
    },
  ) {
    const { since } = request;
    this.#bed = bed;
    this.#selectors = request.selectors;
    this.#changesMax = request.changesMax;
    this.#since = since;
    this.#start = since;
    this.#cuts = since === null ? bed.cuts : null;
  }

  /** False when there was nothing to do. */
  step(): boolean {
    if (this.isRefused) return false;
    try {
      if (this.#reading !== null) return this.#read(this.#reading);
      this.#reading = this.#open();
      return true;
    } catch (error) {
      if (!isTooOld(error)) throw error;
      // Nothing was lost: then it must not be said.
      if (this.#cuts !== null) expect(this.#bed.cuts).toBeGreaterThan(this.#cuts);
      this.isRefused = true;
      return false;
    }
  }

  #open(): ChangeReading {
    const bed = this.#bed;
    const request = { selectors: this.#selectors, since: this.#since, snapshot: null };
    const reading = bed.log.open({ ...request, changesMax: this.#changesMax });
    this.#start ??= { history: bed.history, ts: bed.store.since, index: INDEX_MAX };
    if (this.#since === null) this.#cuts = bed.cuts;
    this.#cutsAtOpen = bed.cuts;
    this.#due = bed.due(this.#selectors, this.#since);
    const last = bed.transactions.at(-1);
    const isThere = last?.history === bed.history && last.ts > bed.store.since;
    this.#lastOfLog = isThere ? (last.rows.at(-1)?.sequence ?? null) : null;
    this.#got = [];
    return reading;
  }

  #read(reading: ChangeReading): boolean {
    const changes = reading.read();
    if (changes !== null) {
      this.#got.push(...changes.map(toldOf));
      return true;
    }
    this.#checkReading(reading);
    this.#all.push(...this.#got);
    this.#reading = null;
    this.#since = reading.last;
    this.#cuts = this.#cutsAtOpen;
    return this.#got.length > 0;
  }

  /** It holds exactly what was asked: whole transactions, in order, as many as fit. */
  #checkReading({ last }: ChangeReading): void {
    const got = this.#got;
    const max = this.#changesMax;
    let count = 0;
    const left = [...this.#due];
    for (let next = left[0]; next !== undefined && count < got.length; next = left[0]) {
      expect(got.slice(count, count + next.rows.length)).toEqual(next.rows.map(plain));
      count += next.rows.length;
      left.shift();
    }
    expect(got.length).toBe(count);
    const [next] = left;
    if (next !== undefined) {
      expect(count).toBeGreaterThan(0);
      expect(count >= max || next.isLarge || count + next.rows.length > max).toBe(true);
    }
    const isFull = next !== undefined || count >= max;
    const expected = isFull ? (got.at(-1)?.sequence ?? null) : this.#lastOfLog;
    if (expected !== null) expect(last).toEqual(expected);
  }

  /** All that it ever got is all that was ever written for it, or it was told. */
  finish(): void {
    while (this.step());
    // Once more, because a reading ends with what the log had when it was opened.
    while (this.step());
    const start = this.#start;
    if (this.isRefused || start === null) return;
    expect(start.history).toBe(this.#bed.history);
    const expected = this.#bed.transactions
      .filter(({ history }) => history === start.history)
      .flatMap(({ rows }) => rows)
      .filter(({ selector }) => isFor(this.#selectors, selector))
      .filter(({ sequence }) => isAfter(sequence, start));
    expect(this.#all).toEqual(expected.map(plain));
  }
}

function plain({ sequence, txid, id }: Told): Told {
  return { sequence, txid, id };
}

const written: fc.Arbitrary<Written> = fc.record({
  selector: fc.constantFrom(...SELECTORS, '*'),
  isLong: fc.oneof({ weight: 8, arbitrary: fc.constant(false) }, fc.constant(true)),
});
const rows = fc.array(written, { minLength: 1, maxLength: 4 });

const action = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    groups: fc.array(fc.array(rows, { minLength: 1, maxLength: 3 }), {
      minLength: 1,
      maxLength: 4,
    }),
  }),
  fc.record({
    kind: fc.constant('large' as const),
    parts: fc.array(rows, { minLength: 2, maxLength: 4 }),
  }),
  fc.record({
    kind: fc.constant('merge' as const),
    at: fc.nat(10),
    count: fc.integer({ min: 1, max: 6 }),
  }),
  fc.record({ kind: fc.constant('purge' as const), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({
    kind: fc.constant('client' as const),
    selectors: fc.subarray([...SELECTORS], { minLength: 1 }),
    changesMax: fc.constantFrom(1, 3, 8, 1000),
    /** Rows back from the last one written; null: from the start. */
    back: fc.option(fc.nat(30)),
  }),
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('steps' as const),
      client: fc.nat(5),
      count: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
const rareAction = fc.oneof(
  { weight: 30, arbitrary: action },
  fc.record({ kind: fc.constant('reset' as const) }),
);

type Action = typeof rareAction extends fc.Arbitrary<infer T> ? T : never;

function live(bed: ChangeLogBed, clients: Client[], one: Action): void {
  if (one.kind === 'append') bed.append(one.groups);
  else if (one.kind === 'large') bed.appendLarge(one.parts);
  else if (one.kind === 'merge') bed.merge(one.at, one.count);
  else if (one.kind === 'purge') bed.purge(one.count);
  else if (one.kind === 'reset') bed.reset();
  else if (one.kind === 'steps') {
    for (let step = 0; step < one.count; step += 1) clients[one.client]?.step();
  } else {
    const all = bed.transactions.flatMap((transaction) => transaction.rows);
    const since = one.back === null ? null : (all.at(-1 - one.back)?.sequence ?? NO_SEQUENCE);
    clients.push(new Client(bed, { ...one, since }));
  }
}

const TIMEOUT_MS = 120_000;

test(
  'P1, P4: whatever happens to the log meanwhile, a reading holds exactly what was asked, or is refused',
  () => {
    fc.assert(
      fc.property(fc.array(rareAction, { maxLength: 40, size: 'max' }), (actions) => {
        const bed = newBed();
        const clients: Client[] = [];
        for (const one of actions) live(bed, clients, one);
        for (const client of clients) client.finish();
        bed.store.close();
        beds.pop();
      }),
      { numRuns: 300 },
    );
  },
  TIMEOUT_MS,
);

/** A group of one transaction with one row. */
const row = (selector: string): Written[][][] => [[[{ selector, isLong: false }]]];

function idsOf(reading: ChangeReading): number[] {
  const ids: number[] = [];
  for (let changes = reading.read(); changes !== null; changes = reading.read()) {
    ids.push(...changes.map((change) => toldOf(change).id));
  }
  return ids;
}

const TOO_OLD = expect.objectContaining({ code: 'TOO_OLD' });

test('W22: a reading under which the log is purged is broken off, never shortened', () => {
  const bed = newBed();
  for (let count = 0; count < 4; count += 1) bed.append(row('FR'));
  const fresh = bed.log.open({ ...EVERYTHING, selectors: ['FR'] });
  const begun = bed.log.open({ ...EVERYTHING, selectors: ['FR'] });
  expect(begun.read()?.map((change) => toldOf(change).id)).toEqual([1]);
  bed.purge(2);
  expect(() => fresh.read()).toThrow(TOO_OLD);
  expect(() => begun.read()).toThrow(TOO_OLD);
});

test('a purge of what was handed out, or is nothing for the reader, ends no reading', () => {
  const bed = newBed();
  for (const selector of ['FR', 'DE', 'DE', 'FR']) bed.append(row(selector));
  const reading = bed.log.open({ ...EVERYTHING, selectors: ['FR'] });
  expect(reading.read()?.map((change) => toldOf(change).id)).toEqual([1]);
  bed.purge(3);
  expect(idsOf(reading)).toEqual([4]);
  const none = bed.log.open({ ...EVERYTHING, selectors: ['DE'] });
  bed.purge(1);
  expect(none.read()).toBeNull();
});

test('a new history breaks off a reading that has more to come, and no other', () => {
  const bed = newBed();
  bed.append(row('FR'));
  bed.append(row('DE'));
  const [more, none] = ['DE', 'IT'].map((selector) =>
    bed.log.open({ ...EVERYTHING, selectors: [selector] }),
  );
  bed.reset();
  bed.append(row('DE'));
  expect(() => more?.read()).toThrow(TOO_OLD);
  expect(none?.read()).toBeNull();
});

test('groups that are merged while they are read come once', () => {
  const bed = newBed();
  for (let count = 0; count < 6; count += 1) bed.append(row('FR'));
  const reading = bed.log.open({ ...EVERYTHING, selectors: ['FR'] });
  expect(reading.read()).toHaveLength(1);
  expect(reading.read()).toHaveLength(1);
  bed.append(row('FR'));
  bed.merge(1, 3);
  expect(reading.read()).toHaveLength(2);
  bed.merge(0, 5);
  expect(idsOf(reading)).toEqual([5, 6]);
});

const PARTS: Written[][] = ['FR', 'DE', 'FR'].map((selector) => [{ selector, isLong: false }]);

test('T2: a large transaction that the log cut while it was read is not numbered anew', () => {
  const bed = newBed();
  bed.appendLarge(PARTS);
  const reading = bed.log.open({ ...EVERYTHING, selectors: ['FR'] });
  expect(reading.read()).toHaveLength(1);
  bed.purge(2);
  expect(() => reading.read()).toThrow(TOO_OLD);
});

test('T1: what a cut left of a large transaction is told to nobody, and its end is a position', () => {
  const bed = newBed();
  bed.appendLarge(PARTS);
  bed.purge(1);
  const reading = bed.log.open({ ...EVERYTHING, selectors: ['FR', 'DE'] });
  expect(reading.read()).toBeNull();
  bed.append(row('FR'));
  const next = bed.log.open({ ...EVERYTHING, selectors: ['FR'], since: reading.last });
  expect(next.first).toEqual(bed.transactions.at(-1)?.rows[0]?.sequence);
  expect(idsOf(next)).toEqual([4]);
});

test.each([
  ['was purged', (bed: ChangeLogBed) => bed.purge(1)],
  ['began anew', (bed: ChangeLogBed) => bed.reset()],
])('T5: the position that an empty log told is refused when the log %s', (_, cut) => {
  const bed = newBed();
  const request = { ...EVERYTHING, selectors: ['FR'] };
  const { last } = bed.log.open(request);
  bed.append(row('FR'));
  expect(idsOf(bed.log.open({ ...request, since: last }))).toEqual([1]);
  cut(bed);
  expect(() => bed.log.open({ ...request, since: last })).toThrow(TOO_OLD);
  expect(bed.log.open(request).read()).toBeNull();
});
