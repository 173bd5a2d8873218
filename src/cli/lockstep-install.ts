/** `tidelock lockstep install`: gives a table what a stream needs. */
import type { Command } from 'commander';
import { install, installSql } from '../postgres/lockstep-install.ts';
import { PgSession } from '../postgres/session.ts';
import { requireOptions } from './options.ts';

type InstallFlags = {
  readonly postgres: string;
  readonly softDelete?: boolean;
  readonly view?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

const HELP = `
Adds the column txid (rows that exist get the id of this transaction, without being rewritten), an index (writes wait while
it is built), and a trigger that renews txid with every write. Prints the SQL first; running it again does no harm.
  tidelock lockstep install public.domains --soft-delete --postgres postgres://localhost/app
`;

export function register(lockstep: Command): void {
  lockstep
    .command('install <table>')
    .description('add the columns, trigger and index that a table needs')
    .option('--postgres <url>', 'required; the database: postgres://user:password@host/database')
    .option('--soft-delete', 'a DELETE marks the row instead, so that readers hear of it')
    .option('--view', 'also make a view <table>_lockstep that has current_xmin')
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--json', 'print one JSON object')
    .addHelpText('after', HELP)
    .action(async (table: string, flags: InstallFlags, command: Command) => {
      requireOptions(command, ['postgres']);
      await run(table, flags);
    });
}

async function run(table: string, flags: InstallFlags): Promise<void> {
  const session = await PgSession.connect({ url: flags.postgres });
  const isDone = flags.dryRun !== true;
  try {
    const statements = await installSql(session, {
      table,
      isSoftDelete: flags.softDelete === true,
      hasView: flags.view === true,
    });
    if (flags.json !== true) for (const statement of statements) console.log(`${statement};`);
    if (isDone) await install(session, statements);
    if (flags.json === true) console.log(JSON.stringify({ table, statements, installed: isDone }));
    else
      console.log(
        isDone
          ? `-- done; look at it with: tidelock lockstep check ${table} --postgres <url>`
          : '-- nothing was changed',
      );
  } finally {
    await session.end();
  }
}
