/**
 * Applies one run of local transactions inside a savepoint: reads and locks the rows, merges, writes as the user's
 * role, and puts right what the companion's triggers could not know. All of the run lands, or nothing.
 */

import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import type { Rejection } from '../../core/upload.ts';
import { sqlStateOf } from '../pg-errors.ts';
import type { PgSession } from '../session.ts';
import { type KeyChange, type LocalTransaction, Refusal } from './changes.ts';
import { brokenKeyOf, Race } from './failures.ts';
import { isSeen, planRow, type RowPlan, type RowWrite, type Writer } from './plan.ts';
import {
  type Correction,
  correctSql,
  deleteSql,
  foreignRowsSql,
  insertSql,
  type Statement,
  updateSql,
} from './sql.ts';
import { type Meeting, readStates, withCanonicalTies } from './states.ts';
import type { UploadTable } from './tables.ts';

export type RunContext = {
  readonly session: PgSession;
  readonly writer: Writer;
  /** Names of people's own functions and types are looked up as in their sessions. */
  readonly searchPath: string;
  /** Signs of a race are one; else they are taken as they are. */
  readonly mayRetry: boolean;
};

/** `together`: one statement for each table and operation; `inOrder`: as they were written. */
export type WriteOrder = 'together' | 'inOrder';

type Plan = {
  readonly writes: readonly RowWrite[];
  readonly corrections: readonly (readonly [
    KeyChange,
    Correction & { readonly isAlive: boolean },
  ])[];
  readonly rejections: readonly Rejection[];
};

/**
 * Returns the transactions that were refused before anything was written; the others have landed. Throws when
 * Postgres refuses: then nothing has, and the savepoint is rolled back.
 */
export async function applyRun(
  context: RunContext,
  run: readonly LocalTransaction[],
  order: WriteOrder,
): Promise<readonly Rejection[]> {
  return await inSavepoint(
    context,
    async () => (await applyPart(context, run, { order, isWhole: true })).rejections,
  );
}

/** All of `work` or nothing. */
export async function inSavepoint<T>({ session }: RunContext, work: () => Promise<T>): Promise<T> {
  await session.query('SAVEPOINT tidelock_run; SET CONSTRAINTS ALL DEFERRED');
  try {
    const result = await work();
    await session.query('RELEASE SAVEPOINT tidelock_run');
    return result;
  } catch (error) {
    await session.query('ROLLBACK TO SAVEPOINT tidelock_run; RELEASE SAVEPOINT tidelock_run');
    throw error;
  }
}

/**
 * Inside a savepoint. `role` is the one that wrote last, null when nothing was written. Unless this is the whole run,
 * `requireConstraints` is due as this role before the savepoint is released.
 */
export async function applyPart(
  context: RunContext,
  run: readonly LocalTransaction[],
  { order, isWhole }: { readonly order: WriteOrder; readonly isWhole: boolean },
): Promise<{ readonly rejections: readonly Rejection[]; readonly role: string | null }> {
  try {
    const plan = await ours(planRun(context, run));
    const role = await writeAll(context, groupsOf(plan.writes, order), isWhole);
    await ours(requireCovered(context, plan.writes));
    await ours(correctAll(context, plan.corrections));
    return { rejections: plan.rejections, role };
  } catch (error) {
    throw asRace(context, run, error);
  }
}

/** Deferred constraints are checked, as the role that has written. */
export async function requireConstraints(context: RunContext, role: string): Promise<void> {
  await actAs(context, role);
  await context.session.query('SET CONSTRAINTS ALL IMMEDIATE');
  await actAsServer(context);
}

/**
 * A statement of ours that names what is not there: the schema is being changed, or the companion lacks a column that a
 * new policy reads, which the server adds within seconds. No transaction is to blame.
 */
async function ours<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const state = sqlStateOf(error) ?? '';
    if (!state.startsWith('42')) throw error;
    throw new Race(`the schema is changing: ${messageOf(error)}`, { cause: error });
  }
}

