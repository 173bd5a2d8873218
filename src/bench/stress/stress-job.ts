/** A sender's transaction as a job: records and accounts, as one. */
import { TidelockError } from '../../core/errors.ts';
import type { PgSession } from '../../postgres/session.ts';
import { type AccountWork, lockAccounts, MOVE_SQL } from './accounts.ts';
import type { Job } from './job.ts';
import { changeRows, execute } from './record-sql.ts';
import { changesOf, type RecordRow } from './records.ts';
import type { TransactionPlan } from './transaction-plan.ts';

const ROW_SQL = `
  SELECT grp, sequence, content, _change_selector FROM public.stress_table WHERE id = $1::bigint`;

export function jobOf(plan: TransactionPlan, selectors: readonly string[]): Job {
  const { tx, group, isDoomed, isEnd, undone } = plan;
  return {
    ...{ tx, group, isDoomed, isEnd },
    prepare: async (session) => {
      const accounts =
        plan.accounts === null
          ? null
          : await lockAccounts(session, plan.accounts, { stamp: tx, selectors });
      return {
        changes: [...plan.statements.flatMap(changesOf), ...(accounts?.evidence ?? [])],
        undone: undone === null ? null : undone.statements.flatMap(changesOf),
        perform: (same) => perform(same, plan, accounts),
      };
    },
    isWritten: (session) => isWritten(session, plan),
  };
}

async function perform(
  session: PgSession,
  { statements, undone }: TransactionPlan,
  accounts: AccountWork | null,
): Promise<void> {
  for (const statement of statements) await execute(session, statement);
  if (undone !== null) {
    await session.query('SAVEPOINT undone');
    for (const statement of undone.statements) await execute(session, statement);
    await session.query('ROLLBACK TO SAVEPOINT undone');
  }
  if (accounts === null || accounts.changes.length === 0) return;
  await changeRows(session, { sql: MOVE_SQL, rows: accounts.changes, what: 'transfer' });
}

/** True when a row that this transaction changed is as it left it. */
async function isWritten(session: PgSession, { draft, tx }: TransactionPlan): Promise<boolean> {
  const [first] = draft.changed;
  if (first === undefined) {
    throw new TidelockError({ code: 'INTERNAL', message: `${tx} changes no row of its own` });
  }
  const [id, row] = first;
  const [found] = await session.query(ROW_SQL, [`${id}`]);
  if (row === null || found === undefined) return row === null && found === undefined;
  return isSame(row, found);
}

function isSame(row: RecordRow, found: Readonly<Record<string, string | null>>): boolean {
  return (
    found.grp === `${row.grp}` &&
    found.sequence === `${row.sequence}` &&
    found.content === row.content &&
    found._change_selector === row._change_selector
  );
}
