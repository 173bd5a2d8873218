/**
 * The world of simulated runs: a script lists who there is, what is written and what breaks, and runs it all.
 *
 *   world                  `seed=`, `safety=MS`, `bug=NAME`; lines `network|stream|server key=value ...`
 *   replica                `name=`, `selectors=(A, B)`, `start=MS`, `open-bytes=`, `sync-every=`
 *   transaction            `at=MS`, `name=`, `open=MS`, `visible=MS`, `rolled-back`, `pieces=`, `lost-piece=`; lines
 *                          `put ID SELECTOR VALUE`, `delete ID`, `transfer FROM TO AMOUNT`, `move ACCOUNT SELECTOR`,
 *                          `open ACCOUNT BALANCE SELECTOR`, `truncate`
 *   fault                  `at=MS`, `name=`, `target=`, `ms=`, `point=`
 *   run                    runs what was listed, and prints what is wrong with it
 *   two-way                `seed=`, `bug=NAME`: runs sites that write, all drawn from the seed
 */
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { planOf } from '../../sim/generate.ts';
import {
  type Action,
  type Change,
  FAULTS,
  type Plan,
  type ReplicaOptions,
} from '../../sim/plan.ts';
import { runTwoway } from '../../sim/twoway/world.ts';
import type { OpenWorld, World } from '../script/world.ts';
import { mutantNamed, type SimMutant } from './mutants.ts';
import { CLEAN, NOBODY } from './print-plan.ts';
import { type Finding, runPlan } from './run-plan.ts';

const WITNESS_LINES = 3;
const DIRECTIVES = 'world, replica, transaction, fault, run, two-way';

export const openSimWorld: OpenWorld = () => new SimWorld();

class SimWorld implements World {
  #options: Pick<Plan, 'seed' | 'safetyMs' | 'network' | 'stream' | 'server'> = planOf(1);
  #mutant: SimMutant | undefined;
  readonly #replicas: ReplicaOptions[] = [];
  readonly #actions: Action[] = [];

  handle(call: Call): string | Promise<string> {
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
        return twoway(call);
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
    const sections = { network: { ...network }, stream: { ...stream }, server: { ...server } };
    for (const line of linesOf(call)) readSection(line, sections, call);
    this.#options = { seed, safetyMs, ...sections };
  }

  async #run(): Promise<string> {
    const actions = [...this.#actions].sort((a, b) => a.at - b.at);
    const plan: Plan = { ...this.#options, replicas: this.#replicas, actions };
    const { findings } = await runPlan(plan, { mutant: this.#mutant });
    return outputOf(findings);
  }
}

async function twoway(call: Call): Promise<string> {
  const { findings } = await runTwoway(call.args.integer('seed'), mutantOf(call)?.twoway);
  return outputOf(findings);
}

function mutantOf({ args }: Call): SimMutant | undefined {
  const bug = args.optional('bug');
  const mutant = bug === undefined ? undefined : mutantNamed(bug);
  if (bug === undefined || mutant !== undefined) return mutant;
  throw args.error('bug', `there is no bug ${bug}`, 'tidelock sim mutants --list');
}

function outputOf(findings: readonly Finding[]): string {
  if (findings.length === 0) return CLEAN;
  return findings
    .flatMap(({ property, witness }) =>
      witness.slice(0, WITNESS_LINES).map((line) => `${property}: ${line.split('\n')[0]}\n`),
    )
    .join('');
}

type Sections = Readonly<Record<'network' | 'stream' | 'server', Record<string, number>>>;

function readSection(line: string, sections: Sections, { place }: Call): void {
  const [name, ...pairs] = line.split(' ');
  const section = Object.entries(sections).find(([known]) => known === name)?.[1];
  if (section === undefined) {
    throw new ScriptError(place, `no section: ${line}`, 'one of: network, stream, server');
  }
  for (const pair of pairs) {
    const [key = '', value = ''] = pair.split('=');
    if (!(key in section) || !Number.isFinite(Number(value)) || value === '') {
      const known = Object.keys(section).join(', ');
      throw new ScriptError(place, `no setting: ${pair}`, `a number for one of: ${known}`);
    }
    section[key] = Number(value);
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
    default: {
      const remedy = 'put, delete, transfer, move, open or truncate';
      throw new ScriptError(place, `no change: ${line}`, remedy);
    }
  }
}

function linesOf({ input }: Call): readonly string[] {
  return input.split('\n').filter((line) => line.trim() !== '');
}
