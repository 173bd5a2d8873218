/** The end of every run, and the whole of judging an old one: verdict and report are written beside the evidence. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VERDICT_FILE, type VerdictFile } from './evidence.ts';
import { judge } from './judge/judge.ts';
import { writeReport } from './report/report.ts';

/** Throws `BAD_REQUEST` when the folder holds no run. */
export async function judgeFolder(
  folder: string,
): Promise<{ readonly verdict: VerdictFile; readonly report: string }> {
  const verdict = await judge(folder);
  writeFileSync(join(folder, VERDICT_FILE), `${JSON.stringify(verdict, null, 2)}\n`);
  return { verdict, report: await writeReport(folder, verdict) };
}
