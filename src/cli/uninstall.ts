/** `tidelock uninstall`: takes away from a Postgres what `serve` has made in it. */
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { PgSession } from '../postgres/session.ts';
import {
  planUninstall,
  type UninstallNames,
  type UninstallPlan,
  uninstall,
} from '../postgres/uninstall.ts';
import { addSettingFlags, badConfig, loadSettings } from './config-load.ts';

type UninstallFlags = Readonly<Record<string, unknown>> & {
  readonly config?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
};

const HELP = `
Drops the replication slot, the publication, the event triggers and the schema tidelock. Tables, their rows
and their replica identity stay. Stop the server first: it is refused while the slot is read.
`;

export function register(program: Command): void {
  const command = program
    .command('uninstall')
    .description('take away from a Postgres what the server has made in it');
  addSettingFlags(command, ['postgres', 'slot', 'publication'])
    .option('--yes', 'do not ask')
    .option('--dry-run', 'say what would go, and change nothing')
    .option('--json', 'print one JSON object; needs --yes or --dry-run')
    .addHelpText('after', HELP)
    .action(run);
}

async function run(flags: UninstallFlags): Promise<void> {
  const settings = loadSettings({ file: flags.config, environment: process.env, flags });
  const { postgres: url, slot, publication } = settings;
  if (url === undefined) throw badConfig(['postgres: name the database: --postgres <url>']);
  const isAsking = flags.yes !== true && flags.dryRun !== true;
  if (isAsking && (flags.json === true || process.stdin.isTTY !== true)) {
    throw badConfig(['nobody can be asked here: add --yes, or --dry-run to look only']);
  }
  const session = await PgSession.connect({ url });
  try {
    const names = { slot, publication };
    const plan = await planUninstall(session, names);
    const isDone = await decide(session, { names, plan, flags, isAsking });
    report({ plan, flags, isDone });
  } finally {
    await session.end();
  }
}

type Work = {
  readonly names: UninstallNames;
  readonly plan: UninstallPlan;
  readonly flags: UninstallFlags;
  readonly isAsking: boolean;
};

/** True when it was removed. */
async function decide(session: PgSession, work: Work): Promise<boolean> {
  const { names, plan, flags, isAsking } = work;
  if (flags.dryRun === true || plan.belongings.length === 0) return false;
  if (isAsking) {
    console.error(describe(plan, 'to go from').join('\n'));
    if (!(await isAgreed())) return false;
  }
  await uninstall(session, names, plan);
  return true;
}

async function isAgreed(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question('remove it? [y/N] ')).trim());
  } finally {
    terminal.close();
  }
}

function report(done: {
  readonly plan: UninstallPlan;
  readonly flags: UninstallFlags;
  readonly isDone: boolean;
}): void {
  const { plan, flags, isDone } = done;
  if (flags.json === true) {
    console.log(JSON.stringify({ removed: isDone, ...plan }));
    return;
  }
  if (plan.belongings.length === 0) console.log(`nothing of ours is in ${plan.where}`);
  else if (isDone) console.log(describe(plan, 'removed from').join('\n'));
  else if (flags.dryRun === true) console.log(describe(plan, 'would go from').join('\n'));
  else console.log('nothing was removed');
  if (plan.others.length > 0) {
    console.log(`triggers and schema stay for: ${plan.others.join(', ')}`);
  }
}

function describe({ where, belongings }: UninstallPlan, what: string): readonly string[] {
  return [`${what} ${where}:`, ...belongings.map(({ text }) => `  ${text}`)];
}