/** A key that was free when it was looked at, and is taken now. */
function asRace(context: RunContext, run: readonly LocalTransaction[], error: unknown): unknown {
  const broken = brokenKeyOf(error);
  if (!context.mayRetry || broken === undefined) return error;
  const isKey = run.some(({ changes }) =>
    changes.some(({ table }) => table.keyConstraint === broken),
  );
  return isKey ? new Race('another writer was faster with a key', { cause: error }) : error;
}

async function planRun(
  { session, writer, mayRetry }: RunContext,
  run: readonly LocalTransaction[],
): Promise<Plan> {
  const stored = await readStates(session, run);
  const all = run.flatMap(({ number, changes }) =>
    changes.flatMap((change) => {
      const found = stored.get(change);
      return found === undefined ? [] : [{ number, change, stored: found }];
    }),
  );
  if (mayRetry && all.some((meeting) => meeting.stored.isTorn))
    throw new Race('a row was written between two looks');
  const meetings = await withCanonicalTies(session, all, (meeting) => isSeen(meeting, writer));
  const writes: RowWrite[] = [];
  const corrections: Plan['corrections'][number][] = [];
  const rejections: Rejection[] = [];
  let at = 0;
  for (const { number, changes } of run) {
    const own = meetings.slice(at, at + changes.length);
    at += changes.length;
    const plans = planTransaction(own, writer);
    if (plans instanceof Refusal) rejections.push(plans.rejection(number));
    else
      plans.forEach(({ write, correction }, index) => {
        const change = own[index]?.change;
        if (write !== null) writes.push(write);
        if (correction !== null && change !== undefined) corrections.push([change, correction]);
      });
  }
  return { writes, corrections, rejections };
}

