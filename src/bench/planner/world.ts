/**
 * The world of the planner: its machine, a table of states that stands for the run's database, and nothing else.
 *
 *   area                   its lines: src/planner/area-text.ts has the format
 *   plan                   `pattern=`, `tags=`, `rerun=` none, failed, downstream, clean, all; `matching=`; `from-step=`, `step=`; lines
 *                          `EXEC STATE/STATUS` are results that are there, `EXEC expects=SECONDS` what is known of it
 *   dry-run                the same, and prints the plan without starting it
 *   complete, fail         `exec=(a, b/1)`; `complete status=WARN`
 *   enter                  `exec=`, `state=RUNNING/n/a`: any state that a runner reports
 *   expand                 `test=`, `items=(a, b)`, or `reason=` why there are none
 *   host                   `load=`, `slots=`, `elsewhere=(a)`: what runs in other runs
 *   inc-time               `seconds=` or `ms=`
 *   kill                   `pattern=`
 *   force                  `exec=`, `to=COMPLETED/PASS`
 *   kill-runner            the machine is gone; the table and what runs stay
 *   resume                 a new machine goes on from the table; `dead=(a)` are found dead
 *   print-plan, print-state, print-queue, print-table
 *
 *   print-replay           all that happened as a script: src/planner/replay.ts
 *
 * `at=MS` sets the time of a directive. Every directive prints the effects that it had, in order. All invariants are checked after each.
 */
import { decoded, itemNamed, readAreaText } from '../../planner/area-text.ts';
import { checkPlanner } from '../../planner/invariants.ts';
import { step } from '../../planner/machine.ts';
import { planIn, planOf } from '../../planner/plan.ts';
import { effectText, planText, queueText, stateText } from '../../planner/print.ts';
import { replayScript } from '../../planner/replay.ts';
import { keyOf, pairOf } from '../../planner/rollup.ts';
import type { StatePair } from '../../planner/rows.ts';
import { inputOf, newPlannerState, type PlannerState } from '../../planner/state.ts';
import { FRESH, type TransitionEvent, transition } from '../../planner/states.ts';
import type {
  ExecId,
  Existing,
  PlanInput,
  PlannerEffect,
  PlannerEvent,
  RerunRule,
} from '../../planner/types.ts';
import type { Arguments } from '../../script/arguments.ts';
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { errorText } from '../script/error-text.ts';
import type { OpenWorld, World } from '../script/world.ts';

export const openPlannerWorld: OpenWorld = () => new PlannerWorld();

type Timeless = PlannerEvent extends infer E ? (E extends unknown ? Omit<E, 'at'> : never) : never;
type Directive = (call: Call) => string;

class PlannerWorld implements World {
  #area = readAreaText('');
  #state: PlannerState | null = null;
  #now = 0;
  /** What the machine was told. */
  #events: PlannerEvent[] = [];
  /** The run's database: where every execution stands. */
  readonly #table = new Map<ExecId, StatePair>();
  readonly #expected = new Map<ExecId, number>();
  readonly #directives: Readonly<Record<string, Directive>> = {
    area: ({ input }) => this.#readArea(input),
    plan: (call) => this.#plan(call),
    'dry-run': (call) => planText(planOf(this.#inputOf(call))),
    complete: ({ args }) => this.#end(args, args.optional('status') ?? 'PASS'),
    fail: ({ args }) => this.#end(args, 'FAIL'),
    enter: ({ args }) => this.#enter(args.text('exec'), pairOf(args.text('state'))),
    expand: ({ args }) => this.#expand(args),
    host: ({ args }) => this.#host(args),
    'inc-time': ({ args }) => this.#incTime(args),
    kill: ({ args }) => this.#step({ kind: 'kill', pattern: args.text('pattern') }),
    force: ({ args }) => this.#force(args),
    'kill-runner': () => this.#killRunner(),
    resume: (call) => this.#resume(call),
    'print-plan': () => planText(planIn(this.#machine(), inputOf(this.#machine()))),
    'print-state': () => stateText(this.#machine()),
    'print-queue': () => queueText(this.#machine()),
    'print-table': () => this.#tableText(),
    'print-replay': () => replayScript(inputOf(this.#machine()), this.#events),
  };

  handle(call: Call): string {
    const directive = this.#directives[call.command];
    if (directive === undefined) {
      const remedy = `one of: ${Object.keys(this.#directives).join(', ')}`;
      throw new ScriptError(call.place, `there is no directive ${call.command}`, remedy);
    }
    this.#now = Math.max(this.#now, call.args.optionalInteger('at') ?? 0);
    try {
      return directive(call);
    } catch (error) {
      return errorText(error);
    }
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #readArea(input: string): string {
    const expects = /^(\S+) expects=([\d.]+)$/;
    const lines = input.split('\n');
    for (const line of lines) {
      const [, exec, seconds] = expects.exec(line) ?? [];
      if (exec !== undefined) this.#expected.set(decoded(exec), Number(seconds));
    }
    this.#area = readAreaText(lines.filter((line) => !expects.test(line)).join('\n'));
    return '';
  }

  #plan(call: Call): string {
    this.#state = newPlannerState();
    this.#events = [];
    return this.#step({ kind: 'start', input: this.#inputOf(call) });
  }

  #inputOf({ args, input }: Call): PlanInput {
    for (const line of input.split('\n').filter((text) => text !== '')) {
      const at = line.indexOf(' ');
      this.#table.set(decoded(line.slice(0, at)), pairOf(line.slice(at + 1)));
    }
    return this.#input(
      ruleOf(args),
      args.optional('pattern') ?? '%',
      args.optional('tags') ?? null,
    );
  }

  #input(rerun: RerunRule, pattern: string, tags: string | null): PlanInput {
    const existing = [...this.#table].map(([id, pair]): Existing => {
      return { id, ...pair, expectedS: this.#expected.get(id) ?? null };
    });
    const request = { target: 'target', run: 'run', pattern, tags, rerun };
    return { ...this.#area, request, existing, expectedS: this.#expected };
  }

  #step(event: Timeless): string {
    const state = this.#machine();
    const timed = { ...event, at: this.#now } as PlannerEvent;
    this.#events.push(timed);
    const effects = step(state, timed);
    checkPlanner(state);
    for (const effect of effects) this.#perform(effect);
    return effects.map((effect) => `${effectText(effect)}\n`).join('');
  }

  /** What the driver writes into the database. */
  #perform(effect: PlannerEffect): void {
    if (effect.kind === 'register') {
      for (const { exec } of effect.execs) this.#table.set(exec, FRESH);
    } else if (effect.kind === 'launch') {
      this.#change(effect.exec, { kind: 'launch' });
    } else if (effect.kind === 'reset') {
      this.#change(effect.exec, { kind: 'reset' });
    } else if (effect.kind === 'settle') {
      this.#table.set(effect.exec, { state: effect.state, status: effect.status });
    } else if (effect.kind === 'kill') {
      this.#change(effect.exec, { kind: 'requestKill' });
    }
  }

  /** As the store does it; what the table of transitions refuses stays as it is. */
  #change(exec: ExecId, event: TransitionEvent): StatePair {
    const old = this.#table.get(exec) ?? FRESH;
    const result = transition(old, event);
    const pair = result.kind === 'changed' ? result.to : old;
    this.#table.set(exec, pair);
    return pair;
  }

  #end(args: Arguments, status: string): string {
    return args
      .list('exec')
      .map((exec) => {
        this.#change(exec, { kind: 'run' });
        return this.#enter(exec, this.#change(exec, { kind: 'finish', status }));
      })
      .join('');
  }

  #enter(exec: ExecId, pair: StatePair): string {
    this.#table.set(exec, pair);
    return this.#step({ kind: 'entered', exec, ...pair });
  }

