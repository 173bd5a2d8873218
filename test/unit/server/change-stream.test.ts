/** Changes of runs as a stream: pages, what readers share, and a database that fails. */
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { RunQuery, RunQueryResult } from '../../../src/planner/run-store.ts';
import { ChangeStreams } from '../../../src/server/runs/change-stream.ts';
import type { RunsPort } from '../../../src/server/runs/port.ts';
import { createTestClock } from './support.ts';

const ROUND_MS = 250;

class FakeResponse extends EventEmitter {
  readonly socket = null;
  readonly written: string[] = [];
  writableNeedDrain = false;
  destroyed = false;

  write(text: string): void {
    this.written.push(text);
  }

  end(): void {
    this.destroyed = true;
    this.emit('close');
  }

  get seqs(): readonly number[] {
    return this.written.flatMap((text) => /^id: (\d+)/.exec(text)?.[1] ?? []).map(Number);
  }
}

/** A database whose pages have ten changes each. */
function world() {
  const clock = createTestClock();
  const listeners = new Set<() => void>();
  const database = { seq: 0, reads: 0, failure: null as Error | null };
  const port = {
    read: (query: RunQuery): RunQueryResult => {
      if (query.kind !== 'changes') return {};
      if (database.failure !== null) throw database.failure;
      database.reads += 1;
      const seq = Math.min(database.seq, query.since + 10);
      return { changes: { seq, isMore: seq < database.seq } } as RunQueryResult;
    },
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  } as unknown as RunsPort;
  const failures: unknown[] = [];
  const onError = (error: unknown): void => void failures.push(error);
  const streams = new ChangeStreams({ port, clock, stallMs: 5000, onError });
  const follow = (since = 0): FakeResponse => {
    const response = new FakeResponse();
    const expiresAtMs = Number.POSITIVE_INFINITY;
    const raw = response as unknown as ServerResponse;
    streams.follow({ response: raw, since, expiresAtMs, isBrief: false });
    return response;
  };
  const change = (seq: number): void => {
    database.seq = seq;
    for (const listener of listeners) listener();
  };
  const round = async (): Promise<void> => {
    clock.advance(ROUND_MS);
    for (let turns = 0; turns < 50; turns += 1) await turn();
  };
  return { streams, database, failures, listeners, follow, change, round };
}

test('a large change follows at once, page by page, and ends with the round', async () => {
  const { follow, change, round } = world();
  const reader = follow();
  change(45);
  await round();
  expect(reader.seqs).toEqual([0, 10, 20, 30, 40, 45]);
  change(1000);
  await round();
  expect(reader.seqs.at(-1)).toBe(45 + 16 * 10);
  await round();
  expect(reader.seqs.at(-1)).toBe(45 + 32 * 10);
});

test('nothing is told between the rounds, however often something changes', async () => {
  const { follow, change, round } = world();
  const reader = follow();
  for (let seq = 1; seq <= 9; seq += 1) change(seq);
  expect(reader.seqs).toEqual([0]);
  await round();
  expect(reader.seqs).toEqual([0, 9]);
});

test('a reader that takes nothing more gets the other pages when it goes on', async () => {
  const { follow, change, round } = world();
  const reader = follow();
  reader.write = (text) => {
    reader.written.push(text);
    reader.writableNeedDrain = true;
  };
  change(30);
  await round();
  await round();
  expect(reader.seqs).toEqual([0, 10]);
  reader.writableNeedDrain = false;
  await round();
  expect(reader.seqs).toEqual([0, 10, 20]);
});

test('readers at the same place share what is read', async () => {
  const { database, follow, change, round } = world();
  const readers = [follow(), follow(), follow()];
  const before = database.reads;
  change(7);
  await round();
  expect(readers.map(({ seqs }) => seqs.at(-1))).toEqual([7, 7, 7]);
  expect(database.reads - before).toBe(1);
});

test('a database that fails ends the streams with the error, and their readers may come again', async () => {
  const { streams, database, failures, listeners, follow, change, round } = world();
  const reader = follow();
  change(5);
  const failure = new TidelockError({ code: 'RUNS_UNUSABLE', message: 'the file is gone' });
  database.failure = failure;
  await round();
  expect(reader.written.at(-1)).toMatch(/^event: error\ndata: .*"code":"RUNS_UNUSABLE"/);
  expect(reader.destroyed).toBe(true);
  const early = follow();
  expect([early.written.length, early.destroyed]).toEqual([1, true]);
  expect(failures).toEqual([failure, failure]);
  expect([streams.count, listeners.size]).toEqual([0, 0]);
  database.failure = null;
  expect(follow().seqs).toEqual([5]);
});
