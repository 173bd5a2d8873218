/** Merging old groups, at any moment: nobody who reads the log can tell. */
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import type { Ts } from '../../../src/core/lsn.ts';
import { lateGroups, lateLines } from '../../../src/engine/late-transactions.ts';
import { LogFeed } from '../../../src/engine/log-feed.ts';
import { LogMerger } from '../../../src/engine/log-merger.ts';
import { LogTail } from '../../../src/engine/log-tail.ts';
import type { GroupHead, NewGroup } from '../../../src/log/group.ts';
import { SEGMENT_ALL, SEGMENT_COMMIT } from '../../../src/log/group.ts';
import { LineBuffer } from '../../../src/log/line-buffer.ts';
import type { LogStore } from '../../../src/log/port.ts';
import { openLogStoreOn } from '../../../src/sqlite/log-store.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { anIdentity, lsn, newGroup, sealedOf, stagedPart } from '../log/groups.ts';
import { FailingSql } from '../sqlite/failing-sql.ts';

const SELECTORS = ['DE', 'FR', 'IT'] as const;
const stores: LogStore[] = [];

afterEach(() => {
  for (const store of stores.splice(0)) store.close();
});

function emptyLog(sql = openSql(':memory:', { timeoutMs: 0 })): LogStore {
  const store = openLogStoreOn(sql, 'memory');
  store.reset(anIdentity(), []);
  stores.push(store);
  return store;
}

/** A transaction is the list of those who get a line of it; `*` is everybody. */
type Transaction = readonly string[];

type Action =
  | { readonly kind: 'append'; readonly groups: readonly (readonly Transaction[])[] }
  | { readonly kind: 'large'; readonly parts: number }
  | { readonly kind: 'merge'; readonly from: number; readonly count: number }
  | { readonly kind: 'open'; readonly selectors: readonly string[]; readonly back: number }
  | { readonly kind: 'read'; readonly feed: number; readonly frames: number }
  | { readonly kind: 'snapshot'; readonly back: number; readonly selectors: readonly string[] };

const transaction = fc.subarray([...SELECTORS, '*'], { minLength: 1 });
const someSelectors = fc.subarray([...SELECTORS]);
const small = fc.array(transaction, { minLength: 1, maxLength: 3 });

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant('append' as const),
    groups: fc.array(small, { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('large' as const), parts: fc.integer({ min: 1, max: 3 }) }),
  fc.record({
    kind: fc.constant('merge' as const),
    from: fc.nat(20),
    count: fc.integer({ min: 1, max: 8 }),
  }),
  fc.record({ kind: fc.constant('open' as const), selectors: someSelectors, back: fc.nat(30) }),
  fc.record({ kind: fc.constant('read' as const), feed: fc.nat(5), frames: fc.nat(4) }),
  fc.record({ kind: fc.constant('snapshot' as const), back: fc.nat(20), selectors: someSelectors }),
);

/** One log with its readers. Two of them live the same life; only one of them merges. */
class Life {
  readonly tail = new LogTail(emptyLog(), 2000);
  readonly feeds: { readonly feed: LogFeed; bytes: string }[] = [];
  readonly snapshots: (() => string)[] = [];
  #ts = 100;

