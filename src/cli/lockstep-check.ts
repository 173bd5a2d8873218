/** `tidelock lockstep check`: says what a relation lacks, and where rows could be lost. */
import type { Command } from 'commander';
import { checkRelation } from '../postgres/lockstep-check.ts';
import { PgSession } from '../postgres/session.ts';
import { report } from './doctor.ts';
import { requireOptions } from './options.ts';

type CheckFlags = { readonly postgres: string; readonly json?: boolean };

export function register(lockstep: Command): void {
  lockstep
    .command('check <relation>')
    .description('say what a table or view lacks for a stream, and where rows could be lost')
    .option('--postgres <url>', 'required; the database: postgres://user:password@host/database')
    .option('--json', 'print one JSON object')
    .action(async (relation: string, flags: CheckFlags, command: Command) => {
      requireOptions(command, ['postgres']);
      await run(relation, flags);
    });
}

async function run(relation: string, flags: CheckFlags): Promise<void> {
  const session = await PgSession.connect({ url: flags.postgres });
  try {
    const findings = await checkRelation(session, relation);
    const isFit = findings.every(({ level }) => level !== 'fail');
    console.log(flags.json === true ? JSON.stringify({ fit: isFit, findings }) : report(findings));
    if (!isFit) process.exitCode = 1;
  } finally {
    await session.end();
  }
}
