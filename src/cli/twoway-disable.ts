/** `tidelock twoway disable`: replicas may not write to a table any more. */
import type { Command } from 'commander';
import { disableTwoway } from '../postgres/twoway/enable.ts';
import { addSettingFlags } from './config-load.ts';
import { type SessionFlags, tableOption, withSession } from './twoway-session.ts';

type DisableFlags = SessionFlags & { readonly dryRun?: boolean; readonly json?: boolean };

const HELP = `
Removes the triggers, the versions and the entry of the table; its rows stay. Replicas become one-way for it: what they had not
sent is refused and shown to them. Enabled again, the table starts with all versions at 1, so send what is unsent before.
`;

export function register(twoway: Command): void {
  const command = twoway
    .command('disable <table>')
    .description('take the versions of a table away; replicas become one-way for it');
  addSettingFlags(command, ['postgres'])
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(text: string, flags: DisableFlags): Promise<void> {
  const table = tableOption(text);
  const isDry = flags.dryRun === true;
  await withSession(flags, async (session) => {
    const { statements } = await disableTwoway(session, { table, isDry });
    if (flags.json === true) {
      console.log(JSON.stringify({ table, statements, disabled: !isDry }));
      return;
    }
    for (const statement of statements) console.log(`${statement};`);
    if (statements.length === 0) console.log(`-- ${table} is not two-way; nothing to do`);
    else if (isDry) console.log('-- nothing was changed');
    else console.log(`-- done: replicas are one-way for ${table} from now on`);
  });
}
