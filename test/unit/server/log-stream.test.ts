import { expect, test } from 'vitest';
import { toLsn } from '../../../src/core/lsn.ts';
import type { TransicatorSource } from '../../../src/engine/api.ts';
import type { Frame, Sink } from '../../../src/lockstep/api.ts';
import { LogStream } from '../../../src/server/lockstep/log-stream.ts';
import { createMemoryEngine, lineOf } from './memory-engine.ts';

class RecordingSink implements Sink {
  onClose: (() => void) | null = null;
  isOpen = true;
  readonly isFull = false;
  readonly lines: string[] = [];
  error: unknown = null;

  write({ lines }: Frame): void {
    this.lines.push(...lines);
  }

  async room(): Promise<void> {}

  end(): void {
    this.isOpen = false;
  }

  fail(error: unknown): void {
    this.error = error;
    this.end();
  }
}

const SEQUENCE = { history: 1, ts: toLsn(100), index: 0 };
const READING = { first: SEQUENCE, last: SEQUENCE, upTo: toLsn(100), read: () => null };
const SOURCE: TransicatorSource = {
  changes: async () => READING,
  untilChange: async (_, after) => after,
  openRows: () => Promise.reject(new Error('nobody asks')),
  file: () => Promise.reject(new Error('nobody asks')),
};

test.each([
  ['t1', 'is complete', null],
  ['t2', 'is refused', expect.objectContaining({ code: 'TIMELINE_CHANGED' })],
])('a copy of history t1 that ends in history %s %s', async (timeline, _, error) => {
  const engine = createMemoryEngine();
  engine.patchStatus = { timeline };
  engine.makeLines = async function* () {
    yield lineOf({ type: 'snapshot_completed', ts: '0/64', timeline: 't1', digests: [] });
  };
  const sink = new RecordingSink();
  const [table] = engine.tables;
  if (table === undefined) throw new Error('there is a table');
  const stream = new LogStream(
    { engine, source: SOURCE, sink, snapshots: undefined },
    {
      ...{ table, selectors: ['FR'], since: null },
      ...{ isFollowing: false, heartbeatMs: 1000, heartbeatFormat: 'control' },
    },
  );
  await stream.run(new AbortController().signal);
  expect(sink.error).toEqual(error);
  expect(sink.lines).toHaveLength(error === null ? 1 : 0);
});