/** All or nothing: one row that is refused takes the whole transaction with it. */
function planTransaction(
  meetings: readonly Meeting[],
  writer: Writer,
): readonly RowPlan[] | Refusal {
  try {
    return meetings.map((meeting) => planRow(meeting, writer));
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
}

type Group = { readonly first: RowWrite; readonly writes: RowWrite[] };

function groupsOf(writes: readonly RowWrite[], order: WriteOrder): readonly Group[] {
  if (order === 'together') return [...gather(writes).values()];
  const sorted = [...writes].sort((a, b) => a.change.order - b.change.order);
  const groups: Group[] = [];
  for (const write of sorted) {
    const last = groups.at(-1);
    if (last !== undefined && shapeOf(last.first) === shapeOf(write)) last.writes.push(write);
    else groups.push({ first: write, writes: [write] });
  }
  return groups;
}

function gather(writes: readonly RowWrite[]): ReadonlyMap<string, Group> {
  const groups = new Map<string, Group>();
  for (const write of writes) {
    const shape = shapeOf(write);
    const group = groups.get(shape);
    if (group === undefined) groups.set(shape, { first: write, writes: [write] });
    else group.writes.push(write);
  }
  return groups;
}

function shapeOf({ kind, change, columns }: RowWrite): string {
  return [kind, change.table.name, ...columns.map(({ name }) => name)].join('\0');
}

/** Returns the role that wrote last. */
async function writeAll(
  context: RunContext,
  groups: readonly Group[],
  isWhole: boolean,
): Promise<string | null> {
  if (groups.length === 0) return null;
  const { session } = context;
  let role: string | null = null;
  for (const { first, writes } of groups) {
    const { table } = first.change;
    if (table.role !== role) await actAs(context, table.role);
    role = table.role;
    const { sql, params } = statementOf(first, writes);
    const count = await session.count(sql, params);
    if (count !== writes.length) throw tooFew(first, writes, count);
  }
  if (isWhole) await session.query('SET CONSTRAINTS ALL IMMEDIATE');
  await actAsServer(context);
  return role;
}

async function actAsServer({ session }: RunContext): Promise<void> {
  await session.query(
    `SELECT pg_catalog.set_config('role', 'none', true), pg_catalog.set_config('row_security', 'off', true),
      pg_catalog.set_config('search_path', 'pg_catalog', true), pg_catalog.set_config('tidelock.userid', '', true),
      pg_catalog.set_config('tidelock.claims', '', true)`,
  );
}

async function actAs({ session, writer, searchPath }: RunContext, role: string): Promise<void> {
  try {
    await session.query(
      `SELECT pg_catalog.set_config('tidelock.userid', $1, true), pg_catalog.set_config('tidelock.claims', $2, true),
        pg_catalog.set_config('row_security', 'on', true), pg_catalog.set_config('search_path', $3, true),
        pg_catalog.set_config('role', $4, true)`,
      [writer.userid, JSON.stringify(writer.claims), searchPath, role],
    );
  } catch (error) {
    if (hasCode(error, 'SOURCE_DOWN')) throw error;
    throw mayNotActAs(role, error);
  }
}

/** The operator's to mend. The failure of Postgres is not its cause: no transaction is to blame for it. */
function mayNotActAs(role: string, error: unknown): TidelockError {
  return new TidelockError({
    code: 'SOURCE_UNFIT',
    message: `writes cannot be done as role ${role}: ${messageOf(error)}`,
    hint: 'run: tidelock twoway enable TABLE --postgres URL, for every two-way table',
  });
}

function statementOf(
  { kind, change: { table }, columns }: RowWrite,
  writes: readonly RowWrite[],
): Statement {
  if (kind === 'delete')
    return deleteSql(
      table,
      writes.map(({ change }) => change.key),
    );
  const rows = writes.map(({ change }) => [
    ...change.key,
    ...columns.map(({ name }) => change.change.columns.get(name)?.text ?? null),
  ]);
  return kind === 'insert' ? insertSql(table, columns, rows) : updateSql(table, columns, rows);
}

function tooFew({ kind, change }: RowWrite, writes: readonly RowWrite[], count: number): Refusal {
  const left = writes.length === 1 ? 'a row' : `${writes.length - count} of ${writes.length} rows`;
  const message = `${kind} of ${change.table.name} left out ${left}: no policy lets the user write so, or a trigger in Postgres skipped it`;
  const place = { table: change.table.name, key: change.sentKey };
  return new Refusal('DENIED', message, writes.length === 1 ? place : undefined);
}

/** Without row-level security the token's selectors decide, about the row as it was (the plan) and as it is now. */
async function requireCovered(
  { session, writer }: RunContext,
  writes: readonly RowWrite[],
): Promise<void> {
  if (writer.selectors === 'any') return;
  const tables = new Map<UploadTable, RowWrite[]>();
  for (const write of writes) {
    const { table } = write.change;
    if (table.hasPolicies || table.selectorSql === null || write.kind === 'delete') continue;
    const others = tables.get(table);
    if (others === undefined) tables.set(table, [write]);
    else others.push(write);
  }
  for (const [table, written] of tables) {
    const selectors = [...writer.selectors, ...(table.mayBeEveryone ? ['*'] : [])];
    const keys = written.map(({ change }) => change.key);
    const { sql, params } = foreignRowsSql(table, keys, selectors);
    const [row] = await session.query(sql, params);
    if (row?.rows === '0') continue;
    throw new Refusal(
      'FORBIDDEN_SELECTOR',
      `the token does not cover a row of ${table.name} as it was written`,
    );
  }
}

async function correctAll(
  { session, mayRetry }: RunContext,
  corrections: Plan['corrections'],
): Promise<void> {
  const groups = new Map<UploadTable, { alive: Correction[]; dead: Correction[] }>();
  for (const [{ table }, correction] of corrections) {
    const group = groups.get(table) ?? { alive: [], dead: [] };
    (correction.isAlive ? group.alive : group.dead).push(correction);
    groups.set(table, group);
  }
  for (const [table, { alive, dead }] of groups) {
    for (const [list, isAlive] of [
      [alive, true],
      [dead, false],
    ] as const) {
      if (list.length === 0) continue;
      const { sql, params } = correctSql(table, list, isAlive);
      const count = await session.count(sql, params);
      // Nothing locks a row that is not there: it may have come back since it was looked at.
      if (mayRetry && !isAlive && count < list.length) throw new Race('a deleted row came back');
    }
  }
}