  #expand(args: Arguments): string {
    const reason = args.optional('reason') ?? '';
    const items = reason === '' ? args.list('items').map(itemNamed) : null;
    return this.#step({ kind: 'expanded', test: args.text('test'), items, reason });
  }

  #host(args: Arguments): string {
    const load = Number(args.optional('load') ?? 0);
    const slots = args.optionalInteger('slots') ?? 1000;
    return this.#step({ kind: 'host', load, slots, exclusive: args.list('elsewhere') });
  }

  #incTime(args: Arguments): string {
    const seconds = args.optionalInteger('seconds') ?? 0;
    this.#now += seconds * 1000 + (args.optionalInteger('ms') ?? 0);
    return this.#step({ kind: 'clock' });
  }

  #force(args: Arguments): string {
    const exec = args.text('exec');
    const to = pairOf(args.text('to'));
    this.#change(exec, { kind: 'force', to });
    return this.#step({ kind: 'force', exec, to });
  }

  #killRunner(): string {
    this.#machine();
    this.#state = null;
    return '';
  }

  #resume(call: Call): string {
    const dead = call.args.list('dead');
    this.#state = newPlannerState();
    const pattern = call.args.optional('pattern') ?? '%';
    const output = this.#step({
      kind: 'start',
      input: this.#input({ kind: 'resume' }, pattern, null),
    });
    const died = dead.map((exec) => this.#enter(exec, this.#change(exec, { kind: 'dead' })));
    return [output, ...died].join('');
  }

  #machine(): PlannerState {
    if (this.#state !== null) return this.#state;
    const place = { file: 'planner', line: 1, column: 1 };
    throw new ScriptError(place, 'no runner plans', 'plan, or resume after kill-runner');
  }

  #tableText(): string {
    return [...this.#table].map(([exec, pair]) => `${exec} ${keyOf(pair)}\n`).join('');
  }
}

const RERUNS = ['none', 'resume', 'failed', 'downstream', 'clean', 'all'] as const;

/**
 * `rerun=failed`, `matching=(FAIL, KILLED)`, `from-step=link`, `step=link`, or `chosen=b/%`, to which `rerun=downstream`
 * adds what waits for it.
 */
function ruleOf(args: Arguments): RerunRule {
  const names = args.list('matching');
  for (const [word, isOnly] of [
    ['from-step', false],
    ['step', true],
  ] as const) {
    const step = args.optional(word);
    if (step !== undefined) return { kind: 'steps', step, isOnly };
  }
  const kind = args.optionalChoice('rerun', RERUNS) ?? 'none';
  const pattern = args.optional('chosen');
  if (names.length > 0) return { kind: 'matching', names };
  if (pattern !== undefined) return { kind: 'chosen', pattern, downstream: kind === 'downstream' };
  if (kind === 'downstream') return { kind: 'failed', downstream: true };
  return kind === 'failed' ? { kind, downstream: false } : { kind };
}
