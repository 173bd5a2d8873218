import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { RunWrite } from '../../../src/planner/run-store.ts';
import { nextTask } from '../../../src/planner/tasks.ts';
import { openRunStore, type SqliteRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { AREA, change, newTask, runBed, seedRun } from '../../support/run-bed.ts';

const by = (store: SqliteRunStore, ...writes: RunWrite[]) => store.write({ actor: 'me', writes });
const pass = (id: number): RunWrite[] => [
  change(id, { kind: 'launch' }),
  change(id, { kind: 'run' }),
  change(id, { kind: 'finish', status: 'PASS' }),
];

describe('a run database', () => {
  test('a change writes the row, its event, the roll-up and the counts of the run together', () => {
    const { store } = runBed();
    const { runId, ids } = seedRun(store, ['t/', 't/1', 't/2']);
    const before = store.seq;
    by(store, ...pass(ids[1] ?? 0));
    const { tests = [] } = store.read({ kind: 'tests', runId });
    expect(tests.map(({ state, status }) => `${state}/${status}`)).toEqual([
      ...['NOT_STARTED/CHECK', 'COMPLETED/PASS', 'NOT_STARTED/n/a'],
    ]);
    const [run] = store.read({ kind: 'runs', ids: [runId] }).runs ?? [];
    expect(run?.counts).toEqual({ 'COMPLETED/PASS': 1, 'NOT_STARTED/n/a': 1 });
    const { events = [] } = store.read({
      ...{ kind: 'events', runId, testId: null, since: before, limit: 100 },
    });
    expect(events.map(({ testId, old, new: now }) => [testId, old, now])).toEqual([
      [ids[1], 'NOT_STARTED/n/a', 'LAUNCHED/n/a'],
      [ids[1], 'LAUNCHED/n/a', 'RUNNING/n/a'],
      [ids[1], 'RUNNING/n/a', 'COMPLETED/PASS'],
      [ids[0], 'NOT_STARTED/n/a', 'NOT_STARTED/CHECK'],
    ]);
  });

  test('a change that the table of states does not have changes nothing of its batch', () => {
    const { store } = runBed();
    const { ids } = seedRun(store, ['t']);
    const before = store.seq;
    const [id = 0] = ids;
    const wrong = [change(id, { kind: 'launch' }), change(id, { kind: 'archive' })];
    expect(() => by(store, ...wrong)).toThrow(/LAUNCHED\/n\/a has no change by archive/);
    expect(store.seq).toBe(before);
    expect(store.read({ kind: 'test', testId: id }).tests?.[0]?.state).toBe('NOT_STARTED');
  });

  test('what changed since a sequence is read in pages, each row once, deletes too', () => {
    const { store } = runBed();
    const { runId, ids } = seedRun(store, ['a', 'b', 'c', 'd']);
    const since = store.seq;
    by(store, ...ids.flatMap(pass));
    by(store, { kind: 'removeTests', runId, testIds: ids.slice(0, 2), cause: 'test' });
    const seen = new Map<number, string>();
    const removed: unknown[] = [];
    for (let seq = since, pages = 0; pages < 100; pages += 1) {
      const { changes } = store.read({ kind: 'changes', since: seq, limit: 3 });
      for (const row of changes?.rows.tests ?? []) seen.set(row.id, row.status);
      removed.push(...(changes?.removed ?? []).map(({ table, id }) => `${table} ${id}`));
      if (changes?.isMore !== true) break;
      seq = changes.seq;
    }
    expect([...seen]).toEqual([
      [ids[2], 'PASS'],
      [ids[3], 'PASS'],
    ]);
    expect(removed).toEqual(ids.slice(0, 2).map((id) => `tests ${id}`));
  });

  test('another process that has the file open sees and tells the same', () => {
    const { dir, store } = runBed();
    const file = join(dir, 'runs.db');
    const other = openRunStore({ file, area: AREA, now: () => 0 });
    seedRun(store, ['t']);
    expect(other.history).toBe(store.history);
    expect(other.seq).toBe(store.seq);
    other.close();
  });
});

describe('batches with a key', () => {
  test('a batch that is sent again is not done again and gets the first answer', () => {
    const { store } = runBed();
    const batch = { actor: 'me', writes: [newTask()], key: 'k1' };
    const first = store.write(batch);
    expect(store.write(batch)).toEqual(first);
    expect(store.read({ kind: 'tasks', states: null, limit: 10 }).tasks).toHaveLength(1);
  });

  test('a key that belongs to another batch is refused', () => {
    const { store } = runBed();
    store.write({ actor: 'me', writes: [newTask()], key: 'k1' });
    const other = { actor: 'me', writes: [newTask({ priority: 1 })], key: 'k1' };
    expect(() => store.write(other)).toThrow(/belongs to another batch/);
  });
});

describe('the queue', () => {
  const claim = (owner: string): RunWrite => ({
    ...{ kind: 'claimTask', owner, kinds: ['action'], leaseMs: 1000 },
  });
  const end = (taskId: number, owner: string): RunWrite => ({
    ...{ kind: 'endTask', taskId, owner, state: 'done', result: null },
  });

  test('tasks are claimed by priority, then age; those that are not due wait', () => {
    const bed = runBed();
    const { store } = bed;
    by(store, newTask(), newTask({ priority: 5 }), newTask({ notBefore: bed.clock + 10 }));
    const ids = [1, 2, 3].map(() => by(store, claim('r1')).answers[0]?.task?.id);
    expect(ids).toEqual([2, 1, undefined]);
    bed.clock += 10;
    expect(by(store, claim('r1')).answers[0]?.task?.id).toBe(3);
  });

  test('an expired lease frees the task, and its former holder cannot end it', () => {
    const bed = runBed();
    const { store } = bed;
    by(store, newTask());
    by(store, claim('r1'));
    bed.clock += 500;
    expect(by(store, claim('r2')).answers[0]?.task).toBeNull();
    by(store, { kind: 'renewTasks', owner: 'r1', leaseMs: 1000 });
    bed.clock += 999;
    expect(by(store, claim('r2')).answers[0]?.task).toBeNull();
    bed.clock += 1;
    expect(by(store, claim('r2')).answers[0]?.task?.attempt).toBe(2);
    expect(by(store, end(1, 'r1')).answers[0]?.isDone).toBe(false);
    expect(by(store, end(1, 'r2')).answers[0]?.isDone).toBe(true);
  });

  test('a task whose last attempt lost its lease has failed', () => {
    const bed = runBed();
    const { store } = bed;
    by(store, newTask({ attemptsMax: 1 }));
    by(store, claim('r1'));
    bed.clock += 1000;
    expect(by(store, { kind: 'reclaimTasks' }).answers[0]?.ids).toEqual([1]);
    const [task] = store.read({ kind: 'tasks', states: ['failed'], limit: 1 }).tasks ?? [];
    expect(task?.result).toEqual({ error: 'the lease ran out' });
  });

  test('a second open task with the same key is the first', () => {
    const { store } = runBed();
    const task = newTask({ dedupeKey: 'run a/b r1' });
    expect(by(store, task, task).answers).toEqual([
      { id: 1, isNew: true },
      { id: 1, isNew: false },
    ]);
    by(store, claim('r1'), end(1, 'r1'));
    expect(by(store, task).answers[0]).toEqual({ id: 2, isNew: true });
  });

  test('claims are those of the rules of the queue, whatever the tasks and the time', () => {
    const task = fc.record({ priority: fc.integer({ min: 0, max: 2 }), notBefore: fc.nat(4000) });
    const steps = fc.array(fc.record({ owner: fc.constantFrom('a', 'b'), pause: fc.nat(700) }));
    fc.assert(
      fc.property(fc.array(task, { maxLength: 6 }), steps, (tasks, turns) => {
        const bed = runBed();
        const { store } = bed;
        bed.clock = 0;
        by(store, ...tasks.map((each) => newTask({ ...each, attemptsMax: 2 })));
        for (const { owner, pause } of turns) {
          bed.clock += pause;
          const { tasks: rows = [] } = store.read({ kind: 'tasks', states: null, limit: 10 });
          const expected = nextTask(rows, bed.clock)?.id;
          expect(by(store, claim(owner)).answers[0]?.task?.id).toBe(expected);
        }
      }),
      { numRuns: 60 },
    );
  });
});
