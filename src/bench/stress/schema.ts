/**
 * The tables of the stress, and who writes which rows.
 *
 * `stress_table` has the seed's columns, with keys that fit. A sender owns the rows that it made, so it
 * always knows them. `stress_account` is shared by all senders and changed in the same transactions: the sum
 * of the balances of a selector never changes, and `moves` counts, so that a change that is applied twice shows.
 */
import type { EvidenceTable } from './evidence.ts';

export const RECORD_TABLE = 'public.stress_table';
export const ACCOUNT_TABLE = 'public.stress_account';

export const STRESS_TABLES: readonly EvidenceTable[] = [
  {
    name: RECORD_TABLE,
    columns: [
      { name: 'id', kind: 'bigint' },
      { name: 'grp', kind: 'bigint' },
      { name: 'sequence', kind: 'int' },
      { name: 'content', kind: 'bytes' },
      { name: 'last', kind: 'bool' },
      { name: '_change_selector', kind: 'text' },
      { name: 'code', kind: 'bigint' },
    ],
    ...{ key: ['id'], selector: '_change_selector', balance: null },
  },
  {
    name: ACCOUNT_TABLE,
    columns: [
      { name: 'id', kind: 'bigint' },
      { name: 'balance', kind: 'bigint' },
      { name: 'moves', kind: 'bigint' },
      { name: 'stamp', kind: 'text' },
      { name: '_change_selector', kind: 'text' },
    ],
    ...{ key: ['id'], selector: '_change_selector', balance: 'balance' },
  },
];

/** Full identity: also whoever never saw a row is told what it was. */
export const SCHEMA_SQL = `
  CREATE TABLE public.stress_table (
    id bigint PRIMARY KEY,
    grp bigint NOT NULL,
    sequence int NOT NULL,
    content bytea,
    last bool NOT NULL,
    _change_selector text NOT NULL,
    code bigint NOT NULL
  );
  CREATE TABLE public.stress_account (
    id bigint PRIMARY KEY,
    balance bigint NOT NULL,
    moves bigint NOT NULL,
    stamp text NOT NULL,
    _change_selector text NOT NULL
  );
  ALTER TABLE public.stress_table REPLICA IDENTITY FULL;
  ALTER TABLE public.stress_account REPLICA IDENTITY FULL;`;

export const EXISTS_SQL = `
  SELECT to_regclass('public.stress_table') IS NOT NULL
    OR to_regclass('public.stress_account') IS NOT NULL AS exists`;

export const DROP_SQL = 'DROP TABLE IF EXISTS public.stress_table, public.stress_account';

/** `code` is made of the row's id by this and is beyond what a double holds: whatever goes through one is another. */
export const CODE_SQL = '4611686018427387905 + id * 2';

export function codeOf(id: number): string {
  return String(4611686018427387905n + BigInt(id) * 2n);
}

/** Rows of one sender: `(sender + 1) * SENDER_IDS` and up. */
const SENDER_IDS = 1_000_000_000;

export function firstIdOf(sender: number): number {
  return (sender + 1) * SENDER_IDS;
}

/** The sender that made the row. */
export function senderOf(id: number): number {
  return Math.floor(id / SENDER_IDS) - 1;
}

/** A selector that several senders write to, and one that nobody holds: rows leave through it and come back. */
export const SHARED = 'shared';
export const ELSEWHERE = 'elsewhere';

/** The selector where a sender makes its rows and puts its "end" records. */
export function ownSelector(sender: number): string {
  return `sender-${sender + 1}`;
}

/**
 * What each receiver holds: the shared selector, and the senders' own in turn. Every sender has at least one
 * receiver, every receiver at least one sender.
 */
export function selectorsOf(
  receiver: number,
  counts: { readonly senders: number; readonly receivers: number },
): readonly string[] {
  const { senders, receivers } = counts;
  const own = Array.from({ length: senders }, (_, sender) => sender).filter((sender) =>
    senders >= receivers ? sender % receivers === receiver : sender === receiver % senders,
  );
  return [...own.map(ownSelector), SHARED];
}

/** Accounts that stay in their selector. */
const ACCOUNTS_PER_SELECTOR = 8;
/** Accounts that move, empty, from selector to selector: lower numbers, so they are locked first. */
const WANDERERS = 6;
const FIRST_STAYING = 100;
const FIRST_BALANCE = 1000;

export type Account = { readonly id: number; readonly selector: string; readonly balance: number };

/** All accounts as they begin. */
export function firstAccounts(selectors: readonly string[]): readonly Account[] {
  const staying = selectors.flatMap((selector) =>
    stayingAccounts(selectors, selector).map((id) => ({ id, selector, balance: FIRST_BALANCE })),
  );
  const wanderers = wanderingAccounts().map((id) => ({ id, selector: SHARED, balance: 0 }));
  return [...wanderers, ...staying];
}

export function stayingAccounts(selectors: readonly string[], selector: string): readonly number[] {
  const first = FIRST_STAYING * (selectors.indexOf(selector) + 1);
  return Array.from({ length: ACCOUNTS_PER_SELECTOR }, (_, index) => first + index);
}

export function wanderingAccounts(): readonly number[] {
  return Array.from({ length: WANDERERS }, (_, index) => index + 1);
}

/** Every selector that rows may have. */
export function allSelectors(senders: number): readonly string[] {
  return [
    ...Array.from({ length: senders }, (_, sender) => ownSelector(sender)),
    ...[SHARED, ELSEWHERE],
  ];
}