  append(groups: readonly (readonly Transaction[])[]): void {
    const fresh = groups.map((transactions) => this.#group(transactions));
    this.tail.added(this.tail.store.append(fresh), fresh);
  }

  /** A transaction in parts. */
  large(parts: number): void {
    const ts = this.#nextTs();
    const { store } = this.tail;
    const refs = Array.from({ length: parts }, (_, part) =>
      store.stage(ts, stagedPart(`part ${part} of ${ts}\n`, { selectors: ['FR'] })),
    );
    const last = newGroup(ts, { part: 'last', txid: ts, body: `end ${ts}\n`, selectors: ['FR'] });
    const sealed = refs.map((ref) => {
      const part = sealedOf(ref, ts, ['FR']);
      return { ...part, head: { ...part.head, minTxid: ts, maxTxid: ts } };
    });
    this.tail.added(store.seal(ts, sealed, last), []);
  }

  /** Neighbouring whole groups become one, where there are some. */
  merge(from: number, count: number): void {
    const { heads } = this.tail.store;
    const run = heads.slice(from, from + count);
    const first = run[0];
    const last = run.at(-1);
    if (first === undefined || last === undefined) return;
    if (run.every(({ part }) => part === 'whole')) this.tail.merge(first.seq, last.seq);
  }

  open(selectors: readonly string[], back: number): void {
    const since = lsn(Math.max(100, this.#ts - back));
    const nothing = (): void => undefined;
    const callbacks = { onCaughtUp: nothing, onAdvanced: nothing, onClose: nothing };
    const head = (): Uint8Array => Buffer.from('');
    const options = { tail: this.tail, selectors, since, head, ...callbacks };
    this.feeds.push({ feed: new LogFeed({ ...options, nowMicros: () => 0 }), bytes: '' });
  }

  read(at: number, bytesMin: number): void {
    const one = this.feeds[at];
    if (one === undefined) return;
    for (let frame = one.feed.read(); frame !== null; frame = one.feed.read()) {
      one.bytes += Buffer.from(frame).toString();
      if (one.bytes.length >= bytesMin) return;
    }
  }

  /** What a snapshot of now will put on top of its rows, later. */
  snapshot(back: number, selectors: readonly string[]): void {
    const xmin = this.#ts - back;
    const visibility = { xmin, isVisible: (txid: number) => txid < xmin || txid % 3 === 0 };
    const groups = lateGroups(this.tail.store.heads, visibility);
    this.snapshots.push(() =>
      [...lateLines(this.tail, groups, { selectors, visibility })]
        .map((lines) => Buffer.from(lines).toString())
        .join(''),
    );
  }

  /** Everything is read to its end: the whole lives of all readers. */
  finish(): unknown {
    for (const at of this.feeds.keys()) this.read(at, Number.POSITIVE_INFINITY);
    return {
      feeds: this.feeds.map(({ feed, bytes }) => ({ bytes, position: feed.position })),
      snapshots: this.snapshots.map((lines) => lines()),
    };
  }

  #nextTs(): number {
    this.#ts += 2;
    return this.#ts;
  }

  #group(transactions: readonly Transaction[]): NewGroup {
    const out = new LineBuffer();
    const facts: number[] = [];
    for (const readers of transactions) {
      const ts = this.#nextTs();
      for (const reader of readers) {
        out.append(Buffer.from(`${reader} at ${ts}\n`));
        out.endLine(reader === '*' ? SEGMENT_ALL : out.selectorId(reader), 0);
      }
      out.append(Buffer.from(`commit ${ts}\n`));
      out.endLine(SEGMENT_COMMIT, 0);
      out.closeSegment();
      facts.push(ts, ts, 0);
    }
    const { body, segments } = out.copy(0, 0);
    const firstTs = facts[0] as Ts;
    const lastTs = facts.at(-3) as Ts;
    return {
      head: {
        ...{ firstTs, lastTs, part: 'whole', txCount: facts.length / 3 },
        ...{ minTxid: firstTs, maxTxid: lastTs, selectors: out.selectors, hasAll: out.hasAll },
        sizeBytes: body.length,
      },
      content: { body, segments, transactions: Float64Array.from(facts) },
    };
  }
}

function live(lives: { readonly plain: Life; readonly merging: Life }, one: Action): void {
  const { plain, merging } = lives;
  if (one.kind === 'merge') {
    merging.merge(one.from, one.count);
    return;
  }
  if (one.kind === 'read') {
    // One reads whole frames, the other until it is as far: frames of merged groups are larger.
    for (let frame = 0; frame < one.frames; frame += 1) merging.read(one.feed, 0);
    plain.read(one.feed, merging.feeds[one.feed]?.bytes.length ?? 0);
    return;
  }
  for (const life of [plain, merging]) {
    if (one.kind === 'append') life.append(one.groups);
    else if (one.kind === 'large') life.large(one.parts);
    else if (one.kind === 'open') life.open(one.selectors, one.back);
    else life.snapshot(one.back, one.selectors);
  }
}

const TIMEOUT_MS = 60_000;

test(
  'P1, P2, P7: merging at any moment changes nothing for any reader, from any position',
  () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40, size: 'max' }), (actions) => {
        const lives = { plain: new Life(), merging: new Life() };
        for (const one of actions) live(lives, one);
        expect(lives.merging.finish()).toEqual(lives.plain.finish());
        for (const store of stores.splice(0)) store.close();
      }),
      { numRuns: 400 },
    );
  },
  TIMEOUT_MS,
);

