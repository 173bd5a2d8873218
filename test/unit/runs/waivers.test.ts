/** What was not compared is not waived. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunStore } from '../../../src/planner/run-store.ts';
import type { LaunchRecord } from '../../../src/runs/execution/launch-record.ts';
import { waiverOf } from '../../../src/runs/execution/waivers.ts';
import { tempDir } from '../../support/run-bed.ts';

/** Two directories with equal files, the last of which may differ. */
async function waived(files: number, isLastOther: boolean): Promise<string | null> {
  const [oldDir, runDir] = [join(tempDir(), 'old'), join(tempDir(), 'now')];
  for (const dir of [oldDir, runDir]) {
    mkdirSync(dir);
    for (let n = 0; n < files; n++) writeFileSync(join(dir, `f${String(n).padStart(4, '0')}`), '');
  }
  if (isLastOther) writeFileSync(join(runDir, `f${String(files - 1).padStart(4, '0')}`), 'other');
  const last = { runId: 1, state: 'COMPLETED', status: 'WAIVED', runDir: oldDir, comment: 'known' };
  const read = ({ kind }: { readonly kind: string }) =>
    kind === 'runs' ? { runs: [{ id: 1, target: 't' }] } : { tests: [last] };
  const record = {
    ...{ runId: 2, testId: 1, attempt: 1, runDir },
    place: { target: 't', run: 'r', test: 'x', itemPath: '' },
    waivers: [{ glob: 'f*', rules: null, command: null }],
  };
  return await waiverOf(record as unknown as LaunchRecord, {
    store: { read } as unknown as RunStore,
    references: [],
    commentPattern: null,
    judgeDiff: async () => ({ status: 'FAIL', comment: '' }),
  });
}

test('equal files are waived, another one is not', async () => {
  expect(await waived(3, false)).toBe('known');
  expect(await waived(3, true)).toBeNull();
});

test('a difference beyond the files that are compared is not waived', async () => {
  expect(await waived(1001, true)).toBeNull();
});
