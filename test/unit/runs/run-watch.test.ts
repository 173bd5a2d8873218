/** A database that fails while somebody listens: nothing is thrown where nobody catches it. */

import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
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
