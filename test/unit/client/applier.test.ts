import { describe, expect, test } from 'vitest';
import { FeedApplier, type FeedNews } from '../../../src/client/applier.ts';
import { DigestHistory } from '../../../src/client/digest-history.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { LineSplitter, type RawLine } from '../../../src/protocol/lines.ts';
import {
  bytesOf,
  commit,
  failure,
  heartbeat,
  hello,
  insert,
  progress,
  remove,
  table,
  update,
} from './feed-lines.ts';
import { CITIES, digestsOf, lsn, MemoryStore } from './memory-store.ts';

const KINDS: TableDef = { ...CITIES, name: 'public.kinds', selector: { kind: 'everyone' } };
const kind = (name: string): RawLine => ({ ...insert(1, name, '*'), table: KINDS.name });

type Setup = { store: MemoryStore; applier: FeedApplier; news: FeedNews[] };

function setup(
  options: { openBytesMax?: number; until?: number; store?: MemoryStore } = {},
): Setup {
  const store = options.store ?? new MemoryStore();
  const news: FeedNews[] = [];
  const applier = new FeedApplier({
    store,
    history: new DigestHistory(store.identity.position, store.digests()),
    onNews: (item) => news.push(item),
    crashPoint: () => {},
    ...(options.openBytesMax === undefined ? {} : { openBytesMax: options.openBytesMax }),
    ...(options.until === undefined ? {} : { until: lsn(options.until) }),
  });
  return { store, applier, news };
}

/** Pushes bytes through the parser into the applier, as the driver does. */
function push(applier: FeedApplier, lines: readonly RawLine[], sizeBytes = 100): void {
  applier.take(new LineSplitter().push(bytesOf(lines)), sizeBytes);
}

const kinds = (news: readonly FeedNews[]): string[] => news.map((item) => item.kind);
const row = (id: number, name: string): string => JSON.stringify([id, name, 'FR']);

