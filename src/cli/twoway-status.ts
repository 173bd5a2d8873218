/** `tidelock twoway status`: the two-way tables of a database. */
import type { Command } from 'commander';
import { readTwowayStatus, type TwowayStatus } from '../postgres/twoway/status.ts';
import { addSettingFlags } from './config-load.ts';
import { type SessionFlags, withSession } from './twoway-session.ts';

export function register(twoway: Command): void {
  const command = twoway
    .command('status')
    .description('show the two-way tables; fails when one is held or has to be enabled again');
  addSettingFlags(command, ['postgres']).option('--json', 'print one JSON object').action(run);
}

async function run(flags: SessionFlags & { readonly json?: boolean }): Promise<void> {
  const tables = await withSession(flags, readTwowayStatus);
  if (flags.json === true) console.log(JSON.stringify({ tables }));
  else console.log(tables.length === 0 ? 'no table is two-way' : tables.map(describe).join('\n'));
  if (tables.some(({ state }) => state !== 'ok')) process.exitCode = 1;
}

function remedyOf({ state, table, held }: TwowayStatus): string {
  if (state === 'held') {
    return `\n  nobody reads it, and writes of replicas wait: ${held?.reason}\n  what to do: ${held?.remedy}`;
  }
  if (state === 'stale') return `\n  what to do: tidelock twoway enable ${table}`;
  return state === 'dropped' ? `\n  what to do: tidelock twoway disable ${table}` : '';
}

function describe(status: TwowayStatus): string {
  const { table, state, rule, ruleKind, role, versions, tombstones } = status;
  return `${table}  ${state}  ${ruleKind} ${rule}; written as ${role}; ${versions} versions, of which ${tombstones} tombstones${remedyOf(status)}`;
}
