/** A database that fails while somebody listens: nothing is thrown where nobody catches it. */

import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { runForLeader } from '../../../src/runs/database/leader.ts';
import { hostIdentity } from '../../../src/runs/processes/host.ts';
import { openRunStore } from '../../../src/sqlite/runs/run-store.ts';
import { AREA, runBed } from '../../support/run-bed.ts';

test('a database that cannot be read any more is told of, and its next reader hears why', async () => {
  const { dir, store: other } = runBed();
  const store = openRunStore({ file: join(dir, 'runs.db'), area: AREA, now: () => 0 });
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on('uncaughtException', note);
  onTestFinished(() => void process.off('uncaughtException', note));
  const told = Promise.withResolvers<void>();
  const unlisten = store.onChange(() => told.resolve());
  other.sql.exec('DROP TABLE meta');
  await told.promise; // the file is looked at each second at least
  expect(() => store.read({ kind: 'changes', since: 0, limit: 1 })).toThrow(/RUNS_UNUSABLE|meta/);
  expect(uncaught).toEqual([]);
  unlisten();
  store.close();
});

test('a leader whose database fails tries again, and stops without an error', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { dir, store } = runBed();
  const lost: unknown[] = [];
  const identity = hostIdentity();
  const options = { store, identity, discoveryFile: join(dir, 'server.json'), now: Date.now };
  const candidacy = runForLeader({ ...options, onLost: (holder) => void lost.push(holder) });
  if (!candidacy.isLeader) throw new Error('nobody else asks for the lead');
  store.sql.exec('ALTER TABLE meta RENAME TO away');
  vi.advanceTimersByTime(5000);
  store.sql.exec('ALTER TABLE away RENAME TO meta');
  vi.advanceTimersByTime(2000);
  expect(store.leaseHolder('server')?.pid).toBe(process.pid);
  store.sql.exec('DROP TABLE meta');
  candidacy.leader.stop();
  expect(lost).toEqual([]);
});
