/**
 * Makes a failing plan small: fewer replicas, faults and transactions, then smaller transactions and a calmer network, as
 * long as the run fails by the same property. Chance does not move: every part draws from a stream of its own.
 */
import type { Action, NetworkOptions, Plan, TransactionAction } from '../../sim/plan.ts';
import type { SimMutant } from './mutants.ts';
import { type Finding, runPlan } from './run-plan.ts';

export type Shrunk = {
  readonly plan: Plan;
  readonly findings: readonly Finding[];
  /** Runs that it took. */
  readonly runs: number;
};

/** Runs that one search takes at most. */
const RUNS_MAX = 400;

const CALM: Partial<NetworkOptions> = { breaks: 0, repeats: 0, splits: 0 };

/** The given plan fails with `findings`. Ends early, with what it has, when `isStopped`. */
export async function shrink(
  plan: Plan,
  findings: readonly Finding[],
  options: { readonly mutant?: SimMutant | undefined; readonly isStopped?: () => boolean } = {},
): Promise<Shrunk> {
  const search = new Search(plan, findings, options);
  await search.run();
  return { plan: search.plan, findings: search.findings, runs: search.runs };
}

class Search {
  plan: Plan;
  findings: readonly Finding[];
  runs = 0;
  readonly #properties: ReadonlySet<string>;
  readonly #mutant: SimMutant | undefined;
  readonly #isStopped: () => boolean;

  constructor(
    plan: Plan,
    findings: readonly Finding[],
    options: { readonly mutant?: SimMutant | undefined; readonly isStopped?: () => boolean },
  ) {
    this.plan = plan;
    this.findings = findings;
    this.#properties = new Set(findings.map(({ property }) => property));
    this.#mutant = options.mutant;
    this.#isStopped = options.isStopped ?? (() => false);
  }

  async run(): Promise<void> {
    await this.#tryPlan({ ...this.plan, network: { ...this.plan.network, ...CALM } });
    for (const { name } of this.plan.replicas) {
      const replicas = this.plan.replicas.filter((one) => one.name !== name);
      if (replicas.length > 0) await this.#tryPlan({ ...this.plan, replicas });
    }
    await this.#fewerActions((action) => action.kind === 'fault');
    await this.#fewerActions((action) => action.kind === 'transaction' && action.at > 0);
    await this.#fewerActions((action) => action.kind === 'fault');
    await this.#smallerTransactions();
  }

  /** Halves first, then each one. */
  async #fewerActions(isMeant: (action: Action) => boolean): Promise<void> {
    for (let size = this.plan.actions.filter(isMeant).length; size >= 1; size >>= 1) {
      for (let at = 0; at < this.plan.actions.filter(isMeant).length; ) {
        const gone = new Set(this.plan.actions.filter(isMeant).slice(at, at + size));
        const actions = this.plan.actions.filter((action) => !gone.has(action));
        if (!(await this.#tryPlan({ ...this.plan, actions }))) at += size;
      }
    }
  }

  async #smallerTransactions(): Promise<void> {
    for (const { name } of [...this.plan.actions].filter((one) => one.kind === 'transaction')) {
      for (let at = 0; at < (this.#transaction(name)?.changes.length ?? 0); ) {
        const before = this.#transaction(name);
        if (before === undefined) break;
        const changes = before.changes.filter((_, index) => index !== at);
        const after = { ...before, changes };
        const actions = this.plan.actions.map((one) => (one === before ? after : one));
        if (!(await this.#tryPlan({ ...this.plan, actions }))) at += 1;
      }
    }
  }

  #transaction(name: string): TransactionAction | undefined {
    return this.plan.actions
      .filter((one) => one.kind === 'transaction')
      .find((one) => one.name === name);
  }

  /** Takes the plan when it fails likewise. */
  async #tryPlan(plan: Plan): Promise<boolean> {
    if (this.runs >= RUNS_MAX || this.#isStopped()) return false;
    this.runs += 1;
    const { findings } = await runPlan(plan, { mutant: this.#mutant });
    if (!findings.some(({ property }) => this.#properties.has(property))) return false;
    this.plan = plan;
    this.findings = findings;
    return true;
  }
}
