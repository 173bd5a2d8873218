/** Sources that follow the log: what is complete when, while one of their tables must be copied anew. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Lsn, Ts } from '../../../../src/core/lsn.ts';
import type { RowChange } from '../../../../src/core/row-change.ts';
import type { TableDef } from '../../../../src/core/table.ts';
import { systemClock } from '../../../../src/engine/clock.ts';
import type { ExactSnapshot } from '../../../../src/engine/exact-snapshot.ts';
import type { LogPiece } from '../../../../src/engine/row-log.ts';
import { PostgresFeed } from '../../../../src/engine/sql/postgres-feed.ts';
import { column, get, openBed, queryOf } from './worker-bed.ts';

const COLUMNS = [column('id', 'int4')];
const at = (position: number): Ts => position as Ts & Lsn;

function tableOf(name: string): TableDef {
  const selector = { kind: 'everyone' } as const;
  const columns = [{ name: 'id', type: 'integer', kind: 'int' } as const];
  return { name, columns, key: ['id'], indexes: [], selector };
}

const TABLES = [tableOf('public.a'), tableOf('public.b')];

function insert(table: string, id: number): RowChange {
  return { type: 'insert', table, selector: 'all', row: [id] };
}

function snapshotOf(ts: number, ids: Readonly<Record<string, readonly number[]>>): ExactSnapshot {
  return {
    ts: at(ts),
    timeline: 'one',
    tables: TABLES,
    async *rows(table) {
      const rows = (ids[table.name] ?? []).map((id) => [id]);
      yield { rows, selectors: rows.map(() => 'all') };
    },
    beganAt: () => Promise.resolve('2026-01-01T00:00:00Z'),
    text: '',
    lateLines: () => [],
    lateChanges: () => [],
    close: () => Promise.resolve(),
  };
}

/** A log that a test writes, and snapshots that it hands out one by one. */
class ScriptedLog {
  upper = at(10);
  readonly timeline = 'one';
  readonly pieces: LogPiece[] = [];
  #asked: ((snapshot: ExactSnapshot) => void)[] = [];

  snapshot(): Promise<ExactSnapshot> {
    return new Promise((resolve) => this.#asked.push(resolve));
  }

  /** Whoever waits for a snapshot gets this one. */
  async give(snapshot: ExactSnapshot): Promise<void> {
    await expect.poll(() => this.#asked.length).toBe(1);
    this.#asked.splice(0).forEach((resolve) => {
      resolve(snapshot);
    });
  }

  write(...pieces: LogPiece[]): void {
    this.pieces.push(...pieces);
    this.upper = pieces.at(-1)?.ts ?? this.upper;
  }

  reader(after: Ts): { next(): readonly LogPiece[] | null } {
    let position = after;
    return {
      next: () => {
        const news = this.pieces.filter(({ ts }) => ts > position);
        position = news.at(-1)?.ts ?? position;
        return news.length === 0 ? null : news;
      },
    };
  }

  reach = (): Promise<void> => Promise.resolve();
  lease = (): void => undefined;
  endLease = (): void => undefined;
}

let log: ScriptedLog;
let bed: ReturnType<typeof openBed>;
let feed: PostgresFeed;
const notices: string[] = [];

beforeEach(() => {
  notices.length = 0;
  log = new ScriptedLog();
  bed = openBed();
  feed = new PostgresFeed({
    ...{ rows: log, worker: bed.worker, clock: systemClock },
    ...{ onSettled: () => undefined, onOtherHistory: () => undefined },
    onNotice: (notice) => notices.push(notice),
  });
  for (const [id, table] of [
    ['u1', 'a'],
    ['u2', 'b'],
  ] as const) {
    const source = { id, columns: COLUMNS, key: [0], schema: 'public', table };
    bed.worker.handle({ kind: 'createPostgresSource', ...source });
    feed.add({ id, table: `public.${table}`, columns: COLUMNS });
  }
});

afterEach(() => feed.close());

function rowsOf(id: string, time: number): unknown {
  bed.take();
  const query = queryOf(get(id, COLUMNS));
  bed.worker.handle({ kind: 'peek', peek: 1, query, time, now: 0 });
  const done = bed.take().find(({ kind }) => kind === 'peekDone');
  return done?.kind === 'peekDone' && done.result.kind === 'rows'
    ? done.result.rows.map(([value]) => value)
    : done;
}

const upperOf = (id: string): number => bed.worker.sourceState(id).upper;

test('P20: nothing is complete after a change that a source cannot follow, before its rows are there again', async () => {
  await log.give(snapshotOf(10, { 'public.a': [1], 'public.b': [1] }));
  await expect.poll(() => upperOf('u2')).toBe(11);
  log.write(
    { ts: at(20), changes: [insert('public.a', 2), insert('public.b', 2)], isLast: true },
    { ts: at(30), changes: [{ type: 'resync', table: 'public.a' }], isLast: true },
    { ts: at(40), changes: [insert('public.b', 3)], isLast: true },
  );
  feed.wake();
  await expect.poll(() => upperOf('u1')).toBe(21);
  // The feed asks for rows now: it has done what it does before that.
  await log.give(snapshotOf(35, { 'public.a': [8, 9], 'public.b': [] }));
  await expect.poll(() => upperOf('u1')).toBe(41);
  expect(upperOf('u2')).toBe(41);
  expect(rowsOf('u1', 40)).toEqual([8, 9]);
  expect(rowsOf('u2', 40)).toEqual([1, 2, 3]);
  expect(rowsOf('u1', 20)).toEqual([1, 2]);
});

test('others have turns while a large table is loaded, and while its rows are taken away again', async () => {
  const ids = Array.from({ length: 20_000 }, (_, id) => id);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  await log.give(snapshotOf(10, { 'public.a': ids, 'public.b': [] }));
  await expect.poll(() => upperOf('u1'), { timeout: 20_000 }).toBe(11);
  expect(turns).toBeGreaterThanOrEqual(10);
  turns = 0;
  log.write({ ts: at(30), changes: [{ type: 'resync', table: 'public.a' }], isLast: true });
  feed.wake();
  await log.give(snapshotOf(35, { 'public.a': [1], 'public.b': [] }));
  await expect.poll(() => upperOf('u1'), { timeout: 20_000 }).toBeGreaterThan(35);
  isOver = true;
  expect(turns).toBeGreaterThanOrEqual(20);
  expect(rowsOf('u1', 35)).toEqual([1]);
});

test('the log says when a table must be copied anew, and when a source cannot go on', async () => {
  await log.give(snapshotOf(10, { 'public.a': [1], 'public.b': [1] }));
  await expect.poll(() => upperOf('u2')).toBe(11);
  log.write({ ts: at(20), changes: [{ type: 'resync', table: 'public.a' }], isLast: true });
  feed.wake();
  await log.give(snapshotOf(25, { 'public.a': [2], 'public.b': [] }));
  await expect.poll(() => upperOf('u1')).toBe(26);
  log.write({ ts: at(30), changes: [{ type: 'drop', table: 'public.b' }], isLast: true });
  feed.wake();
  await expect.poll(() => notices.length).toBe(2);
  expect(notices[0]).toContain('public.a is copied anew');
  expect(notices[1]).toContain('public.b is not replicated any more');
});
