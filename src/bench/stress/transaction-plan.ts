/** What a sender's next transaction does: drawn from its own numbers, so that one that failed shifts no later one. */
import { SeededRandom } from '../random.ts';
import type { Draft, Records, Statement } from './records.ts';
import { allSelectors, ownSelector, SHARED, stayingAccounts, wanderingAccounts } from './schema.ts';

/** Moves between two accounts of one selector. */
type Transfer = { readonly from: number; readonly to: number; readonly amount: number };

/** An account that gives all it has to another one of its selector, and then moves. */
type Wandering = {
  readonly account: number;
  readonly to: string;
  /** Which of the staying accounts takes the balance. */
  readonly sink: number;
};

export type AccountPlan = {
  readonly transfers: readonly Transfer[];
  readonly wandering: Wandering | null;
};

export type TransactionPlan = {
  /** Unique in the run: `sender-1/17`. */
  readonly tx: string;
  readonly group: number;
  readonly draft: Draft;
  readonly statements: readonly Statement[];
  /** Written after the statements and rolled back to its savepoint. */
  readonly undone: { readonly draft: Draft; readonly statements: readonly Statement[] } | null;
  readonly accounts: AccountPlan | null;
  readonly isDoomed: boolean;
  readonly isEnd: boolean;
};

const DOOMED_SHARE = 0.08;
const UNDONE_SHARE = 0.1;
const ACCOUNTS_SHARE = 0.5;
const WANDERING_SHARE = 0.15;
const TRANSFERS_MAX = 3;
const AMOUNT_MAX = 20;

export type PlanContext = {
  readonly sender: number;
  readonly senders: number;
  readonly records: Records;
  readonly group: number;
  readonly tx: string;
  readonly random: SeededRandom;
  /** True while another transaction of this sender is open: whoever waits for a lock could wait for it. */
  readonly isBeside: boolean;
};

export function drawTransaction(context: PlanContext): TransactionPlan {
  const { records, group, tx, random, isBeside } = context;
  const draft = records.draft(random, group);
  const statements = [draft.one(), ...draft.statements()];
  const isUndone = random.next() < UNDONE_SHARE;
  const accounts = random.next() < ACCOUNTS_SHARE ? drawAccounts(context) : null;
  return {
    ...{ tx, group, draft, statements },
    undone: isUndone ? drawUndone(context) : null,
    accounts: isBeside ? null : accounts,
    isDoomed: random.next() < DOOMED_SHARE,
    isEnd: false,
  };
}

/** The transaction that ends a group. */
export function drawEnd({ records, group, tx, random }: PlanContext): TransactionPlan {
  const draft = records.draft(random, group);
  const none = { undone: null, accounts: null, isDoomed: false };
  return { ...none, ...{ tx, group, draft }, statements: [draft.end()], isEnd: true };
}

function drawUndone({ records, random, group }: PlanContext): TransactionPlan['undone'] {
  const draft = records.draft(random, group);
  return { draft, statements: [draft.one(), ...draft.statements()] };
}

function drawAccounts({ sender, senders, random }: PlanContext): AccountPlan {
  const selectors = allSelectors(senders);
  const mine = [ownSelector(sender), SHARED];
  const transfers = Array.from({ length: random.between(1, TRANSFERS_MAX) }, () => {
    const staying = stayingAccounts(selectors, random.pick(mine));
    const from = random.pick(staying);
    const to = random.pick(staying.filter((id) => id !== from));
    return { from, to, amount: random.between(1, AMOUNT_MAX) };
  });
  const isWandering = random.next() < WANDERING_SHARE;
  const wandering = {
    account: random.pick(wanderingAccounts()),
    to: random.pick(selectors),
    sink: random.between(0, 7),
  };
  return { transfers, wandering: isWandering ? wandering : null };
}

/** Numbers of one transaction, whatever became of those before it. */
export function randomOf(seed: number, sender: number, index: number): SeededRandom {
  const mixed = Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(sender + 1, 0x85ebca6b);
  return new SeededRandom(mixed ^ Math.imul(index + 1, 0xc2b2ae35));
}
