/** The log for people: pages of transactions, the changes of one, and what fills it. */
import { expect, test } from 'vitest';
import type { Lsn } from '../../../src/core/lsn.ts';
import { formatLsn } from '../../../src/core/lsn.ts';
import { systemClock } from '../../../src/engine/clock.ts';
import { LogLook } from '../../../src/engine/log-look.ts';
import { ChangeLogBed } from './change-log-bed.ts';

const SIGNAL = new AbortController().signal;
const row = (selector: string) => ({ selector, isLong: false });
const long = (selector: string) => ({ selector, isLong: true });

function world() {
  const bed = new ChangeLogBed();
  const look = new LogLook({
    ...{ store: bed.store, clock: systemClock, tables: () => bed.store.tables },
    readersOf: (selector) => (selector === 'A' ? 2 : 0),
  });
  const positions = () => bed.transactions.map(({ ts }) => formatLsn(ts as Lsn));
  return { bed, look, positions };
}

test('pages go back from the newest to the oldest and forth again, each transaction once', async () => {
  const { bed, look, positions } = world();
  for (let times = 0; times < 4; times += 1) {
    bed.append([[[row('A')], [row('B'), row('*')], [row('A')]], [[row('A')]]]);
  }
  const seen: string[] = [];
  let page = await look.page({ at: null, isNewer: false, limit: 5 }, SIGNAL);
  for (let pages = 0; pages < 10; pages += 1) {
    seen.push(...page.transactions.map(({ ts }) => ts));
    if (page.older === undefined) break;
    const at = bed.transactions.findLast(({ ts }) => formatLsn(ts as Lsn) <= (page.older ?? ''));
    page = await look.page({ at: (at?.ts ?? 0) as Lsn, isNewer: false, limit: 5 }, SIGNAL);
  }
  expect(seen).toEqual(positions().reverse());
  const [first] = bed.transactions;
  const newer = await look.page({ at: (first?.ts ?? 0) as Lsn, isNewer: true, limit: 3 }, SIGNAL);
  expect(newer.transactions.map(({ ts }) => ts)).toEqual(positions().slice(1, 4).reverse());
});

test('a transaction tells its changes by operation and table, and its selectors', async () => {
  const { bed, look } = world();
  bed.append([[[row('A'), row('B'), row('*')]]]);
  const page = await look.page({ at: null, isNewer: false, limit: 5 }, SIGNAL);
  expect(page.transactions).toMatchObject([
    {
      changes: 3,
      kinds: { 'insert public.item': 3 },
      selectors: ['A', 'B', '*'],
      isPartial: false,
    },
  ]);
  expect(page).not.toHaveProperty('older');
  expect(page).not.toHaveProperty('newer');
});

test('a transaction of many groups is one, and its changes come in order, some at a time', async () => {
  const { bed, look } = world();
  bed.append([[[row('A')]]]);
  bed.appendLarge([[row('A'), row('B')], [row('A')], [row('B'), row('A')]]);
  bed.append([[[row('B')]]]);
  const page = await look.page({ at: null, isNewer: false, limit: 5 }, SIGNAL);
  expect(page.transactions.map(({ changes }) => changes)).toEqual([1, 5, 1]);
  const ts = (bed.transactions[1]?.ts ?? 0) as Lsn;
  const first = await look.changes({ ts, from: 0, limit: 3 }, SIGNAL);
  expect(first.next).toBe(3);
  const rest = await look.changes({ ts, from: 3, limit: 3 }, SIGNAL);
  expect(rest.next).toBeUndefined();
  const ids = [...first.changes, ...rest.changes].map(({ row: fields }) => fields?.[0]?.[1]);
  expect(ids).toEqual(bed.transactions[1]?.rows.map(({ id }) => id));
});

test('a transaction that is too large to be looked through says so, where it is cut', async () => {
  const { bed, look } = world();
  const part = Array.from({ length: 120 }, () => long('A'));
  bed.appendLarge([part, part, part, part, part, part, part, part, [row('B')]]);
  const ts = (bed.transactions[0]?.ts ?? 0) as Lsn;
  const first = await look.changes({ ts, from: 0, limit: 2 }, SIGNAL);
  expect(first).toMatchObject({ next: 2 });
  expect(first).not.toHaveProperty('isCut');
  const last = await look.changes({ ts, from: 835, limit: 500 }, SIGNAL);
  expect(last.changes.length).toBeGreaterThan(0);
  expect(last).toMatchObject({ isCut: true });
});

test('long values are cut, and told to be', async () => {
  const { bed, look } = world();
  bed.append([[[long('A')]]]);
  const ts = (bed.transactions[0]?.ts ?? 0) as Lsn;
  const { changes } = await look.changes({ ts, from: 0, limit: 1 }, SIGNAL);
  expect(String(changes[0]?.row?.[1]?.[1])).toMatch(/^y{2000}… \(40000 characters\)$/);
});

test('a position without a transaction has no changes', async () => {
  const { bed, look } = world();
  bed.append([[[row('A')]]]);
  const ts = ((bed.transactions[0]?.ts ?? 0) + 1) as Lsn;
  await expect(look.changes({ ts, from: 0, limit: 1 }, SIGNAL)).rejects.toThrow('no transaction');
});

test('selectors are told by what they take, with their readers', async () => {
  const { bed, look } = world();
  bed.append([[[row('A'), long('B')]], [[row('A')]]]);
  const { selectors, selectorCount, looked } = await look.selectors(SIGNAL);
  expect(selectors.map(({ selector, segments, readers }) => [selector, segments, readers])).toEqual(
    [
      ['B', 1, 0],
      ['A', 2, 2],
    ],
  );
  expect(selectors.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1);
  expect([selectorCount, looked.isComplete]).toEqual([2, true]);
});

test('who leaves is not looked for any more', async () => {
  const { bed, look } = world();
  bed.append([[[row('A')]]]);
  await expect(look.selectors(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
});
