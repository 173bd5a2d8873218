/**
 * The world of simulated runs: a script lists who there is, what is written and what breaks, and runs it all.
 *
 *   world                  `seed=`, `safety=MS`, `bug=NAME`; lines `network|stream|server key=value ...`
 *   replica                `name=`, `selectors=(A, B)`, `start=MS`, `open-bytes=`, `sync-every=`
 *   transaction            `at=MS`, `name=`, `open=MS`, `visible=MS`, `rolled-back`, `pieces=`, `lost-piece=`; lines
 *                          `put ID SELECTOR VALUE`, `delete ID`, `transfer FROM TO AMOUNT`, `move ACCOUNT SELECTOR`,
 *                          `open ACCOUNT BALANCE SELECTOR`, `truncate`, `alter HOW COLUMN`
 *   fault                  `at=MS`, `name=`, `target=`, `ms=`, `point=`
 *   run                    runs what was listed, and prints what is wrong with it
 *
 * A script that begins with `two-way` is a run of sites that write instead:
 *
 *   two-way                `seed=`, `safety=MS`, `bug=NAME`; lines `network key=value ...`
 *   site                   `name=`
 *   write                  `at=MS`, `site=`, Postgres itself without it; lines `put KEY a=TEXT b=NUMBER`,
 *                          `replace KEY a=TEXT b=NUMBER`, `delete KEY`
 *   fault                  `at=MS`, `name=`, `target=`, `ms=`, `point=`
 *   run                    as above
 */
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { planOf } from '../../sim/generate.ts';
import {
  type Action,
  ALTERATIONS,
  type Change,
  FAULTS,
  type Plan,
  type ReplicaOptions,
} from '../../sim/plan.ts';
import type { OpenWorld, World } from '../script/world.ts';
import type { SimMutant } from './mutants.ts';
import { NOBODY } from './print-plan.ts';
import { runPlan } from './run-plan.ts';
import { linesOf, mutantOf, outputOf, readSections } from './script-parts.ts';
import { TwowayScript } from './twoway-script.ts';

const DIRECTIVES = 'world, replica, transaction, fault, run, two-way';

export const openSimWorld: OpenWorld = () => new SimWorld();

class SimWorld implements World {
  #options: Pick<Plan, 'seed' | 'safetyMs' | 'network' | 'stream' | 'server'> = planOf(1);
  #mutant: SimMutant | undefined;
  readonly #replicas: ReplicaOptions[] = [];
  readonly #actions: Action[] = [];
  #twoway: TwowayScript | null = null;

  handle(call: Call): string | Promise<string> {
    if (this.#twoway !== null) return this.#twoway.handle(call);
    switch (call.command) {
      case 'world':
        this.#world(call);
        return '';
      case 'replica':
        this.#replicas.push(replicaOf(call));
        return '';
      case 'transaction':
        this.#actions.push(transactionOf(call));
        return '';
      case 'fault':
        this.#actions.push(faultOf(call));
        return '';
      case 'run':
        return this.#run();
      case 'two-way':
        this.#twoway = new TwowayScript(call);
        return '';
      default: {
        const what = `there is no directive ${call.command}`;
        throw new ScriptError(call.place, what, `one of: ${DIRECTIVES}`);
      }
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #world(call: Call): void {
    const { args } = call;
    const seed = args.integer('seed');
    const drawn = planOf(seed);
    const safetyMs = args.optionalInteger('safety') ?? drawn.safetyMs;
    this.#mutant = mutantOf(call);
    const { network, stream, server } = drawn;
    const sections = readSections(call, { network, stream, server });
    this.#options = { seed, safetyMs, ...sections };
  }

  async #run(): Promise<string> {
    const actions = [...this.#actions].sort((a, b) => a.at - b.at);
    const plan: Plan = { ...this.#options, replicas: this.#replicas, actions };
    const { findings } = await runPlan(plan, { mutant: this.#mutant });
    return outputOf(findings);
  }
}

function replicaOf({ args }: Call): ReplicaOptions {
  return {
    name: args.text('name'),
    selectors: args.list('selectors'),
    startMs: args.optionalInteger('start') ?? 0,
    openBytesMax: args.optionalInteger('open-bytes') ?? 100_000,
    syncEvery: args.optionalInteger('sync-every') ?? 1,
  };
}

function transactionOf(call: Call): Action {
  const { args } = call;
  return {
    kind: 'transaction',
    at: args.integer('at'),
    name: args.text('name'),
    openMs: args.optionalInteger('open') ?? 1,
    visibleMs: args.optionalInteger('visible') ?? 0,
    isRolledBack: args.flag('rolled-back'),
    pieces: args.optionalInteger('pieces') ?? 0,
    lostPiece: args.optionalInteger('lost-piece') ?? null,
    changes: linesOf(call).map((line) => changeOf(line, call)),
  };
}

function faultOf({ args }: Call): Action {
  return {
    kind: 'fault',
    at: args.integer('at'),
    fault: args.choice('name', FAULTS),
    target: args.optional('target') ?? null,
    ms: args.optionalInteger('ms') ?? 0,
    point: args.optional('point'),
  };
}

function changeOf(line: string, { place }: Call): Change {
  const [kind, first = '', second = '', ...rest] = line.split(' ');
  const number = Number(first);
  switch (kind) {
    case 'put': {
      const selector = second === NOBODY ? null : second;
      return { kind, id: number, selector, value: rest.join(' ') };
    }
    case 'delete':
      return { kind, id: number };
    case 'transfer':
      return { kind, from: number, to: Number(second), amount: Number(rest[0]) };
    case 'move':
      return { kind, account: number, selector: second };
    case 'open':
      return { kind, account: number, balance: Number(second), selector: rest[0] ?? '' };
    case 'truncate':
      return { kind };
    case 'alter': {
      const how = ALTERATIONS.find((one) => one === first);
      if (how !== undefined) return { kind, how, column: second };
      throw new ScriptError(place, `no change: ${line}`, `alter ${ALTERATIONS.join('|')} COLUMN`);
    }
    default: {
      const remedy = 'put, delete, transfer, move, open, truncate or alter';
      throw new ScriptError(place, `no change: ${line}`, remedy);
    }
  }
}