describe('transactions', () => {
  test('P5: the complete transactions of a chunk are applied as one, an open one waits for its commit', () => {
    const { store, applier, news } = setup();
    push(applier, [
      hello(),
      table(),
      insert(1, 'a'),
      commit(110),
      insert(2, 'b'),
      commit(120),
      insert(3, 'c'),
    ]);
    expect(store.dump()).toEqual([row(1, 'a'), row(2, 'b')]);
    expect(store.commits).toEqual([120]);
    push(applier, [commit(130)]);
    expect(store.dump()).toHaveLength(3);
    expect(news.at(-1)).toMatchObject({ kind: 'applied', ts: 130, transactions: 1, changes: 1 });
    expect(news[1]).toMatchObject({
      transactions: 2,
      changes: 2,
      firstMicros: 110_000,
      micros: 120_000,
    });
  });

  test('P1: chunks cut at any byte lead to the same content and position', () => {
    const bytes = bytesOf([
      ...[hello(), table(), insert(1, 'é'), insert(2, 'b'), commit(110)],
      ...[update(1, 'z'), remove(2), commit(120), progress(125)],
    ]);
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const { store, applier } = setup();
      const splitter = new LineSplitter();
      applier.take(splitter.push(bytes.subarray(0, cut)), cut);
      applier.take(splitter.push(bytes.subarray(cut)), bytes.length - cut);
      expect(store.dump()).toEqual([row(1, 'z')]);
      expect(store.identity.position).toBe(125);
    }
  });

  test('P5: a connection cut after any line leaves whole transactions', () => {
    const lines = [
      hello(),
      table(),
      insert(1, 'a'),
      insert(2, 'a'),
      commit(110),
      insert(3, 'a'),
      insert(4, 'a'),
      commit(120),
    ];
    for (let count = 0; count <= lines.length; count += 1) {
      const { store, applier } = setup({ openBytesMax: 1 });
      for (const line of lines.slice(0, count)) push(applier, [line]);
      applier.abandon();
      const expected = count >= 8 ? [120, 4] : count >= 5 ? [110, 2] : [100, 0];
      expect([store.identity.position, store.dump().length]).toEqual(expected);
      expect(store.isInTransaction).toBe(false);
    }
  });

  test('P26: a transaction beyond the limit is streamed into the store and stays invisible', () => {
    const { store, applier, news } = setup({ openBytesMax: 250 });
    push(applier, [hello(), table()], 0);
    for (let id = 0; id < 10; id += 1) push(applier, [insert(id, 'x')]);
    expect(store.isInTransaction).toBe(true);
    expect(store.dump()).toEqual([]);
    push(applier, [commit(110), insert(99, 'y'), commit(120)]);
    expect(store.dump()).toHaveLength(11);
    expect(store.commits).toEqual([110, 120]);
    expect(news.filter((item) => item.kind === 'applied')).toMatchObject([
      { changes: 10, transactions: 1 },
      { changes: 1, transactions: 1 },
    ]);
  });

  test('P5: a streamed transaction is rolled back when the connection breaks', () => {
    const { store, applier } = setup({ openBytesMax: 1 });
    push(applier, [hello(), table(), insert(1, 'a'), commit(110)]);
    push(applier, [insert(2, 'b')]);
    expect(store.isInTransaction).toBe(true);
    applier.abandon();
    expect(store.isInTransaction).toBe(false);
    expect(store.dump()).toEqual([row(1, 'a')]);
  });

  test('P2: redelivered transactions are ignored by position, streamed or not', () => {
    for (const openBytesMax of [1, 1_000_000]) {
      const { store, applier } = setup({ openBytesMax });
      push(applier, [hello(), table(), insert(1, 'a'), commit(110), update(1, 'b'), commit(120)]);
      push(applier, [insert(1, 'a')]);
      push(applier, [commit(110), update(1, 'c')]);
      push(applier, [commit(120)]);
      push(applier, [insert(7, 'n')]);
      push(applier, [commit(130)]);
      expect(store.dump()).toEqual([row(1, 'b'), row(7, 'n')]);
      expect(store.commits).toEqual([120, 130]);
    }
  });

  test('P4: a commit that is not after the last one changes nothing', () => {
    const { store, applier } = setup();
    push(applier, [hello(), insert(2, 'b'), commit(120), insert(1, 'a'), commit(110)]);
    expect(store.dump()).toEqual([row(2, 'b')]);
    expect(store.identity.position).toBe(120);
  });

  test('a failed write leaves the position and says why', () => {
    const { store, applier } = setup();
    push(applier, [hello(), table()]);
    store.failure = Object.assign(new Error('disk full'), {
      code: 'REPLICA_WRITE_FAILED',
    }) as never;
    expect(() => push(applier, [insert(1, 'a'), commit(110)])).toThrow('disk full');
    applier.abandon();
    expect(store.identity.position).toBe(100);
  });

  test('what was complete before a malformed line is applied', () => {
    const { store, applier } = setup();
    const bad = { ...insert(2, 'b'), row: [2] };
    expect(() => push(applier, [hello(), insert(1, 'a'), commit(110), bad, commit(120)])).toThrow(
      '3 values were expected',
    );
    expect(store.identity.position).toBe(110);
  });
});

