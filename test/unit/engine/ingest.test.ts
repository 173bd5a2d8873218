import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Lsn, toLsn } from '../../../src/core/lsn.ts';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import type { CommitInfo, OldTuple, Relation } from '../../../src/core/source.ts';
import type { TableDef } from '../../../src/core/table.ts';
import { Ingest, type LogTask } from '../../../src/engine/ingest.ts';
import { LogTail } from '../../../src/engine/log-tail.ts';
import { LogWriter } from '../../../src/engine/log-writer.ts';
import { ReplicatedTables } from '../../../src/engine/replicated-tables.ts';
import { openLogStore } from '../../../src/sqlite/log-store.ts';
import { tupleOf } from './tuples.ts';

const cities: TableDef = {
  name: 'public.cities',
  columns: [
    { name: 'id', type: 'integer', kind: 'int' },
    { name: 'name', type: 'text', kind: 'text' },
    { name: 'country', type: 'text', kind: 'text' },
  ],
  key: ['id'],
  indexes: [],
  selector: parseSelectorRule('country'),
};

const relation: Relation = {
  oid: 1,
  name: cities.name,
  identity: 'f',
  columns: cities.columns.map(({ name }) => ({
    name,
    isIdentity: true,
    typeOid: 25,
    typeModifier: -1,
  })),
};

type Bench = { ingest: Ingest; tail: LogTail; at: (lsn: number, xid: number) => CommitInfo };

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

