import { expect, test } from 'vitest';
import { LogTail } from '../../../src/engine/log-tail.ts';
import { LogWriter } from '../../../src/engine/log-writer.ts';
import { openLogStoreOn } from '../../../src/sqlite/log-store.ts';
import { openSql } from '../../../src/sqlite/sql.ts';
import { anIdentity } from '../log/groups.ts';
import { FailingSql } from '../sqlite/failing-sql.ts';

test('P27, P29: a write that works again is told also when it appends nothing, so that the source goes on', () => {
  const failing = new FailingSql(openSql(':memory:', { timeoutMs: 0 }));
  const store = openLogStoreOn(failing.sql, 'memory');
  store.reset(anIdentity(), []);
  const writer = new LogWriter(new LogTail(store, 1000));
  writer.add([{ kind: 'discard', xid: 7 }]);
  failing.failAt(2);
  expect(writer.write()).toMatchObject({ failure: expect.any(String), isNews: false });
  expect(writer.write()).toEqual({ appended: [], failure: null, isNews: true });
  expect(writer.write()).toEqual({ appended: [], failure: null, isNews: false });
});
