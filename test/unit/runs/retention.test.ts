import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DurableFile } from '../../../src/sqlite/runs/durable-file.ts';
import { PRUNED_AT_ONCE } from '../../../src/sqlite/runs/retention.ts';
import type { SqliteRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { newTask, type RunBed, runBed } from '../../support/run-bed.ts';

const DAY_MS = 86_400_000;
const PAGE = 7;

const eventsOf = (store: SqliteRunStore): readonly number[] =>
  (
    store.read({ kind: 'events', runId: null, testId: null, since: 0, limit: 20_000 }).events ?? []
  ).map(({ seq }) => seq);

const put = (bed: RunBed, count: number): void => {
  bed.store.write({ actor: 'me', writes: Array.from({ length: count }, () => newTask()) });
};

test('events go from the oldest on: what is too old, and what is too many', () => {
  const bed = runBed();
  put(bed, 3);
  bed.clock += 2 * DAY_MS;
  put(bed, 3);
  const all = eventsOf(bed.store);
  const upTo = bed.store.seq;
  const many = { upTo, eventsMax: 100, ageMsMax: DAY_MS };
  expect(bed.store.prune({ ...many, upTo: all[0] ?? 0 })).toBe(1);
  expect(bed.store.prune(many)).toBe(2);
  expect(eventsOf(bed.store)).toEqual(all.slice(3));
  expect(bed.store.prune({ upTo, eventsMax: 1, ageMsMax: DAY_MS })).toBe(2);
  expect(eventsOf(bed.store)).toEqual(all.slice(5));
  const { seq } = bed.store;
  expect(bed.store.prune(many)).toBe(0);
  expect(bed.store.seq).toBe(seq); // nothing to do is no change
});

test('one transaction removes no more than a thousand', () => {
  const bed = runBed();
  put(bed, PRUNED_AT_ONCE + 5);
  bed.clock += 2 * DAY_MS;
  const limits = { upTo: bed.store.seq, eventsMax: 10, ageMsMax: DAY_MS };
  expect([bed.store.prune(limits), bed.store.prune(limits)]).toEqual([PRUNED_AT_ONCE, 5]);
});

/** A reader that began at some time and reads on; what it has at the end. */
class Reader {
  readonly events = new Set<number>();
  #seq = 0;

  read(store: SqliteRunStore, pages: number): void {
    for (let page = 0; page < pages; page++) {
      const { changes } = store.read({ kind: 'changes', since: this.#seq, limit: PAGE });
      for (const { seq } of changes?.rows.events ?? []) this.events.add(seq);
      for (const { table, id } of changes?.removed ?? [])
        if (table === 'events') this.events.delete(Number(id));
      this.#seq = changes?.seq ?? 0;
    }
  }
}

type Step =
  | { readonly kind: 'put'; readonly count: number }
  | { readonly kind: 'prune'; readonly eventsMax: number; readonly share: number }
  | { readonly kind: 'read'; readonly pages: number }
  | { readonly kind: 'sync' };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({
    kind: fc.constant('prune' as const),
    eventsMax: fc.integer({ min: 1, max: 10 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({ kind: fc.constant('read' as const), pages: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('sync' as const) }),
);

test('S2, S5: whenever events go, a reader that reads on and a copy have what the database has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const bed = runBed();
      const reader = new Reader();
      const durable = new DurableFile(join(bed.dir, 'durable.db'));
      await durable.lease({ owner: 'me', now: 0, ms: 1e9 });
      for (const step of [...steps, { kind: 'sync' } as const]) {
        if (step.kind === 'put') put(bed, step.count);
        else if (step.kind === 'read') reader.read(bed.store, step.pages);
        else if (step.kind === 'sync') await carry(bed.store, durable);
        else {
          const upTo = Math.floor(bed.store.seq * step.share);
          bed.store.prune({ upTo, eventsMax: step.eventsMax, ageMsMax: DAY_MS });
        }
      }
      reader.read(bed.store, 100);
      const wanted = eventsOf(bed.store);
      expect([...reader.events].sort((a, b) => a - b)).toEqual(wanted);
      expect(await copied(durable)).toEqual(wanted);
      await durable.close();
    }),
    { numRuns: 20 },
  );
});

async function carry(store: SqliteRunStore, durable: DurableFile): Promise<void> {
  const snapshot = store.snapshot();
  try {
    const from = await durable.mark();
    const to = { history: snapshot.history, seq: snapshot.seq };
    await durable.apply({ owner: 'me', from, to, pages: snapshot.changes(from?.seq ?? 0) });
  } finally {
    snapshot.close();
  }
}

async function copied(durable: DurableFile): Promise<readonly number[]> {
  const seqs: number[] = [];
  for await (const { table, rows } of durable.pages())
    if (table === 'events') seqs.push(...rows.map(({ seq }) => Number(seq)));
  return seqs;
}
