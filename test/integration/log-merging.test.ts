/** A server that merges groups as soon as it can, under load, with replicas that come and go. */
import { join } from 'node:path';
import { expect, inject, onTestFinished, test } from 'vitest';
import { openLogStore } from '../../src/sqlite/log-store.ts';
import { CrashBed } from '../support/crash-bed.ts';

const ROUNDS = 4;
const MERGE = { freshGroups: 2, bytesMax: 1e6, groupsMin: 2, groupsMax: 4 };

test('P1, P7: replicas and first copies are exact while the log’s groups are merged', async () => {
  const bed = await CrashBed.open({
    ...{ postgresUrl: inject('postgresUrl'), seed: 31 },
    settings: { merge: MERGE },
  });
  onTestFinished(() => bed.close());
  await bed.startServer();
  const late = await bed.follow('late', ['FR', 'DE']);
  for (let round = 0; round < ROUNDS; round += 1) {
    await late.replica.close();
    const [, copied] = await Promise.all([bed.work(), bed.follow(`copy ${round}`, ['DE', 'IT'])]);
    await bed.work();
    // It stood still meanwhile: its position lies inside of a merged group, or before one.
    await bed.startAgain();
    await bed.expectEqual();
    await bed.leave(copied);
  }
  expect(bed.resyncs).toEqual([]);
  await bed.server.kill();
  const log = openLogStore({ dir: join(bed.stack.dir, 'server', 'log') });
  const { heads } = log;
  log.close();
  // Each merge leaves a gap in the numbers.
  expect(heads.length).toBeLessThan((heads.at(-1)?.seq ?? 0) - 10);
});
