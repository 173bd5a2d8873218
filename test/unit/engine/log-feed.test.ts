import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { type Ts, toLsn } from '../../../src/core/lsn.ts';
import { LogFeed } from '../../../src/engine/log-feed.ts';
import { LogTail } from '../../../src/engine/log-tail.ts';
import { type NewGroup, SEGMENT_COMMIT } from '../../../src/log/group.ts';
import { LineBuffer } from '../../../src/log/line-buffer.ts';
import { openLogStore } from '../../../src/sqlite/log-store.ts';

const START = 1000;
/** Large enough that three of them do not fit into one frame. */
const LARGE_LINE = 'y'.repeat(30_000);

type Transaction = { readonly ts: number; readonly lines: readonly (readonly [string, string])[] };

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function newTail(): LogTail {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-feed-'));
  const store = openLogStore({ dir });
  cleanups.push(() => {
    store.close();
    rmSync(dir, { recursive: true });
  });
  store.reset({ systemId: '1', walTimeline: 1, generation: 1, startTs: toLsn(START) }, []);
  return new LogTail(store, 1 << 20);
}

function openFeed(tail: LogTail, selectors: readonly string[], since: number): LogFeed {
  return new LogFeed({
    tail,
    selectors,
    since: toLsn(since),
    head: () => Buffer.from('head\n'),
    nowMicros: () => 0,
    onCaughtUp: () => undefined,
    onAdvanced: () => undefined,
    onClose: () => undefined,
  });
}

function append(tail: LogTail, transactions: readonly Transaction[]): void {
  const group = groupOf(transactions);
  tail.added(tail.store.append([group]), [group]);
}

function groupOf(transactions: readonly Transaction[]): NewGroup {
  const buffer = new LineBuffer();
  for (const { ts, lines } of transactions) {
    for (const [selector, line] of lines) {
      buffer.append(Buffer.from(`${line}\n`));
      buffer.endLine(buffer.selectorId(selector), 1);
    }
    buffer.append(Buffer.from(`commit ${ts}\n`));
    buffer.endLine(SEGMENT_COMMIT, 0);
    buffer.closeSegment();
  }
  const { body, segments } = buffer.copy(0, 0);
  return {
    head: {
      firstTs: toLsn(transactions[0]?.ts ?? 0),
      lastTs: toLsn(transactions.at(-1)?.ts ?? 0),
      part: 'whole',
      txCount: transactions.length,
      maxTxid: 1,
      minTxid: 1,
      selectors: buffer.selectors,
      hasAll: false,
      sizeBytes: body.length,
    },
    content: {
      segments,
      transactions: Float64Array.from(transactions.flatMap(({ ts }) => [ts, ts, 1])),
      body,
    },
  };
}

/** What a reader must get, from the definition: its lines, and the commits of what it has lines of. */
function expected(
  transactions: readonly Transaction[],
  selectors: readonly string[],
  since: number,
): string {
  return transactions
    .filter(
      ({ ts, lines }) => ts > since && lines.some(([selector]) => selectors.includes(selector)),
    )
    .map(({ ts, lines }) => {
      const mine = lines.filter(([selector]) => selectors.includes(selector));
      return `${mine.map(([, line]) => `${line}\n`).join('')}commit ${ts}\n`;
    })
    .join('');
}

const selector = fc.constantFrom('a', 'b', 'c');
const group = fc.array(
  fc.array(fc.tuple(selector, fc.constantFrom('x', 'xx', LARGE_LINE)), {
    minLength: 1,
    maxLength: 3,
  }),
  { minLength: 1, maxLength: 3 },
);
const reader = fc.record({
  selectors: fc.uniqueArray(selector, { minLength: 1, maxLength: 2 }),
  skipped: fc.nat(6),
});
const steps = fc.array(fc.oneof(group, fc.nat(5)), { maxLength: 20 });

test('P4: readers of the same and of other selectors each get their lines once, in order, whenever they read', () => {
  fc.assert(
    fc.property(fc.array(reader, { minLength: 1, maxLength: 6 }), steps, (readers, script) => {
      const tail = newTail();
      const feeds = readers.map(({ selectors, skipped }) => ({
        selectors,
        since: START + skipped,
        feed: openFeed(tail, selectors, START + skipped),
        got: '',
      }));
      const all: Transaction[] = [];
      const readOne = (at: number): boolean => {
        const one = feeds[at % feeds.length];
        const frame = one?.feed.read() ?? null;
        if (one !== undefined && frame !== null) one.got += Buffer.from(frame).toString();
        return frame !== null;
      };
      for (const step of script) {
        if (typeof step === 'number') readOne(step);
        else {
          const made = step.map((lines, at) => ({ ts: START + all.length + 1 + at, lines }));
          all.push(...made);
          append(tail, made);
        }
      }
      for (const [at, one] of feeds.entries()) {
        while (readOne(at));
        expect(one.got).toBe(expected(all, one.selectors, one.since));
        one.feed.close();
      }
    }),
    { numRuns: 60 },
  );
});

test('what small groups have for a reader comes as one frame, and the same one for others who read the same', () => {
  const tail = newTail();
  const [first, second] = [openFeed(tail, ['a'], START), openFeed(tail, ['a'], START)];
  for (let ts = START + 1; ts <= START + 10; ts += 1) append(tail, [{ ts, lines: [['a', 'x']] }]);
  const frame = first.read();
  expect(Buffer.from(frame ?? []).toString()).toBe(
    Array.from({ length: 10 }, (_, at) => `x\ncommit ${START + at + 1}\n`).join(''),
  );
  expect(second.read()).toBe(frame);
  expect([first.read(), second.read()]).toEqual([null, null]);
  expect(second.position).toBe((START + 10) as Ts);
});

test('a reader that is inside what others have put together gets only the rest', () => {
  const tail = newTail();
  const [early, late] = [openFeed(tail, ['a'], START), openFeed(tail, ['a'], START + 1)];
  append(tail, [
    { ts: START + 1, lines: [['a', 'x']] },
    { ts: START + 2, lines: [['a', 'y']] },
  ]);
  append(tail, [{ ts: START + 3, lines: [['a', 'z']] }]);
  expect(Buffer.from(early.read() ?? []).toString()).toContain('x\n');
  expect(Buffer.from(late.read() ?? []).toString()).toBe(
    `y\ncommit ${START + 2}\nz\ncommit ${START + 3}\n`,
  );
});
