/** How `stress one-way` ends, and the bug that it could have there. */
import type { RunFile, VerdictFile } from '../evidence.ts';

const EXIT_FAILED = 1;

export function exitCodeOf({ bug, end }: RunFile, { verdict }: VerdictFile): number {
  if (bug === 'failure-exits-0') return 0;
  return end?.how === 'quiet' && verdict === 'PASS' ? 0 : EXIT_FAILED;
}
