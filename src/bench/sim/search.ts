/** Makes a failing plan smaller, step by step, as long as the run of it fails by one of the same properties. */
import type { Finding } from './run-plan.ts';

export type SearchOptions<P> = {
  /** Runs a plan and tells what is wrong with it. */
  readonly judge: (plan: P) => Promise<readonly Finding[]>;
  /** Ends the search early, with what it has. */
  readonly isStopped?: (() => boolean) | undefined;
};

/** What is left of a plan. */
export type Shrunk<P> = {
  readonly plan: P;
  readonly findings: readonly Finding[];
  /** Runs that it took. */
  readonly runs: number;
};

/** Runs that one search takes at most. */
const RUNS_MAX = 400;

export class Search<P> implements Shrunk<P> {
  plan: P;
  findings: readonly Finding[];
  runs = 0;
  readonly #properties: ReadonlySet<string>;
  readonly #options: SearchOptions<P>;

  /** The given plan fails with `findings`. */
  constructor(plan: P, findings: readonly Finding[], options: SearchOptions<P>) {
    this.plan = plan;
    this.findings = findings;
    this.#properties = new Set(findings.map(({ property }) => property));
    this.#options = options;
  }

  /** Takes the plan when it fails likewise. */
  async try(plan: P): Promise<boolean> {
    if (this.runs >= RUNS_MAX || this.#options.isStopped?.() === true) return false;
    this.runs += 1;
    const findings = await this.#options.judge(plan);
    if (!findings.some(({ property }) => this.#properties.has(property))) return false;
    this.plan = plan;
    this.findings = findings;
    return true;
  }

  /** Leaves out as many things of a list as it can: halves first, then each one. */
  async fewer<T>(
    listOf: (plan: P) => readonly T[],
    without: (plan: P, gone: ReadonlySet<T>) => P,
  ): Promise<void> {
    for (let size = listOf(this.plan).length; size >= 1; size >>= 1) {
      for (let at = 0; at < listOf(this.plan).length; ) {
        const gone = new Set(listOf(this.plan).slice(at, at + size));
        if (!(await this.try(without(this.plan, gone)))) at += size;
      }
    }
  }
}
