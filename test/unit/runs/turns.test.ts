import { describe, expect, test } from 'vitest';
import type { Action, TaskRow } from '../../../src/planner/rows.ts';
import { Outbox } from '../../../src/runs/database/outbox.ts';
import { Turns } from '../../../src/runs/turns.ts';
import { newTask, type RunBed, runBed, seedRun } from '../../support/run-bed.ts';

const OWNER = 'runner';
/** More than any page of an answer. */
const MANY = 1100;

class Queue {
  readonly bed: RunBed = runBed();
  readonly turns: Turns;

  constructor() {
    const outbox = new Outbox(this.bed.store, OWNER, () => undefined);
    this.turns = new Turns(this.bed.store, outbox, OWNER);
  }

  put(action: Action, more: Readonly<Record<string, unknown>> = {}): number {
    const args = { target: 'a/b', name: 'r1', pattern: '%', ...more };
    const write = newTask({ action, args });
    return this.bed.store.write({ actor: 'me', writes: [write] }).answers[0]?.id ?? 0;
  }

  claim(): TaskRow {
    const claim = { kind: 'claimTask', owner: OWNER, kinds: ['action'], leaseMs: 1000 } as const;
    const task = this.bed.store.write({ actor: OWNER, writes: [claim] }).answers[0]?.task;
    if (task == null) throw new Error('nothing to claim');
    return task;
  }

  state(id: number): string | undefined {
    const query = { kind: 'tasks', states: null, ids: [id], limit: 1 } as const;
    return this.bed.store.read(query).tasks?.[0]?.state;
  }

  end(taskId: number): void {
    const write = { kind: 'endTask', taskId, owner: OWNER, state: 'done', result: null } as const;
    this.bed.store.write({ actor: OWNER, writes: [write] });
  }
}

/** What has been decided until now. */
async function soFar<T>(promise: Promise<T>): Promise<T | 'waits'> {
  return await Promise.race([promise, Promise.resolve().then(() => 'waits' as const)]);
}

describe('the turn of an action', () => {
  test('comes when the older ones on the same executions have ended, and it is running from then on', async () => {
    const queue = new Queue();
    const run = queue.put('run');
    const archive = queue.put('archive');
    await queue.turns.of(queue.claim());
    const turn = queue.turns.of(queue.claim());
    expect(await soFar(turn)).toBe('waits');
    expect([queue.state(run), queue.state(archive)]).toEqual(['running', 'claimed']);
    queue.end(run);
    queue.turns.look();
    expect(await soFar(turn)).toMatchObject({ kind: 'go' });
    expect(queue.state(archive)).toBe('running');
  });

  test('never comes in a locked run', async () => {
    const queue = new Queue();
    const { runId } = seedRun(queue.bed.store, ['t']);
    const lock = { kind: 'setRun', runId, facts: { isLocked: true }, cause: 'test' } as const;
    queue.bed.store.write({ actor: 'me', writes: [lock] });
    queue.put('set-state');
    await expect(queue.turns.of(queue.claim())).rejects.toMatchObject({ code: 'RUN_LOCKED' });
  });

  test('is waited for by nobody when it is not claimed: somebody has to', async () => {
    const queue = new Queue();
    queue.put('export', { name: 'other' });
    queue.put('run');
    queue.put('archive');
    const [, , archive] = [queue.claim(), queue.claim(), queue.claim()];
    const back = { kind: 'removeRunner', id: OWNER } as const;
    void queue.turns.of(archive);
    expect(queue.turns.waitsForQueued).toBe(false);
    queue.bed.store.write({ actor: 'me', writes: [back, { kind: 'reclaimTasks' }] });
    queue.turns.look();
    expect(queue.turns.waitsForQueued).toBe(true);
  });
});

describe('a removal', () => {
  test('cancels a run that was queued, however many tasks came after it', async () => {
    const queue = new Queue();
    const run = queue.put('run');
    const others = Array.from({ length: MANY }, () => newTask());
    queue.bed.store.write({ actor: 'me', writes: others });
    const removal = queue.put('remove-runs');
    const query = { kind: 'tasks', states: null, ids: [removal], limit: 1 } as const;
    const [task] = queue.bed.store.read(query).tasks ?? [];
    if (task === undefined) throw new Error('no task');
    expect(queue.turns.inTheWay(task)).toEqual([run]);
    expect(queue.state(run)).toBe('cancelled');
    expect(queue.turns.inTheWay(task)).toEqual([]);
  });

  test('cancels a run that a runner holds back, and the runner is told', async () => {
    const queue = new Queue();
    const archive = queue.put('archive');
    const run = queue.put('run');
    await queue.turns.of(queue.claim());
    const turn = queue.turns.of(queue.claim());
    queue.put('remove-runs');
    const removal = queue.claim();
    const removes = queue.turns.of(removal);
    expect(await soFar(removes)).toBe('waits'); // for the archive
    queue.end(archive);
    expect(queue.turns.inTheWay(removal)).toEqual([run]);
    queue.turns.look();
    expect(await soFar(turn)).toBeNull();
    expect(await soFar(removes)).toMatchObject({ kind: 'go' });
    expect(queue.state(run)).toBe('cancelled');
  });

  test('has a run that is under way in its way until that has ended', async () => {
    const queue = new Queue();
    const run = queue.put('run');
    await queue.turns.of(queue.claim());
    queue.put('remove-runs');
    const removal = queue.claim();
    expect(await queue.turns.of(removal)).toEqual({ kind: 'go', cancel: [], ends: [run] });
    expect(queue.turns.inTheWay(removal)).toEqual([run]);
    queue.end(run);
    expect(queue.turns.inTheWay(removal)).toEqual([]);
  });
});

test('all that run the same run are one task, whatever key they were given', () => {
  const queue = new Queue();
  const run = queue.put('run');
  const { answers } = queue.bed.store.write({
    actor: 'dashboard',
    writes: [
      newTask({ action: 'rerun', args: { target: 'a/b', name: 'r1' }, dedupeKey: 'another' }),
    ],
  });
  expect(answers).toEqual([{ id: run, isNew: false }]);
});

test('a run that is asked for while an earlier one is removed is another one', () => {
  const queue = new Queue();
  const run = queue.put('run');
  queue.claim();
  queue.put('remove-runs');
  const again = queue.put('run');
  expect(again).not.toBe(run);
  expect(queue.put('rerun')).toBe(again);
});
