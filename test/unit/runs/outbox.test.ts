/** What a runner has to write, when the database cannot take it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { TidelockError } from '../../../src/core/errors.ts';
import type { RunStore, RunWrite } from '../../../src/planner/run-store.ts';
import { Outbox } from '../../../src/runs/database/outbox.ts';
import { openRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { tempDir } from '../../support/run-bed.ts';

const BUSY = 5;
const CONSTRAINT = 19;

/** A real store behind a door that fails as SQLite does. */
function bed() {
  const dir = tempDir();
  const real = openRunStore({ file: join(dir, 'runs.db'), area: dir, now: () => 1000 });
  const door: { errcode: number | null; at: (writes: readonly RunWrite[]) => boolean } = {
    errcode: null,
    at: () => true,
  };
  const store = {
    read: real.read.bind(real),
    write: (batch: Parameters<RunStore['write']>[0]) => {
      if (door.errcode === null || !door.at(batch.writes)) return real.write(batch);
      const cause = Object.assign(new Error('as SQLite says'), { errcode: door.errcode });
      const code = door.errcode === BUSY ? 'BUSY' : 'RUNS_UNUSABLE';
      throw new TidelockError({ code, message: 'not now', cause });
    },
  } as unknown as RunStore;
  const refused: string[] = [];
  const outbox = new Outbox(store, 'runner', (_, { code }) => refused.push(code));
  const runs = () => (real.read({ kind: 'runs' }).runs ?? []).map(({ name }) => name).reverse();
  return { door, outbox, refused, runs };
}

const run = (name: string): RunWrite => ({ kind: 'createRun', target: 't', name });
const unknown: RunWrite = { kind: 'setTest', testId: 99, facts: { comment: 'nobody' } };

test('what a locked database cannot take waits in its order, and is not lost', () => {
  const { door, outbox, runs } = bed();
  outbox.add(run('a'), run('b'));
  door.errcode = BUSY;
  expect(() => outbox.flush()).toThrow('not now');
  expect(() => outbox.now(run('x'))).toThrow('not now');
  outbox.add(run('c'));
  door.errcode = null;
  outbox.now(run('d'));
  expect(runs()).toEqual(['a', 'b', 'c', 'd']);
});

test('a lock that comes while refused writes are sorted out loses none of the others', () => {
  const { door, outbox, refused, runs } = bed();
  outbox.add(run('a'), unknown, run('b'), run('c'));
  door.errcode = BUSY;
  door.at = ([first, ...more]) => more.length === 0 && JSON.stringify(first).includes('"b"');
  expect(() => outbox.flush()).toThrow('not now');
  expect(runs()).toEqual(['a']);
  door.errcode = null;
  outbox.flush();
  expect(runs()).toEqual(['a', 'b', 'c']);
  expect(refused).toEqual(['RUN_NOT_FOUND']);
});

test('a write that can never be done is told, and takes no other with it', () => {
  const { door, outbox, runs } = bed();
  outbox.add(run('a'), run('bad'), run('c'));
  door.errcode = CONSTRAINT;
  door.at = (writes) => JSON.stringify(writes).includes('"bad"');
  expect(() => outbox.flush()).toThrow('not now');
  outbox.flush();
  expect(runs()).toEqual(['a', 'c']);
});