async function newBench(
  limits: { groupBytesMax: number; partBytesMax: number },
  keepsOldRows = false,
): Promise<Bench> {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-ingest-'));
  const store = openLogStore({ dir });
  cleanups.push(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  const identity = { systemId: '1', walTimeline: 1, generation: 1, startTs: toLsn(1) };
  store.reset(identity, [cities]);
  const tail = new LogTail(store, 1 << 20);
  const writer = new LogWriter(tail);
  const tables = new ReplicatedTables({
    known: [cities],
    unfit: [],
    held: new Map(),
    hasTriggers: false,
    keepsOldRows,
    catalog: {
      describe: async (name) => ({
        kind: 'table',
        name,
        oid: 1,
        table: cities,
        fills: {},
        files: '',
      }),
      parse: () => null,
    },
  });
  const ingest = new Ingest({
    tables,
    stage: (xid, part) => store.stage(xid, part),
    limits,
    after: toLsn(1),
    nextTxid: 2 ** 32 + 1000,
    onRead: (tasks: LogTask[], _upTo: Lsn) => {
      writer.add(tasks);
      expect(writer.write().failure).toBe(null);
    },
    onRedelivered: () => undefined,
  });
  await ingest.relation(relation, 0);
  return {
    ingest,
    tail,
    at: (lsn, xid) => ({ xid, commitLsn: toLsn(lsn - 1), ts: toLsn(lsn), timeMicros: 1 }),
  };
}

const LARGE = { groupBytesMax: 1 << 18, partBytesMax: 1 << 18 };
const TINY = { groupBytesMax: 300, partBytesMax: 300 };

/** What a reader of these selectors gets, as `type:key` words; commits as `commit@ts`. */
function read(tail: LogTail, selectors: string[], after = 0): string[] {
  const set = tail.sets.join(selectors);
  const { wanted } = set;
  const words: string[] = [];
  for (let seq = tail.next(wanted, 0); Number.isFinite(seq); seq = tail.next(wanted, seq)) {
    const frame = Buffer.from(tail.frame(tail.piece(seq, set, after), set));
    for (const line of frame.toString().split('\n').filter(Boolean)) {
      const message = JSON.parse(line) as {
        type: string;
        row?: unknown[];
        key?: unknown[];
        ts?: string;
      };
      words.push(
        message.type === 'commit'
          ? `commit@${message.ts}`
          : `${message.type}:${(message.row ?? message.key ?? [])[0]}`,
      );
    }
  }
  return words;
}

function insert(
  bench: Bench,
  xid: number,
  row: [string, string, string | null],
  subxid = xid,
): void {
  bench.ingest.insert(relation, tupleOf(row), { xid, subxid });
}

test('a reader gets whole transactions of its selectors only, each closed by its commit', async () => {
  const bench = await newBench(LARGE);
  bench.ingest.begin(5);
  insert(bench, 5, ['1', 'Paris', 'FR']);
  insert(bench, 5, ['2', 'Bonn', 'DE']);
  insert(bench, 5, ['3', 'Lyon', 'FR']);
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.begin(6);
  insert(bench, 6, ['4', 'Kiel', 'DE']);
  bench.ingest.commit(bench.at(32, 6));
  bench.ingest.endOfRead();
  expect(read(bench.tail, ['FR'])).toEqual(['insert:1', 'insert:3', 'commit@0/10']);
  expect(read(bench.tail, ['DE'])).toEqual(['insert:2', 'commit@0/10', 'insert:4', 'commit@0/20']);
  expect(read(bench.tail, ['FR', 'DE'])).toHaveLength(6);
  expect(read(bench.tail, ['DE'], 16)).toEqual(['insert:4', 'commit@0/20']);
  expect(read(bench.tail, ['IT'])).toEqual([]);
});

test('P17: a row that moves between selectors is deleted in the old and inserted in the new one', async () => {
  const bench = await newBench(LARGE);
  const old = { isWholeRow: true, tuple: tupleOf(['1', 'Strasbourg', 'DE']) };
  bench.ingest.begin(5);
  bench.ingest.update(relation, old, tupleOf(['1', undefined, 'FR']), { xid: 5, subxid: 5 });
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.endOfRead();
  expect(read(bench.tail, ['DE'])).toEqual(['delete:1', 'commit@0/10']);
  expect(read(bench.tail, ['FR'])).toEqual(['insert:1', 'commit@0/10']);
  expect(read(bench.tail, ['DE', 'FR'])).toEqual(['delete:1', 'insert:1', 'commit@0/10']);
});

test('a row without a selector reaches nobody, and appears when it gets one', async () => {
  const bench = await newBench(LARGE);
  bench.ingest.begin(5);
  insert(bench, 5, ['1', 'Atlantis', null]);
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.begin(6);
  const old = { isWholeRow: true, tuple: tupleOf(['1', 'Atlantis', null]) };
  bench.ingest.update(relation, old, tupleOf(['1', 'Atlantis', 'GR']), { xid: 6, subxid: 6 });
  bench.ingest.commit(bench.at(32, 6));
  bench.ingest.endOfRead();
  expect(bench.tail.store.heads).toHaveLength(1);
  expect(read(bench.tail, ['GR'])).toEqual(['insert:1', 'commit@0/20']);
});

test('P5: a transaction larger than a group is delivered whole, part by part, after its commit only', async () => {
  const bench = await newBench(TINY);
  bench.ingest.begin(5);
  for (let id = 0; id < 40; id += 1)
    insert(bench, 5, [`${id}`, 'x'.repeat(50), id < 20 ? 'FR' : 'DE']);
  bench.ingest.endOfRead();
  expect(bench.tail.store.heads).toEqual([]);
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.endOfRead();
  expect(bench.tail.store.heads.length).toBeGreaterThan(5);
  expect(read(bench.tail, ['FR'])).toEqual([
    ...Array.from({ length: 20 }, (_, id) => `insert:${id}`),
    'commit@0/10',
  ]);
  expect(read(bench.tail, ['DE']).at(-1)).toBe('commit@0/10');
  expect(read(bench.tail, ['FR', 'DE'])).toHaveLength(41);
});

test('P3: rolled back transactions and subtransactions of a streamed transaction never appear', async () => {
  for (const limits of [TINY, LARGE]) {
    const bench = await newBench(limits);
    bench.ingest.streamStart(7, true);
    for (let id = 0; id < 30; id += 1)
      insert(bench, 7, [`${id}`, 'x'.repeat(40), 'FR'], id % 3 === 0 ? 8 : 7);
    bench.ingest.streamStop();
    bench.ingest.streamStart(9, true);
    for (let id = 100; id < 120; id += 1) insert(bench, 9, [`${id}`, 'x'.repeat(40), 'FR']);
    bench.ingest.streamStop();
    bench.ingest.begin(5);
    insert(bench, 5, ['500', 'y', 'FR']);
    bench.ingest.commit(bench.at(16, 5));
    bench.ingest.endOfRead();
    bench.ingest.streamAbort(7, 8);
    bench.ingest.streamAbort(9, 9);
    bench.ingest.commit(bench.at(32, 7));
    bench.ingest.endOfRead();
    const kept = Array.from({ length: 30 }, (_, id) => id).filter((id) => id % 3 !== 0);
    expect(read(bench.tail, ['FR'])).toEqual([
      'insert:500',
      'commit@0/10',
      ...kept.map((id) => `insert:${id}`),
      'commit@0/20',
    ]);
  }
});

test('P2: a redelivered transaction leaves no trace', async () => {
  const bench = await newBench(LARGE);
  bench.ingest.begin(5);
  insert(bench, 5, ['1', 'Paris', 'FR']);
  bench.ingest.commit({ ...bench.at(16, 5), ts: toLsn(1), commitLsn: toLsn(0) });
  bench.ingest.endOfRead();
  expect(bench.tail.store.heads).toEqual([]);
});

test('P5: complete transactions are appended while a later one is still arriving', async () => {
  const bench = await newBench(LARGE);
  bench.ingest.begin(5);
  insert(bench, 5, ['1', 'Paris', 'FR']);
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.begin(6);
  insert(bench, 6, ['2', 'Lyon', 'FR']);
  bench.ingest.endOfRead();
  expect(read(bench.tail, ['FR'])).toEqual(['insert:1', 'commit@0/10']);
  insert(bench, 6, ['3', 'Nice', 'FR']);
  bench.ingest.commit(bench.at(32, 6));
  bench.ingest.endOfRead();
  expect(read(bench.tail, ['FR']).slice(2)).toEqual(['insert:2', 'insert:3', 'commit@0/20']);
});

test('transaction ids are widened across the 32-bit wrap', async () => {
  const bench = await newBench(LARGE);
  bench.ingest.begin(2 ** 32 - 5);
  insert(bench, 2 ** 32 - 5, ['1', 'Paris', 'FR']);
  bench.ingest.commit(bench.at(16, 2 ** 32 - 5));
  bench.ingest.begin(1001);
  insert(bench, 1001, ['2', 'Lyon', 'FR']);
  bench.ingest.commit(bench.at(32, 1001));
  bench.ingest.endOfRead();
  const [head] = bench.tail.store.heads;
  expect([head?.minTxid, head?.maxTxid]).toEqual([2 ** 32 - 5, 2 ** 32 + 1001]);
});

/** An update, a move and a delete of rows whose old version came whole, or as the key only. */
async function linesOfChanges(keepsOldRows: boolean, isWholeRow: boolean): Promise<string[]> {
  const bench = await newBench(LARGE, keepsOldRows);
  const info = { xid: 5, subxid: 5 };
  const old = (id: string): OldTuple => ({ isWholeRow, tuple: tupleOf([id, 'old', 'FR']) });
  bench.ingest.begin(5);
  bench.ingest.update(relation, old('1'), tupleOf(['1', undefined, 'FR']), info);
  bench.ingest.update(relation, old('2'), tupleOf(['3', 'new', 'DE']), info);
  bench.ingest.delete(relation, old('4'), info);
  bench.ingest.commit(bench.at(16, 5));
  bench.ingest.endOfRead();
  const set = bench.tail.sets.join(['FR', 'DE']);
  const piece = bench.tail.piece(bench.tail.next(set.wanted, 0), set, 0);
  const frame = Buffer.from(bench.tail.frame(piece, set));
  return frame.toString().split('\n').slice(0, 4);
}

const FRONT = (type: string, selector: string): string =>
  `{"type":"${type}","table":"public.cities","selector":"${selector}",`;

test('updates and deletes carry the whole old row where that is wished and sent', async () => {
  expect((await linesOfChanges(true, true)).sort()).toEqual(
    [
      `${FRONT('update', 'FR')}"old":[1,"old","FR"],"row":[1,"old","FR"]}`,
      `${FRONT('delete', 'FR')}"key":[2],"old":[2,"old","FR"]}`,
      `${FRONT('insert', 'DE')}"row":[3,"new","DE"]}`,
      `${FRONT('delete', 'FR')}"key":[4],"old":[4,"old","FR"]}`,
    ].sort(),
  );
});

test.each([
  ['it is not wished', false, true],
  ['only the key was sent', true, false],
])('lines have no old row when %s', async (_, keepsOldRows, isWholeRow) => {
  expect((await linesOfChanges(keepsOldRows, isWholeRow)).join()).not.toContain('"old":[');
});
