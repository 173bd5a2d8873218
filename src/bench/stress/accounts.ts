/** The shared accounts inside one transaction: lock, compute what they will be, write. */
import type { PgRow, PgSession } from '../../postgres/session.ts';
import type { OpChange } from './evidence.ts';
import { ACCOUNT_TABLE, stayingAccounts } from './schema.ts';
import type { AccountPlan } from './transaction-plan.ts';

/** Everybody locks in the order of the numbers, so nobody waits in a circle. */
const LOCK_SQL = `
  SELECT id, balance, moves, _change_selector FROM public.stress_account
  WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE`;

/** By difference and not by value: what is applied twice is wrong. */
export const MOVE_SQL = `
  UPDATE public.stress_account a
  SET balance = a.balance + r.delta, moves = a.moves + 1, stamp = r.stamp,
    _change_selector = r.selector
  FROM json_to_recordset($1::json) AS r(id bigint, delta bigint, stamp text, selector text)
  WHERE a.id = r.id
  RETURNING a.id`;

export type AccountChange = {
  readonly id: number;
  readonly delta: number;
  readonly stamp: string;
  readonly selector: string;
};

export type AccountWork = {
  readonly changes: readonly AccountChange[];
  /** The rows as they will be. */
  readonly evidence: readonly OpChange[];
};

type Locked = { readonly balance: number; readonly moves: number; readonly selector: string };

/** Locks the accounts of the plan and says what is to be written. Nobody else changes them until the end. */
export async function lockAccounts(
  session: PgSession,
  plan: AccountPlan,
  options: { readonly stamp: string; readonly selectors: readonly string[] },
): Promise<AccountWork> {
  const locked = new Map<number, Locked>();
  const { transfers, wandering } = plan;
  const deltas = new Map<number, number>();
  const add = (id: number, delta: number): void => {
    deltas.set(id, (deltas.get(id) ?? 0) + delta);
  };
  for (const { from, to, amount } of transfers) {
    add(from, -amount);
    add(to, amount);
  }
  if (wandering !== null) {
    // The wanderers have the lowest numbers: locked first, they say where the rest goes.
    await lock(session, [wandering.account], locked);
    const { balance = 0, selector = '' } = locked.get(wandering.account) ?? {};
    add(wandering.account, -balance);
    add(stayingAccounts(options.selectors, selector)[wandering.sink] ?? 0, balance);
  }
  await lock(
    session,
    [...deltas.keys()].filter((id) => !locked.has(id)),
    locked,
  );
  return workOf({ deltas, locked, plan, stamp: options.stamp });
}

async function lock(
  session: PgSession,
  ids: readonly number[],
  locked: Map<number, Locked>,
): Promise<void> {
  if (ids.length === 0) return;
  for (const row of await session.query(LOCK_SQL, [`{${ids.join()}}`])) {
    locked.set(Number(row.id), lockedOf(row));
  }
}

function lockedOf({ balance, moves, _change_selector }: PgRow): Locked {
  return { balance: Number(balance), moves: Number(moves), selector: _change_selector ?? '' };
}

function workOf(work: {
  readonly deltas: ReadonlyMap<number, number>;
  readonly locked: ReadonlyMap<number, Locked>;
  readonly plan: AccountPlan;
  readonly stamp: string;
}): AccountWork {
  const { deltas, locked, plan, stamp } = work;
  const changes: AccountChange[] = [];
  const evidence: OpChange[] = [];
  for (const [id, delta] of deltas) {
    const before = locked.get(id);
    if (before === undefined) continue;
    const { wandering } = plan;
    const selector = wandering?.account === id ? wandering.to : before.selector;
    changes.push({ id, delta, stamp, selector });
    const row = {
      ...{ id: `${id}`, balance: `${before.balance + delta}`, moves: `${before.moves + 1}` },
      ...{ stamp, _change_selector: selector },
    };
    evidence.push({ table: ACCOUNT_TABLE, op: 'update', key: `${id}`, row });
  }
  return { changes, evidence };
}
