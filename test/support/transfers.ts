/** Transactions that move money between accounts: the n-th is always the same, and the sum never changes. */
import type { RowChange } from '../../src/core/row-change.ts';
import type { TableDef } from '../../src/core/table.ts';
import { tableOf } from '../unit/sqlite/replicas.ts';

const ACCOUNTS = 50;
export const START_POSITION = 100;
export const TOTAL = 1000 * ACCOUNTS;

export const ACCOUNT: TableDef = tableOf(
  'public.account',
  ['id|int', 'balance|int', 'note'],
  ['id'],
);
export const STAMP: TableDef = tableOf('public.stamp', ['id|int', 'at|int'], ['id']);

/** The state at `START_POSITION`. */
export function firstRows(): readonly RowChange[] {
  const accounts = Array.from({ length: ACCOUNTS }, (_, id): RowChange => {
    return { type: 'insert', table: ACCOUNT.name, selector: '*', row: [id, 1000, ''] };
  });
  const stamps = [0, 1].map((id): RowChange => {
    return { type: 'insert', table: STAMP.name, selector: '*', row: [id, START_POSITION] };
  });
  return [...accounts, ...stamps];
}

/** How far account `id` is from its first balance after all transactions up to `position`. */
function balanceAt(id: number, position: number): number {
  // Transaction p moves 1 from account p % N to account (p + 1) % N.
  const times = (rest: number): number => {
    const before = Math.floor((START_POSITION - rest) / ACCOUNTS);
    return Math.floor((position - rest) / ACCOUNTS) - before;
  };
  return 1000 - times(id) + times((id - 1 + ACCOUNTS) % ACCOUNTS);
}

/** The changes of the transaction that commits at `position`. */
export function transferAt(position: number): readonly RowChange[] {
  const from = position % ACCOUNTS;
  const to = (position + 1) % ACCOUNTS;
  const account = (id: number): RowChange => ({
    type: 'update',
    table: ACCOUNT.name,
    selector: '*',
    row: [id, balanceAt(id, position), `at ${position}`],
  });
  const stamp = (id: number): RowChange => ({
    type: 'update',
    table: STAMP.name,
    selector: '*',
    row: [id, position],
  });
  return [stamp(0), account(from), account(to), stamp(1)];
}
