/**
 * Makes a failing run of sites that write small: a calm network, fewer sites with what they wrote, fewer faults and
 * transactions, then transactions of fewer writes.
 */
import type { TwowayAction, TwowayPlan } from '../../sim/twoway/plan.ts';
import type { Write } from '../../sim/twoway/site-disk.ts';
import type { Finding } from './run-plan.ts';
import { runTwowayPlan } from './run-twoway.ts';
import { Search, type Shrunk } from './search.ts';
import { CALM, type ShrinkOptions } from './shrink.ts';

/** The given plan fails with `findings`. Ends early, with what it has, when `isStopped`. */
export async function shrinkTwoway(
  plan: TwowayPlan,
  findings: readonly Finding[],
  { mutant, isStopped }: ShrinkOptions = {},
): Promise<Shrunk<TwowayPlan>> {
  const judge = async (one: TwowayPlan): Promise<readonly Finding[]> =>
    (await runTwowayPlan(one, { mutant })).findings;
  const search = new Search(plan, findings, { judge, isStopped });
  await search.try({ ...plan, network: { ...plan.network, ...CALM } });
  await search.fewer(({ sites }) => sites, withoutSites);
  const isFault = ({ kind }: TwowayAction): boolean => kind === 'fault';
  await fewerActions(search, isFault);
  await fewerActions(search, ({ kind }) => kind === 'write');
  await fewerActions(search, isFault);
  await search.fewer(({ sites }) => sites, withoutSites);
  await search.fewer(
    ({ actions }) => actions.flatMap((one) => (one.kind === 'write' ? one.writes : [])),
    withoutWrites,
  );
  return search;
}

/** A transaction without writes goes too. */
function withoutWrites(plan: TwowayPlan, gone: ReadonlySet<Write>): TwowayPlan {
  const actions = plan.actions.flatMap((one): readonly TwowayAction[] => {
    if (one.kind !== 'write') return [one];
    const writes = one.writes.filter((write) => !gone.has(write));
    return writes.length === 0 ? [] : [{ ...one, writes }];
  });
  return { ...plan, actions };
}

function withoutSites(plan: TwowayPlan, gone: ReadonlySet<string>): TwowayPlan {
  const sites = plan.sites.filter((name) => !gone.has(name));
  const actions = plan.actions.filter(({ site }) => site === null || !gone.has(site));
  return { ...plan, sites, actions };
}

function fewerActions(
  search: Search<TwowayPlan>,
  isMeant: (action: TwowayAction) => boolean,
): Promise<void> {
  return search.fewer(
    (plan) => plan.actions.filter(isMeant),
    (plan, gone) => ({ ...plan, actions: plan.actions.filter((action) => !gone.has(action)) }),
  );
}
