/** `tidelock doctor`: looks at a Postgres and says what stands in the way of replication. */
import type { Command } from 'commander';
import { type ExamineOptions, examineSource } from '../postgres/doctor.ts';
import type { Finding } from '../postgres/findings.ts';
import { addSettingFlags, badConfig, loadSettings } from './config-load.ts';
import { declarationsOf, replicaIdentityOf } from './config-parts.ts';

type DoctorFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly json?: boolean;
};

export function register(program: Command): void {
  const command = program
    .command('doctor')
    .description('check that a Postgres can be replicated, and say what to do where it cannot');
  addSettingFlags(command, SETTINGS).option('--json', 'print one JSON object').action(run);
}

const SETTINGS = [
  ...(['postgres', 'slot', 'publication', 'tables', 'replicaIdentity', 'transicator'] as const),
];

async function run(flags: DoctorFlags): Promise<void> {
  const findings = await examineSource(optionsOf(flags));
  const isFit = findings.every(({ level }) => level !== 'fail');
  console.log(flags.json === true ? JSON.stringify({ fit: isFit, findings }) : report(findings));
  if (!isFit) process.exitCode = 1;
}

function optionsOf(flags: DoctorFlags): ExamineOptions {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags });
  const { postgres: url, slot, publication } = settings;
  if (url === undefined) throw badConfig(['postgres: name the database: --postgres <url>']);
  const replicaIdentity = replicaIdentityOf(settings);
  return { url, slot, publication, declarations: declarationsOf(settings), replicaIdentity };
}

/** One line per finding, what to do below it, and a verdict. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(0, ...findings.map(({ check }) => check.length));
  const lines = findings.flatMap(({ level, check, found, meaning, remedy }) => [
    `${level.padEnd(4)}  ${check.padEnd(width)}  ${found}${meaning === '' ? '' : `: ${meaning}`}`,
    ...(remedy === '' ? [] : [`${' '.repeat(width + 8)}what to do: ${remedy}`]),
  ]);
  const count = (wanted: Finding['level']): number =>
    findings.filter(({ level }) => level === wanted).length;
  const verdict = count('fail') > 0 ? 'NOT READY' : 'READY';
  return [...lines, `${verdict}: ${count('fail')} failed, ${count('warn')} to look at`].join('\n');
}
