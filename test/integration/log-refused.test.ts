/** The log cannot be written for a while, and something else goes wrong meanwhile. */
import { expect, test } from 'vitest';
import { standIn } from '../../src/bench/stress/bugs/stand-in.ts';
import { TidelockError } from '../../src/core/errors.ts';
import { DEFAULT_POLICY } from '../../src/engine/engine.ts';
import type { LogStore } from '../../src/log/port.ts';
import { expectEqual, smallStack } from '../support/small-world.ts';
import { until } from '../support/stack.ts';

class Door {
  isShut = false;

  wrap(log: LogStore): LogStore {
    return standIn(log, {
      append: (groups, tables) => {
        if (this.isShut) {
          throw new TidelockError({ code: 'LOG_WRITE_FAILED', message: 'the disk is full' });
        }
        return tables === undefined ? log.append(groups) : log.append(groups, tables);
      },
    });
  }
}

test('P27, P29: a stream that was lost while the log could not be written goes on when it can', async () => {
  const door = new Door();
  const stack = await smallStack({
    engine: {
      wrapLog: (log) => door.wrap(log),
      policy: { ...DEFAULT_POLICY, appendRetryMs: 100, reconnectMsMax: 300 },
    },
  });
  const replica = await stack.replica('r', ['FR']);
  const status = () => stack.engine.status();
  door.isShut = true;
  await stack.sql.query(`INSERT INTO city VALUES (9000, 'refused', 'FR', 1)`);
  await until('the log is known to be failing', () => status().log.state === 'failed');
  await stack.sql.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  await until('the loss is noticed', () => status().source.state !== 'streaming');
  door.isShut = false;
  await stack.sql.query(`INSERT INTO city VALUES (9001, 'after', 'FR', 1)`);
  await stack.settle(replica);
  await expectEqual(stack, 'r', ['FR']);
  expect(status().source.state).toBe('streaming');
});
