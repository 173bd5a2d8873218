/**
 * Makes a failing plan small: fewer replicas, faults and transactions, then smaller transactions and a calmer network, as
 * long as the run fails by the same property. Chance does not move: every part draws from a stream of its own.
 */
import type { Action, NetworkOptions, Plan, TransactionAction } from '../../sim/plan.ts';
import type { SimMutant } from './mutants.ts';
import { type Finding, runPlan } from './run-plan.ts';
import { Search, type Shrunk } from './search.ts';

export type ShrinkOptions = {
  readonly mutant?: SimMutant | undefined;
  readonly isStopped?: () => boolean;
};

/** A network that breaks nothing. */
export const CALM: Partial<NetworkOptions> = { breaks: 0, repeats: 0, splits: 0 };

/** The given plan fails with `findings`. Ends early, with what it has, when `isStopped`. */
export async function shrink(
  plan: Plan,
  findings: readonly Finding[],
  { mutant, isStopped }: ShrinkOptions = {},
): Promise<Shrunk<Plan>> {
  const judge = async (one: Plan): Promise<readonly Finding[]> =>
    (await runPlan(one, { mutant })).findings;
  const search = new Search(plan, findings, { judge, isStopped });
  await search.try({ ...plan, network: { ...plan.network, ...CALM } });
  for (const { name } of plan.replicas) {
    const replicas = search.plan.replicas.filter((one) => one.name !== name);
    if (replicas.length > 0) await search.try({ ...search.plan, replicas });
  }
  const isFault = ({ kind }: Action): boolean => kind === 'fault';
  await fewerActions(search, isFault);
  await fewerActions(search, ({ kind, at }) => kind === 'transaction' && at > 0);
  await fewerActions(search, isFault);
  await smallerTransactions(search);
  return search;
}

function fewerActions(search: Search<Plan>, isMeant: (action: Action) => boolean): Promise<void> {
  return search.fewer(
    (plan) => plan.actions.filter(isMeant),
    (plan, gone) => ({ ...plan, actions: plan.actions.filter((action) => !gone.has(action)) }),
  );
}

async function smallerTransactions(search: Search<Plan>): Promise<void> {
  for (const { name } of transactionsOf(search.plan)) {
    const find = (plan: Plan): TransactionAction | undefined =>
      transactionsOf(plan).find((one) => one.name === name);
    for (let at = 0; at < (find(search.plan)?.changes.length ?? 0); ) {
      const before = find(search.plan);
      if (before === undefined) break;
      const changes = before.changes.filter((_, index) => index !== at);
      const after = { ...before, changes };
      const actions = search.plan.actions.map((one) => (one === before ? after : one));
      if (!(await search.try({ ...search.plan, actions }))) at += 1;
    }
  }
}

function transactionsOf({ actions }: Plan): readonly TransactionAction[] {
  return actions.filter((one) => one.kind === 'transaction');
}
