import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NewTask } from '../../../src/planner/run-store.ts';
import { DurableFile } from '../../../src/sqlite/runs/durable-file.ts';
import {
  ENDED_MS_MIN,
  type KeptTable,
  PRUNED_AT_ONCE,
  type Retention,
} from '../../../src/sqlite/runs/retention.ts';
import type { SqliteRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { newTask, type RunBed, runBed, seedRun } from '../../support/run-bed.ts';

const DAY_MS = 86_400_000;
const PAGE = 7;

const eventsOf = (store: SqliteRunStore): readonly number[] =>
  (
    store.read({ kind: 'events', runId: null, testId: null, since: 0, limit: 20_000 }).events ?? []
  ).map(({ seq }) => seq);

const tasksOf = (store: SqliteRunStore): readonly number[] =>
  (store.read({ kind: 'tasks', states: null, limit: 20_000 }).tasks ?? [])
    .map(({ id }) => id)
    .sort((a, b) => a - b);

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
  const many = { upTo, max: 100, ageMsMax: DAY_MS };
  expect(bed.store.prune('events', { ...many, upTo: all[0] ?? 0 })).toBe(1);
  expect(bed.store.prune('events', many)).toBe(2);
  expect(eventsOf(bed.store)).toEqual(all.slice(3));
  expect(bed.store.prune('events', { upTo, max: 1, ageMsMax: DAY_MS })).toBe(2);
  expect(eventsOf(bed.store)).toEqual(all.slice(5));
  const { seq } = bed.store;
  expect(bed.store.prune('events', many)).toBe(0);
  expect(bed.store.seq).toBe(seq); // nothing to do is no change
});

test('one transaction removes no more than a thousand', () => {
  const bed = runBed();
  put(bed, PRUNED_AT_ONCE + 5);
  bed.clock += 2 * DAY_MS;
  const limits = { upTo: bed.store.seq, max: 10, ageMsMax: DAY_MS };
  expect([bed.store.prune('events', limits), bed.store.prune('events', limits)]).toEqual([
    PRUNED_AT_ONCE,
    5,
  ]);
});

/** Puts tasks, ends all but `open` of them; gives their numbers. */
function putTasks(
  bed: RunBed,
  tasks: readonly Partial<NewTask>[],
  open: readonly number[] = [],
): readonly number[] {
  const { answers } = bed.store.write({ actor: 'me', writes: tasks.map((task) => newTask(task)) });
  const ids = answers.map(({ id }) => id ?? 0);
  end(
    bed,
    ids.filter((_id, index) => !open.includes(index)),
  );
  return ids;
}

function end(bed: RunBed, ids: readonly number[]): void {
  bed.store.write({ actor: 'me', writes: [{ kind: 'cancelTasks', ids, cause: 'test' }] });
}

const few = (bed: RunBed, max: number): Retention => ({
  upTo: bed.store.seq,
  max,
  ageMsMax: DAY_MS,
});

test('ended tasks go from the oldest on, what is too old and what is too many, never an open one', () => {
  const bed = runBed();
  const first = putTasks(bed, [{}, {}, {}, {}], [1]);
  expect(bed.store.prune('tasks', few(bed, 1))).toBe(0); // somebody may still wait for them
  bed.clock += ENDED_MS_MIN;
  expect(bed.store.prune('tasks', few(bed, 2))).toBe(1);
  expect(tasksOf(bed.store)).toEqual(first.slice(1));
  bed.clock += 2 * DAY_MS;
  const second = putTasks(bed, [{}, {}]);
  expect(bed.store.prune('tasks', { ...few(bed, 100), upTo: 1 })).toBe(0); // not durable
  expect(bed.store.prune('tasks', few(bed, 100))).toBe(2);
  expect(tasksOf(bed.store)).toEqual([first[1], ...second]);
  bed.clock += 2 * DAY_MS;
  expect(bed.store.prune('tasks', few(bed, 100))).toBe(1);
  expect(tasksOf(bed.store)).toEqual([first[1], second[1]]); // the newest: no number is given twice
  const { seq } = bed.store;
  expect(bed.store.prune('tasks', few(bed, 100))).toBe(0);
  expect(bed.store.seq).toBe(seq);
});

test('a task stays while one that it has asked for is open', () => {
  const bed = runBed();
  const [parent = 0] = putTasks(bed, [{}]);
  const [child = 0] = putTasks(bed, [{ parentId: parent }], [0]);
  putTasks(bed, [{}], [0]);
  bed.clock += 2 * DAY_MS;
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(0);
  end(bed, [child]);
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(1);
  expect(tasksOf(bed.store)).not.toContain(parent);
});

test('tasks of a run that is under way stay, and the last start of a run that is there', () => {
  const bed = runBed();
  const { runId, ids } = seedRun(bed.store, ['one']);
  const set = (state: 'running' | 'done'): void => {
    const facts = { state };
    bed.store.write({ actor: 'me', writes: [{ kind: 'setRun', runId, facts, cause: 'test' }] });
  };
  const start = { action: 'run', args: { target: 'a/b', name: 'r1' } } as const;
  const [old = 0] = putTasks(bed, [start]);
  const [last = 0, lock = 0, exec = 0, ofRun = 0] = putTasks(bed, [
    { ...start, action: 'rerun' },
    { ...start, action: 'lock' },
    { kind: 'exec', action: 'exec', args: null, testId: ids[0] ?? 0 },
    { runId },
  ]);
  const [elsewhere = 0, newest = 0] = putTasks(bed, [
    { ...start, args: { target: 'a/b', name: 'r2' } },
    {},
  ]);
  bed.clock += 2 * DAY_MS;
  set('running');
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(1);
  expect(tasksOf(bed.store)).toEqual([old, last, lock, exec, ofRun, newest]);
  expect(tasksOf(bed.store)).not.toContain(elsewhere);
  set('done');
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(4);
  expect(tasksOf(bed.store)).toEqual([last, newest]);
  const remove = { kind: 'removeTests', runId, testIds: null, cause: 'test' } as const;
  bed.store.write({ actor: 'me', writes: [remove] });
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(1);
});

