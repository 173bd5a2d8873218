/**
 * Brings the transactions of one upload into Postgres, inside a transaction of the caller: in order, in runs as
 * large as may be, and where Postgres refuses a run, in halves, until exactly the offending transactions are left out.
 */
import { TidelockError } from '../../core/errors.ts';
import { classesOf, selectorsOfClaims } from '../../core/selector-class.ts';
import type { Rejection, UploadTransaction } from '../../core/upload.ts';
import { cutRuns, type LocalTransaction, Refusal, readTransaction } from './changes.ts';
import { isRace, refusalOf } from './failures.ts';
import { applyLarge } from './large.ts';
import type { Writer } from './plan.ts';
import { applyRun, type RunContext } from './run.ts';
import { lockRows } from './states.ts';
import { readUploadTables, type UploadTable } from './tables.ts';

/** Runs tried in one upload: what is left then is for the next one, so that nobody holds Postgres for long. */
const TRIES_MAX = 500;
/** The same in milliseconds, looked at between two runs: its rows are locked for everybody meanwhile. */
const WORK_MS_MAX = 3000;
/** Refused transactions in one upload, for the same reason and for the length of the answer. */
const REJECTIONS_MAX = 1000;

export type BatchOutcome = {
  /** Everything up to here has its outcome; below the last number when a limit was reached. */
  readonly upTo: number;
  readonly rejections: readonly Rejection[];
};

/** `transactions` are those that have no outcome yet; at least one. Throws what is no single transaction's fault. */
export async function applyBatch(
  context: RunContext,
  transactions: readonly UploadTransaction[],
): Promise<BatchOutcome> {
  const tables = await tablesOf(context, transactions);
  const free = requireFree(transactions, tables);
  const writer = asHolder(context.writer, tables);
  const [alone] = transactions;
  if (alone?.large !== undefined) {
    const { number, large } = alone;
    const refusal = await applyLarge({ ...context, writer }, { number, large }, tables);
    return { upTo: number, rejections: refusal === null ? [] : [refusal.rejection(number)] };
  }
  const rejections: Rejection[] = [];
  const readable: LocalTransaction[] = [];
  let upTo = 0;
  for (const transaction of free) {
    if (rejections.length >= REJECTIONS_MAX) break;
    const read = tryRead(transaction, tables);
    if (read instanceof Refusal) rejections.push(read.rejection(transaction.number));
    else readable.push(read);
    upTo = transaction.number;
  }
  const left = await applyRuns({ ...context, writer }, readable, rejections);
  if (left !== undefined) upTo = left.number - 1;
  const known = rejections.filter(({ number }) => number <= upTo);
  return { upTo, rejections: known.sort((a, b) => a.number - b.number) };
}

/**
 * The transactions before the first that writes to a table whose rule cannot be told: it and everything behind it
 * wait for an operator, as one file's transactions land in their order. Throws `TABLE_HELD` when it is the first.
 */
function requireFree(
  transactions: readonly UploadTransaction[],
  tables: ReadonlyMap<string, UploadTable>,
): readonly UploadTransaction[] {
  const heldBy = (transaction: UploadTransaction): UploadTable | undefined =>
    namesOf(transaction)
      .map((name) => tables.get(name))
      .find((table) => table?.held);
  const end = transactions.findIndex((transaction) => heldBy(transaction) !== undefined);
  const [first] = transactions;
  const table = end === 0 && first !== undefined ? heldBy(first) : undefined;
  if (table?.held) {
    throw new TidelockError({
      code: 'TABLE_HELD',
      message: `writes to ${table.name} wait: ${table.held.reason}`,
      hint: `they are kept and sent again; the operator: ${table.held.remedy}`,
    });
  }
  return end < 0 ? transactions : transactions.slice(0, end);
}

function tablesOf(
  { session }: RunContext,
  transactions: readonly UploadTransaction[],
): Promise<ReadonlyMap<string, UploadTable>> {
  const names = new Set(transactions.flatMap(namesOf));
  return readUploadTables(session, [...names].filter(isPlain));
}

/** The tables to which it writes. */
function namesOf({ changes, large }: UploadTransaction): readonly string[] {
  return large?.tables ?? changes.map(([, name]) => name);
}

/** The writer reads what the token names, and what its user and claims give by these tables' present rules. */
function asHolder(writer: Writer, tables: ReadonlyMap<string, UploadTable>): Writer {
  if (writer.selectors === 'any') return writer;
  const classes = classesOf([...tables.values()].map(({ rule }) => rule));
  return {
    ...writer,
    selectors: new Set([...writer.selectors, ...selectorsOfClaims(classes, writer)]),
  };
}

/** Postgres has no names with NUL or broken surrogates: such a table is none of ours. */
function isPlain(name: string): boolean {
  return name.isWellFormed() && !name.includes('\0');
}

function tryRead(
  transaction: UploadTransaction,
  tables: ReadonlyMap<string, UploadTable>,
): LocalTransaction | Refusal {
  try {
    return readTransaction(transaction, tables);
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

/** Adds to `rejections`. Returns the first transaction that was not tried, when a limit was reached. */
async function applyRuns(
  context: RunContext,
  transactions: readonly LocalTransaction[],
  rejections: Rejection[],
): Promise<LocalTransaction | undefined> {
  const todo = [...cutRuns(transactions)].reverse();
  if (todo.length > 1) await lockRows(context.session, transactions);
  const end = performance.now() + WORK_MS_MAX;
  let hasOutcome = false;
  for (let tries = 0; ; tries += 1) {
    const run = todo.pop();
    if (run === undefined) return undefined;
    if (tries >= TRIES_MAX || rejections.length >= REJECTIONS_MAX) return run[0];
    if (hasOutcome && performance.now() > end) return run[0];
    const [first] = run;
    const refusal = await tryRun(context, run, rejections);
    const isDivided = refusal !== null && run.length > 1;
    if (isDivided) todo.push(run.slice(run.length >> 1), run.slice(0, run.length >> 1));
    else if (refusal !== null && first !== undefined)
      rejections.push(placed(refusal, first).rejection(first.number));
    hasOutcome ||= !isDivided;
  }
}

/** Null when the run landed. A single transaction gets a second chance, with its statements in their own order. */
async function tryRun(
  context: RunContext,
  run: readonly LocalTransaction[],
  rejections: Rejection[],
): Promise<Refusal | null> {
  const hasOrder = run.length === 1 && (run[0]?.changes.length ?? 0) > 1;
  const orders = hasOrder ? (['together', 'inOrder'] as const) : (['together'] as const);
  let last: Refusal | null = null;
  for (const order of orders) {
    try {
      rejections.push(...(await applyRun(context, run, order)));
      return null;
    } catch (error) {
      const refusal = isRace(error) ? null : refusalOf(error);
      if (refusal === null) throw error;
      last = refusal;
    }
  }
  return last;
}

/** A transaction with one change has only one that can be at fault. */
function placed(refusal: Refusal, { changes }: LocalTransaction): Refusal {
  const [only, ...others] = changes;
  if (refusal.place !== undefined || only === undefined || others.length > 0) return refusal;
  const place = { table: only.table.name, key: only.sentKey };
  return new Refusal(refusal.code, refusal.message, place);
}
