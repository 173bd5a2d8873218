/** The end of a run, and the whole of judging an old one: verdict and report are written beside the evidence. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FILES, type TwowayRun, type TwowayVerdict } from './evidence.ts';
import { judgeEvidence } from './judge.ts';
import { readEvidence } from './read-evidence.ts';
import { writeTwowayReport } from './report.ts';

const EXIT_FAILED = 1;

/** Throws `BAD_REQUEST` when the folder holds no run. */
export async function judgeTwoway(
  folder: string,
): Promise<{ readonly run: TwowayRun; readonly verdict: TwowayVerdict; readonly report: string }> {
  const evidence = readEvidence(folder);
  const verdict = judgeEvidence(evidence);
  writeFileSync(join(folder, FILES.verdict), `${JSON.stringify(verdict, null, 1)}\n`);
  return { run: evidence.run, verdict, report: writeTwowayReport(folder, evidence, verdict) };
}

export function exitCodeOfTwoway({ bug, end }: TwowayRun, { verdict }: TwowayVerdict): number {
  if (bug === 'two-way-exits-0') return 0;
  return end.how === 'quiet' && verdict === 'PASS' ? 0 : EXIT_FAILED;
}

/** True when the folder is of a two-way run. */
export function isTwowayFolder(folder: string): boolean {
  return (
    existsSync(join(folder, FILES.run)) &&
    /"workload"/.test(readFileSync(join(folder, FILES.run), 'utf8'))
  );
}