describe('the head of a feed', () => {
  test('another timeline is TIMELINE_CHANGED', () => {
    const { applier } = setup();
    expect(() => push(applier, [hello(100, 'T2')])).toThrow(
      expect.objectContaining({ code: 'TIMELINE_CHANGED' }),
    );
  });

  test('P1: a feed that starts after the replica is refused: something would be missing', () => {
    const { applier } = setup();
    expect(() => push(applier, [hello(101)])).toThrow(
      expect.objectContaining({ code: 'PROTOCOL' }),
    );
  });

  test.each([[insert(1, 'a')], [commit(110)], [progress(110)]])(
    '%o before hello is refused',
    (line) => {
      const { applier } = setup();
      expect(() => push(applier, [line])).toThrow('it stands before hello');
    },
  );

  test('a later protocol is refused', () => {
    const { applier } = setup();
    expect(() => push(applier, [{ ...hello(), protocol: 3 }])).toThrow('protocol 3');
  });

  const wider: TableDef = {
    ...CITIES,
    columns: [...CITIES.columns, { name: 'big', type: 'boolean', kind: 'bool' }],
  };

  test('P21: definitions of the head are ahead of a late reader; its rows come in their own order', () => {
    const { store, applier, news } = setup();
    const wide = { ...insert(2, 'b'), row: [2, 'b', 'FR', true] };
    push(applier, [hello(100, 'T1', 1), table(wider), insert(1, 'a'), commit(110)]);
    push(applier, [table(wider), wide, commit(120), progress(120)]);
    expect(store.dump()).toEqual([row(1, 'a'), JSON.stringify([2, 'b', 'FR', 1])]);
    expect(kinds(news)).not.toContain('resync');
  });

  test.each([
    ['another definition', [wider], 'not the one at the server'],
    ['a table that is missing here', [CITIES, KINDS], 'not the one at the server'],
    ['a table that is gone there', [{ ...CITIES, name: 'public.b' }], 'is not the one'],
  ])('%s that no line of the feed explains is a reason to re-synchronise', (_name, tables, why) => {
    const { applier, news, store } = setup();
    const head = [
      hello(100, 'T1', tables.length),
      ...tables.map((definition) => table(definition)),
    ];
    push(applier, [...head, insert(1, 'a'), commit(110)]);
    expect(store.dump()).toHaveLength(1);
    push(applier, [progress(120)]);
    expect(news.at(-1)).toMatchObject({ kind: 'resync', reason: expect.stringContaining(why) });
  });

  test('a table that the server dropped is dropped, and what it replicates no longer is noticed', () => {
    const { applier, news, store } = setup({ store: new MemoryStore({}, [CITIES, KINDS]) });
    push(applier, [hello(100, 'T1', 1), table(), { type: 'drop', table: KINDS.name }, commit(110)]);
    push(applier, [progress(120)]);
    expect(store.tables).toEqual([CITIES]);
    expect(kinds(news)).not.toContain('resync');
    const other = setup({ store: new MemoryStore({}, [CITIES, KINDS]) });
    push(other.applier, [hello(100, 'T1', 1), table(), progress(120)]);
    expect(other.news.at(-1)).toMatchObject({ kind: 'resync', table: KINDS.name });
  });

  test('a change among the definitions of the head is refused', () => {
    const { applier } = setup();
    expect(() => push(applier, [hello(100, 'T1', 2), table(), insert(1, 'a')])).toThrow(
      'of the head',
    );
  });
});

describe('schema changes', () => {
  const wider: TableDef = {
    ...CITIES,
    columns: [...CITIES.columns, { name: 'big', type: 'boolean', kind: 'bool', missing: false }],
  };

  test('P21: rows after a definition have its columns, rows before it the old ones', () => {
    const { store, applier } = setup();
    const wide = { ...insert(2, 'b'), row: [2, 'b', 'FR', true] };
    push(applier, [hello(), insert(1, 'a'), commit(110), table(wider), wide, commit(120)]);
    expect(store.dump()).toEqual([row(1, 'a'), JSON.stringify([2, 'b', 'FR', 1])]);
    expect(store.tables[0]?.columns).toHaveLength(4);
  });

  test('P21: a redelivered transaction of before the change is ignored although its rows are narrower', () => {
    const { store, applier } = setup({ store: new MemoryStore({}, [wider]) });
    push(applier, [hello(90), table(wider), insert(1, 'a'), commit(95), progress(110)]);
    expect(store.dump()).toEqual([]);
    expect(store.identity.position).toBe(110);
  });
});