test('a task that has gone cannot be ended, its key is free, and a batch that is sent again still names it', () => {
  const bed = runBed();
  const batch = { actor: 'me', key: 'k', writes: [newTask({ dedupeKey: 'd' })] };
  const { answers } = bed.store.write(batch);
  const id = answers[0]?.id ?? 0;
  end(bed, [id]);
  putTasks(bed, [{}], [0]);
  bed.clock += ENDED_MS_MIN;
  expect(bed.store.prune('tasks', few(bed, 0))).toBe(1);
  const ended = { kind: 'endTask', taskId: id, owner: 'me', state: 'done', result: null } as const;
  expect(bed.store.write({ actor: 'me', writes: [ended] }).answers).toEqual([{ isDone: false }]);
  expect(bed.store.write(batch).answers).toEqual(answers);
  const again = bed.store.write({ ...batch, key: 'other' }).answers[0];
  expect(again?.isNew).toBe(true);
  expect(again?.id).toBeGreaterThan(id);
});

/** A reader that began at some time and reads on; what it has at the end. */
class Reader {
  readonly events = new Set<number>();
  readonly tasks = new Set<number>();
  #seq = 0;

  read(store: SqliteRunStore, pages: number): void {
    for (let page = 0; page < pages; page++) {
      const { changes } = store.read({ kind: 'changes', since: this.#seq, limit: PAGE });
      for (const { seq } of changes?.rows.events ?? []) this.events.add(seq);
      for (const { id } of changes?.rows.tasks ?? []) this.tasks.add(id);
      for (const { table, id } of changes?.removed ?? [])
        if (table === 'events' || table === 'tasks') this[table].delete(Number(id));
      this.#seq = changes?.seq ?? 0;
    }
  }
}

type Step =
  | { readonly kind: 'put'; readonly count: number }
  | { readonly kind: 'end'; readonly share: number }
  | {
      readonly kind: 'prune';
      readonly table: KeptTable;
      readonly max: number;
      readonly share: number;
    }
  | { readonly kind: 'read'; readonly pages: number }
  | { readonly kind: 'sync' };

const share = fc.double({ min: 0, max: 1, noNaN: true });
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), count: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ kind: fc.constant('end' as const), share }),
  fc.record({
    kind: fc.constant('prune' as const),
    table: fc.constantFrom<KeptTable>('events', 'tasks'),
    max: fc.integer({ min: 1, max: 10 }),
    share,
  }),
  fc.record({ kind: fc.constant('read' as const), pages: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ kind: fc.constant('sync' as const) }),
);

test('S2, S5: whenever events and tasks go, a reader that reads on and a copy have what the database has', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { maxLength: 25 }), async (steps) => {
      const bed = runBed();
      const reader = new Reader();
      const durable = new DurableFile(join(bed.dir, 'durable.db'));
      await durable.lease({ owner: 'me', now: 0, ms: 1e9 });
      for (const step of [...steps, { kind: 'sync' } as const]) {
        if (step.kind === 'sync') await carry(bed.store, durable);
        else if (step.kind === 'read') reader.read(bed.store, step.pages);
        else perform(bed, step);
      }
      reader.read(bed.store, 100);
      const wanted = { events: eventsOf(bed.store), tasks: tasksOf(bed.store) };
      const { events, tasks } = reader;
      expect({ events: sorted(events), tasks: sorted(tasks) }).toEqual(wanted);
      expect(await copied(durable)).toEqual(wanted);
      await durable.close();
    }),
    { numRuns: 20 },
  );
});

const sorted = (numbers: Iterable<number>): readonly number[] => [...numbers].sort((a, b) => a - b);

function perform(bed: RunBed, step: Extract<Step, { kind: 'put' | 'end' | 'prune' }>): void {
  const { store } = bed;
  if (step.kind === 'put') put(bed, step.count);
  else if (step.kind === 'end') {
    const { tasks = [] } = store.read({ kind: 'tasks', states: ['new'], limit: 1000 });
    const ended = tasks.slice(0, Math.ceil(tasks.length * step.share));
    end(
      bed,
      ended.map(({ id }) => id),
    );
    bed.clock += ENDED_MS_MIN;
  } else {
    const upTo = Math.floor(store.seq * step.share);
    store.prune(step.table, { upTo, max: step.max, ageMsMax: DAY_MS });
  }
}

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

async function copied(durable: DurableFile): Promise<Record<KeptTable, readonly number[]>> {
  const found = { events: [] as number[], tasks: [] as number[] };
  for await (const { table, rows } of durable.pages())
    if (table === 'events') found.events.push(...rows.map(({ seq }) => Number(seq)));
    else if (table === 'tasks') found.tasks.push(...rows.map(({ id }) => Number(id)));
  return found;
}