const LIMITS = { freshGroups: 5, bytesMax: 2000, groupsMin: 3, groupsMax: 10 };

/** A log with a merger whose clock stands still. */
function mergerOf(store: LogStore, merged: GroupHead[] = []): LogMerger {
  const tail = new LogTail(store, 1000);
  const clock = { now: () => 0, wallMicros: () => 0, after: () => ({ cancel() {} }), soon() {} };
  return new LogMerger({ tail, clock, limits: LIMITS, onMerged: (_, head) => merged.push(head) });
}

/** Merges until there is nothing to do; how often. */
function mergeAll(merger: LogMerger): number {
  for (let merges = 0; merges < 1000; merges += 1) if (!merger.mergeSome()) return merges;
  throw new Error('merging comes to an end');
}

test('small groups become large ones, the newest stay, and merging comes to an end', () => {
  const store = emptyLog();
  for (let ts = 200; ts < 400; ts += 1) store.append([newGroup(ts)]);
  const bytes = store.sizeBytes;
  const merged: GroupHead[] = [];
  expect(mergeAll(mergerOf(store, merged))).toBe(merged.length);
  expect(store.heads.slice(-5).map(({ txCount }) => txCount)).toEqual([1, 1, 1, 1, 1]);
  expect(store.heads.length).toBeLessThan(30);
  expect(Math.max(...store.heads.map(({ sizeBytes }) => sizeBytes))).toBeLessThanOrEqual(2000);
  expect(store.sizeBytes).toBe(bytes);
});

test('groups that are large enough, and parts, are not copied', () => {
  const store = emptyLog();
  for (let ts = 200; ts < 240; ts += 1) store.append([newGroup(ts, { body: 'x'.repeat(800) })]);
  for (let ts = 240; ts < 270; ts += 1) {
    const ref = store.stage(7, stagedPart('x'));
    store.seal(7, [sealedOf(ref, ts, [])], newGroup(ts, { part: 'last' }));
  }
  expect(mergeAll(mergerOf(store))).toBe(0);
});

test('a merge that cannot be written is tried again later', () => {
  const failing = new FailingSql(openSql(':memory:', { timeoutMs: 0 }));
  const store = emptyLog(failing.sql);
  for (let ts = 200; ts < 230; ts += 1) store.append([newGroup(ts)]);
  const merger = mergerOf(store);
  failing.failAt(2);
  expect(merger.mergeSome()).toBe(false);
  expect(store.heads.length).toBe(30);
  expect(merger.mergeSome()).toBe(true);
  expect(store.heads.length).toBe(21);
});

test('P29: groups around a damaged one are merged, and it is still found when it is read', () => {
  const sql = openSql(':memory:', { timeoutMs: 0 });
  const store = emptyLog(sql);
  for (let ts = 200; ts < 260; ts += 1) store.append([newGroup(ts)]);
  sql.exec('UPDATE log_body SET body = zeroblob(length(body)) WHERE id = 5');
  mergeAll(mergerOf(store));
  expect(store.heads.length).toBeLessThan(30);
  expect(() => store.read(5)).toThrow('fails its checksum');
  for (const { seq } of store.heads.slice(10)) store.read(seq);
});
