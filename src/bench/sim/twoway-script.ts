/** The listing of a run of sites that write: what follows the directive `two-way`. */
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import {
  TWOWAY_FAULTS,
  type TwowayAction,
  type TwowayPlan,
  twowayPlanOf,
} from '../../sim/twoway/plan.ts';
import type { Write } from '../../sim/twoway/site-disk.ts';
import type { SimMutant } from './mutants.ts';
import { runTwowayPlan } from './run-twoway.ts';
import { linesOf, mutantOf, outputOf, readSections } from './script-parts.ts';

const DIRECTIVES = 'site, write, fault, run';

export class TwowayScript {
  readonly #options: Pick<TwowayPlan, 'seed' | 'safetyMs' | 'network'>;
  readonly #mutant: SimMutant | undefined;
  readonly #sites: string[] = [];
  readonly #actions: TwowayAction[] = [];

  /** The call of `two-way`. */
  constructor(call: Call) {
    const seed = call.args.integer('seed');
    const { safetyMs, network } = twowayPlanOf(seed);
    this.#mutant = mutantOf(call);
    if (this.#mutant !== undefined && this.#mutant.twoway === undefined) {
      const what = `${this.#mutant.name} is no bug of sites that write`;
      throw call.args.error('bug', what, 'tidelock sim mutants --list');
    }
    this.#options = {
      ...{ seed, safetyMs: call.args.optionalInteger('safety') ?? safetyMs },
      ...readSections(call, { network }),
    };
  }

  handle(call: Call): string | Promise<string> {
    switch (call.command) {
      case 'site':
        this.#sites.push(call.args.text('name'));
        return '';
      case 'write':
        this.#actions.push(this.#writeOf(call));
        return '';
      case 'fault':
        this.#actions.push(this.#faultOf(call));
        return '';
      case 'run':
        return this.#run();
      default: {
        const what = `there is no directive ${call.command} in a run of sites that write`;
        throw new ScriptError(call.place, what, `one of: ${DIRECTIVES}`);
      }
    }
  }

  async #run(): Promise<string> {
    const actions = [...this.#actions].sort((a, b) => a.at - b.at);
    const plan: TwowayPlan = { ...this.#options, sites: this.#sites, actions };
    const { findings } = await runTwowayPlan(plan, { mutant: this.#mutant });
    return outputOf(findings);
  }

  #writeOf(call: Call): TwowayAction {
    const { args } = call;
    const site = args.optional('site') === undefined ? null : this.#siteOf(call, 'site');
    const writes = linesOf(call).map((line) => writeOf(line, call));
    return { kind: 'write', at: args.integer('at'), site, writes };
  }

  #faultOf(call: Call): TwowayAction {
    const { args } = call;
    return {
      kind: 'fault',
      at: args.integer('at'),
      fault: args.choice('name', TWOWAY_FAULTS),
      site: this.#siteOf(call, 'target'),
      ms: args.optionalInteger('ms') ?? 0,
      point: args.optional('point'),
    };
  }

  #siteOf({ args }: Call, key: string): string {
    return args.choice(key, this.#sites);
  }
}

/** `put KEY a=TEXT b=NUMBER`, `replace KEY a=TEXT b=NUMBER` or `delete KEY`. */
function writeOf(line: string, { place }: Call): Write {
  const [, kind, key = '', a = '', b = '0'] =
    /^(put|replace) (\S+) a=(.*) b=(-?\d+)$/.exec(line) ?? /^(delete) (\S+)$/.exec(line) ?? [];
  if (kind === 'put' || kind === 'replace' || kind === 'delete')
    return { kind, key, a, b: BigInt(b) };
  const remedy = 'put KEY a=TEXT b=NUMBER, replace KEY a=TEXT b=NUMBER or delete KEY';
  throw new ScriptError(place, `no write: ${line}`, remedy);
}
