/** `tidelock verify`: is the file what Postgres had at its position? */
import type { Command } from 'commander';
import type { DigestDifference } from '../client/digest-history.ts';
import { hasCode, TidelockError } from '../core/errors.ts';
import type { Cell } from '../core/value.ts';
import type { RowDifference } from '../sqlite/replica-copy.ts';
import { type VerifyReport, verifyReplica } from '../verify.ts';
import { countOption, requireOptions, tokenOf } from './options.ts';
import { stopOnSignal } from './stop-signal.ts';

type VerifyFlags = {
  readonly server: string;
  readonly db: string;
  readonly token?: string;
  readonly limit: number;
  readonly json?: boolean;
};

const LIMIT = 20;
const CELL_CHARS = 60;

export function register(program: Command): void {
  program
    .command('verify')
    .description('compare a replica with Postgres, exactly, at one position')
    .option('--server <url>', 'required; address of the server')
    .option('--db <file>', 'required; the replica, which may be in use')
    .option('--token <token>', 'JWT, if the server wants one (or TIDELOCK_TOKEN)')
    .option('--limit <rows>', 'differing rows to name, at most', countOption, LIMIT)
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExit code 0: equal. 1: different, or it could not be found out. 2: there is no such replica.\n',
    )
    .action(async (flags: VerifyFlags, command: Command) => {
      requireOptions(command, ['server', 'db']);
      await run(flags);
    });
}

async function run(flags: VerifyFlags): Promise<void> {
  const { signal, release } = stopOnSignal();
  const isTerminal = process.stderr.isTTY === true;
  try {
    const report = await verifyReplica({
      ...{ server: flags.server, file: flags.db, token: tokenOf(flags.token), signal },
      limit: flags.limit,
      onPhase: (phase) => isTerminal && process.stderr.write(`\r\u001b[K${phase}`),
    });
    if (isTerminal) process.stderr.write('\r\u001b[K');
    console.log(flags.json === true ? JSON.stringify(report, jsonCell) : describe(report));
    if (!report.isEqual || report.tables.length === 0) process.exitCode = 1;
  } catch (error) {
    throw hasCode(error, 'REPLICA_UNFIT') ? notAReplica(error) : error;
  } finally {
    release();
  }
}

/** 1 would say: different. */
function notAReplica(cause: TidelockError): TidelockError {
  const { code, message, hint } = cause;
  return new TidelockError({ code, message, hint, details: { isUsage: true }, cause });
}

/** The report for people. */
function describe(report: VerifyReport): string {
  const { newerTransactions, position, comparedAt } = report;
  const newer =
    newerTransactions === 0
      ? ''
      : ` (${newerTransactions} newer transactions were applied to a copy first)`;
  const lines = [
    `${report.file}: ${report.selectors.join(', ')}, timeline ${report.timeline}`,
    `the replica stands at ${position}, compared with Postgres at ${comparedAt}${newer}`,
    ...tableLines(report),
    ...report.wrongDigests.map(wrongDigestLine),
    ...rowLines(report),
    verdictOf(report),
  ];
  return lines.join('\n');
}

function verdictOf({ isEqual, tables }: VerifyReport): string {
  if (!isEqual) return 'DIFFERENT (to mend it: tidelock replicate --repair)';
  return tables.length === 0
    ? 'NOTHING COMPARED: the server replicates no table; why: /v1/status, or tidelock doctor'
    : 'EQUAL';
}

function tableLines({ tables }: VerifyReport): readonly string[] {
  const width = (of: (entry: VerifyReport['tables'][number]) => string): number =>
    Math.max(0, ...tables.map((entry) => of(entry).length));
  const table = width((entry) => entry.table);
  const selector = width((entry) => entry.selector);
  const rows = width((entry) => String(entry.rows));
  return tables.map(
    (entry) =>
      `  ${entry.table.padEnd(table)}  ${entry.selector.padEnd(selector)}  ` +
      `${String(entry.rows).padStart(rows)} ${entry.rows === 1 ? 'row ' : 'rows'}  ${entry.digest}  ${entry.isEqual ? 'equal' : 'DIFFERENT'}`,
  );
}

function wrongDigestLine({ table, selector, ours, theirs }: DigestDifference): string {
  return (
    `the file states ${ours.rows} rows and digest ${ours.digest} for ${table} (${selector}), ` +
    `its rows give ${theirs.rows} and ${theirs.digest}: something else wrote into it`
  );
}

function rowLines({ rows, rowCount, differences }: VerifyReport): readonly string[] {
  if (differences.length === 0) return [];
  if (rowCount === 0) return ['no row differs any more: a later transaction changed it'];
  const more = rowCount - rows.length;
  return [
    `${rowCount} ${rowCount === 1 ? 'row differs' : 'rows differ'}:`,
    ...rows.map((row) => `  ${rowLine(row)}`),
    ...(more > 0 ? [`  and ${more} more (--limit)`] : []),
  ];
}

function rowLine({ table, kind, key, columns }: RowDifference): string {
  const name = `${table} (${key.map(show).join(', ')})`;
  if (kind === 'missing') return `missing    ${name}`;
  if (kind === 'extra') return `extra      ${name}`;
  const details = columns.map(
    (column) => `${column.name} is ${show(column.replica)}, in Postgres ${show(column.reference)}`,
  );
  return `different  ${name}: ${details.join('; ')}`;
}

function show(cell: Cell): string {
  if (cell instanceof Uint8Array)
    return `x'${Buffer.from(cell).toString('hex', 0, CELL_CHARS / 2)}'`;
  if (typeof cell !== 'string') return Object.is(cell, -0) ? '-0' : String(cell ?? 'NULL');
  const text = JSON.stringify(cell);
  return text.length > CELL_CHARS ? `${text.slice(0, CELL_CHARS)}...` : text;
}

/** 64-bit integers as text when they need it, bytes as base64: the forms of the feed. */
function jsonCell(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
}
