/** `tidelock twoway enable`: lets replicas write to a table. */
import type { Command } from 'commander';
import { type EnableResult, enableTwoway } from '../postgres/twoway/enable.ts';
import { readTwowayFacts } from '../postgres/twoway/facts.ts';
import { addSettingFlags } from './config-load.ts';
import { type SessionFlags, tableOption, withSession } from './twoway-session.ts';

type EnableFlags = SessionFlags & {
  readonly selector?: string;
  readonly role?: string;
  readonly create?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

const HELP = `
Adds a companion table of versions in schema tidelock, and triggers that version every write to the table, whoever does it.
Rows that are there stay untouched. Prints the SQL first; running it again does no harm and mends what differs. Run it as the
role of the server. Who sees which row: the table's policies when it has row-level security, else --selector, else everybody.
  tidelock twoway enable public.notes --postgres postgres://localhost/app
`;

export function register(twoway: Command): void {
  const command = twoway
    .command('enable <table>')
    .description('version every write to a table, and let replicas write to it');
  addSettingFlags(command, ['postgres'])
    .option('--selector <expression>', 'which subset a row belongs to; * for everyone')
    .option('--role <name>', "as whom replicas' writes are done (default: tidelock_user)")
    .option('--create <sql>', 'first run this, when there is no such table yet')
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(text: string, flags: EnableFlags): Promise<void> {
  const options = { table: tableOption(text), rule: flags.selector, role: flags.role };
  await withSession(flags, async (session) => {
    if (flags.create !== undefined && flags.dryRun !== true) {
      const isThere = (await readTwowayFacts(session, options.table)) !== null;
      // The session has no search path of its own: what is typed means schema public.
      if (!isThere)
        await session.query(`BEGIN; SET LOCAL search_path TO public; ${flags.create}; COMMIT`);
    }
    const plan = await enableTwoway(session, { ...options, isDry: true });
    if (flags.json !== true) print(plan);
    if (flags.dryRun !== true && plan.statements.length > 0) await enableTwoway(session, options);
    const isDone = flags.dryRun !== true;
    if (flags.json === true) console.log(JSON.stringify({ ...plan, enabled: isDone }));
    else console.log(verdict(plan, isDone));
  });
}

function print({ statements, warnings }: EnableResult): void {
  for (const statement of statements) console.log(`${statement};`);
  for (const warning of warnings) console.log(`-- warning: ${warning}`);
}

function verdict({ table, statements, rule, role }: EnableResult, isDone: boolean): string {
  if (statements.length === 0) return `-- ${table} is two-way already; nothing to do`;
  if (!isDone) return '-- nothing was changed';
  return `-- done: ${table} is two-way; rule: ${rule}; replicas write as ${role}`;
}
