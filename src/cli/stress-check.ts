/** `tidelock stress check`: judges a run again, from its folder alone. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { judgeFolder } from '../bench/stress/verdict.ts';
import { isTwowayFolder, judgeTwoway } from '../bench/twoway/verdict.ts';
import { twowayVerdictLines } from './stress-twoway-verdict.ts';
import { stressVerdictLines } from './stress-verdict.ts';

const EXIT_FAILED = 1;

export function register(stress: Command): void {
  stress
    .command('check')
    .description('judge a run again, from the evidence in its folder')
    .argument('<dir>', 'folder of the run')
    .option('--json', 'print the verdict as one JSON object')
    .addHelpText(
      'after',
      '\nWrites verdict.json and report.html into the folder.\nExit code 0: PASS. 1: FAIL. 2: the folder holds no run.\n',
    )
    .action(run);
}

async function run(dir: string, flags: { readonly json?: boolean }): Promise<void> {
  const folder = resolve(dir);
  if (isTwowayFolder(folder)) {
    await runTwoway(folder, flags);
    return;
  }
  const { verdict, report } = await judgeFolder(folder);
  if (flags.json === true) console.log(JSON.stringify(verdict));
  else console.log([...stressVerdictLines(verdict), `report: ${report}`].join('\n'));
  if (verdict.verdict !== 'PASS') process.exitCode = EXIT_FAILED;
}

async function runTwoway(folder: string, flags: { readonly json?: boolean }): Promise<void> {
  const { run: judged, verdict, report } = await judgeTwoway(folder);
  if (flags.json === true) console.log(JSON.stringify(verdict));
  else
    console.log([...twowayVerdictLines(judged, verdict, folder), `report: ${report}`].join('\n'));
  if (verdict.verdict !== 'PASS') process.exitCode = EXIT_FAILED;
}
