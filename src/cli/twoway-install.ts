/** `tidelock twoway install`: what policies need before there is a two-way table. */
import type { Command } from 'commander';
import { type InstallResult, installTwoway } from '../postgres/twoway/install.ts';
import { addSettingFlags } from './config-load.ts';
import { type SessionFlags, withSession } from './twoway-session.ts';

type InstallFlags = SessionFlags & {
  readonly role?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

const HELP = `
Makes schema tidelock with the functions tidelock.auth_userid(), tidelock.claim(name) and tidelock.claim_list(name), for policies that are written before
their table is two-way. No table is touched; the first \`twoway enable\` makes the same by itself. Prints the SQL first; running it again does no harm.
  tidelock twoway install --postgres postgres://localhost/app
`;

export function register(twoway: Command): void {
  const command = twoway
    .command('install')
    .description('make the functions that policies call, before any table is enabled');
  addSettingFlags(command, ['postgres'])
    .option('--role <name>', "as whom replicas' writes are done (default: tidelock_user)")
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(run);
}

async function run({ role, dryRun, json, ...flags }: InstallFlags): Promise<void> {
  const isDone = dryRun !== true;
  await withSession(flags, async (session) => {
    const plan = await installTwoway(session, { role, isDry: true });
    if (json !== true) {
      for (const statement of plan.statements) console.log(`${statement};`);
      for (const warning of plan.warnings) console.log(`-- warning: ${warning}`);
    }
    if (isDone && plan.statements.length > 0) await installTwoway(session, { role });
    if (json === true) console.log(JSON.stringify({ ...plan, installed: isDone }));
    else console.log(verdict(plan, isDone));
  });
}

function verdict({ statements }: InstallResult, isDone: boolean): string {
  if (statements.length === 0) return '-- everything is there already; nothing to do';
  return isDone ? '-- done: policies may call the functions' : '-- nothing was changed';
}
