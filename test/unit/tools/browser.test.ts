/** What installs the browser of the tests ends in its time, with all that it has started. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { readStat } from '../../../src/runs/processes/process-group.ts';
import { until } from '../../support/stack.ts';

type Outcome = { readonly code: number | null; readonly words: string };
type Tool = {
  readonly runBounded: (
    command: readonly string[],
    options: { readonly msMax: number; readonly graceMs?: number },
  ) => Promise<Outcome>;
};

const tool = join(import.meta.dirname, '../../../tools/browser.mjs');
// The cast trusts the file's own words: it has no types.
const { runBounded } = (await import(pathToFileURL(tool).href)) as Tool;

const LONG_MS = 60_000;

test('a command that goes well, and one that fails, say so', async () => {
  expect(await runBounded(['true'], { msMax: LONG_MS })).toEqual({ code: 0, words: '' });
  const failed = await runBounded(['sh', '-c', 'echo no net >&2; exit 100'], { msMax: LONG_MS });
  expect(failed).toEqual({ code: 100, words: 'no net' });
  expect(await runBounded(['/no/such/tool'], { msMax: LONG_MS })).toMatchObject({ code: null });
});

test('one that hangs is ended, with those that it waits for, also when they do not listen', async () => {
  for (const deaf of ['', "trap '' TERM; "]) {
    const hangs = `${deaf}(${deaf}while :; do sleep 1; done) & echo $! >&2; wait; wait`;
    const { code, words } = await runBounded(['sh', '-c', hangs], { msMax: 200, graceMs: 300 });
    expect(code).toBe(null);
    await until('nothing of it is left', () => !isAlive(Number(words)));
  }
});

/** A zombie is dead, whoever has not taken note of it yet. */
function isAlive(pid: number): boolean {
  const stat = readStat(pid);
  return stat !== null && stat.state !== 'Z';
}