describe('markers', () => {
  test('P24: progress and heartbeat move the position, never back', () => {
    const { store, applier } = setup();
    push(applier, [hello(), progress(110), heartbeat(105), heartbeat(130), progress(120)]);
    expect(store.commits).toEqual([110, 130]);
  });

  test('P24: a heartbeat inside a transaction does not move the position', () => {
    const { store, applier } = setup();
    push(applier, [hello(), insert(1, 'a')]);
    push(applier, [heartbeat(140)]);
    expect(store.identity.position).toBe(100);
    push(applier, [commit(150)]);
    expect(store.dump()).toHaveLength(1);
  });

  test('P24: progress inside a transaction is refused', () => {
    const { applier } = setup();
    expect(() => push(applier, [hello(), insert(1, 'a'), progress(140)])).toThrow(
      'inside a transaction',
    );
  });

  test('a digest of an earlier position is compared with what was held there', () => {
    const { store, applier, news } = setup();
    push(applier, [hello(), insert(1, 'a'), commit(110)]);
    const digests = digestsOf(store.content);
    push(applier, [
      insert(2, 'b'),
      commit(120),
      progress(110, digests),
      progress(120, digestsOf(store.content)),
    ]);
    expect(kinds(news).filter((kind) => kind === 'mismatch')).toEqual(['mismatch']);
    expect(news.find((item) => item.kind === 'verified')).toMatchObject({ ts: 110 });
  });

  test('a wrong digest ends the feed with the difference', () => {
    const { applier, news, store } = setup();
    const wrong = [{ table: CITIES.name, selector: 'FR', digest: '1'.repeat(32), rows: 1 }];
    push(applier, [hello(), progress(110, wrong), insert(1, 'a'), commit(120)]);
    expect(applier.isFinished).toBe(true);
    expect(news.at(-1)).toMatchObject({ kind: 'mismatch', differences: [{ theirs: { rows: 1 } }] });
    expect(store.dump()).toEqual([]);
  });
});

describe('the rest of the grammar', () => {
  test('unknown lines are ignored with one warning for each type', () => {
    const { store, applier, news } = setup();
    const later = { type: 'from_the_future' };
    push(applier, [hello(), later, insert(1, 'a'), later, commit(110), later]);
    expect(news.filter((item) => item.kind === 'unknownLine')).toHaveLength(1);
    expect(store.dump()).toHaveLength(1);
  });

  test('a resync line sets its table aside; the rest of its transaction is applied, then the feed ends', () => {
    const { store, applier, news } = setup({ store: new MemoryStore({}, [CITIES, KINDS]) });
    const resync = { type: 'resync', table: CITIES.name, reason: 'a column was dropped' };
    const lines = [insert(2, 'b'), resync, insert(3, 'c'), kind('k'), commit(120), insert(4, 'd')];
    push(applier, [hello(), insert(1, 'a'), commit(110), ...lines, commit(130)]);
    expect(store.identity.position).toBe(130);
    expect(store.dump()).toEqual([row(1, 'a'), row(2, 'b')]);
    expect(store.dump(KINDS.name)).toHaveLength(1);
    expect(news.at(-1)).toMatchObject({ kind: 'resync', reason: 'a column was dropped' });
    expect(applier.isFinished).toBe(true);
  });

  test('an error line is thrown with its code, an unknown code as PROTOCOL', () => {
    expect(() => push(setup().applier, [failure('TOO_OLD')])).toThrow(
      expect.objectContaining({ code: 'TOO_OLD' }),
    );
    expect(() => push(setup().applier, [failure('toString')])).toThrow(
      expect.objectContaining({ code: 'PROTOCOL' }),
    );
  });

  test.each([
    ['an unknown table', { ...insert(1, 'a'), table: 'public.other' }],
    ['a foreign selector', insert(1, 'a', 'DE')],
    ['a value of the wrong kind', { ...insert(1, 'a'), row: ['1', 'a', 'FR'] }],
    ['a delete without key', { ...remove(1), key: undefined }],
    ['an unknown column', { ...update(1, 'a'), cols: [0, 9, 1] }],
    ['a table without key', table({ ...CITIES, key: [] })],
    ['no table at all', { type: 'table' }],
    ['a position that is none', { ...commit(110), ts: 'soon' }],
  ])('%s is PROTOCOL', (_name, line) => {
    const { applier } = setup();
    expect(() => push(applier, [hello(), line as RawLine, commit(110)])).toThrow(
      expect.objectContaining({ code: 'PROTOCOL' }),
    );
  });

  test('with a limit the replica stops exactly there', () => {
    const lines = [hello(), insert(1, 'a'), commit(110), insert(2, 'b'), commit(120)];
    for (const [until, rows] of [
      [110, 1],
      [115, 1],
      [120, 2],
    ] as const) {
      const { store, applier } = setup({ until });
      push(applier, [...lines, progress(130)]);
      expect([applier.isFinished, store.identity.position, store.dump().length]).toEqual([
        true,
        until,
        rows,
      ]);
    }
  });
});
