/**
 * One process that runs the tests of an area: takes actions from the queue, drives any number of runs and
 * executions, renews its leases.
 *
 * All waiting happens in one clock: a turn looks at every execution, samples the host's processes once, and writes
 * everything that has changed in one transaction.
 */
import { availableParallelism, loadavg } from 'node:os';
import type { TaskRow, TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { isActive } from '../planner/states.ts';
import { type ActionMeans, Actions } from './actions.ts';
import type { Outbox } from './database/outbox.ts';
import type { HostIdentity } from './processes/host.ts';
import { isAlive, pidStartOf } from './processes/host.ts';
import type { RunActivity } from './run-activity.ts';
import { idOf } from './run-history.ts';

/** A runner that has not renewed for so long is dead, on another host; on this one its process is looked at. */
const LEASE_MS = 10_000;
const RENEW_MS = 2_000;
const TURN_MS = 50;
const SAMPLE_MS = 1_000;
const EVENTS_AT_ONCE = 1000;
/** Actions under way at once. */
const ACTIONS_MAX = 50;
/** Actions that wait for older ones on the same run. */
const WAITING_MAX = 100;
/** A claim may bring tasks that dead runners have left; they are seen to first. */
const ORPHANS_MAX = 1000;

export type RunnerOptions = Omit<ActionMeans, 'tasks'> & {
  readonly identity: HostIdentity;
  /** Executions at once, over all runs. */
  readonly slots: number;
  /** Takes any action that is queued; otherwise only what it was given. */
  readonly isServing: boolean;
  /** What goes wrong inside; it goes on. */
  readonly onTrouble: (error: unknown) => void;
};

export class Runner {
  readonly id: string;
  readonly #options: RunnerOptions;
  readonly #store: RunStore;
  readonly #outbox: Outbox;
  readonly #actions: Actions;
  readonly #execTasks = new Map<number, number>();
  #timer: NodeJS.Timeout | null = null;
  #seenSeq = 0;
  #renewAt = 0;
  #sampleAt = 0;
  #stopEvents: () => void = () => undefined;
  #hasNews = true;

  constructor(options: RunnerOptions) {
    this.id = options.id;
    this.#options = options;
    this.#store = options.store;
    this.#outbox = options.outbox;
    const tasks = {
      onLaunch: (testId: number) => this.#takeExec(testId),
      onEnd: (testId: number, result: unknown) => this.#endExec(testId, result),
    };
    this.#actions = new Actions({ ...options, tasks });
  }

  get isIdle(): boolean {
    return this.#actions.size === 0;
  }

  /** Registers itself and starts its clock. */
  start(): void {
    this.#seenSeq = this.#store.seq;
    this.#register();
    this.#buryDead();
    this.#stopEvents = this.#store.onChange(() => {
      this.#hasNews = true;
    });
    this.#schedule();
  }

  /** Queues an action and takes it at once. Answers the task; not new: another one asked for the same. */
  submit(task: Parameters<Actions['newTask']>[0]): {
    readonly id: number;
    readonly isNew: boolean;
  } {
    const [put] = this.#outbox.now({ kind: 'putTask', task: this.#actions.newTask(task) });
    const id = put?.id ?? 0;
    if (put?.isNew === true) this.#claimUntil((claimed) => claimed.id === id);
    return { id, isNew: put?.isNew === true };
  }

  /** Takes whatever is due, if only once; for those who wait for somebody else's task. */
  takeOver(): void {
    this.#buryDead();
    this.#claimUntil(() => true);
  }

  /** Starts nothing more and ends what runs, with its states written. */
  interrupt(): void {
    this.#actions.killAll();
  }

  interruptNow(): void {
    this.#options.execution.look.forget();
    this.#actions.killAllNow();
    this.#outbox.flush();
  }

  /** Leaves what runs to the next runner. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#stopEvents();
    for (const activity of this.#actions.activities) activity.leave();
    this.#outbox.now({ kind: 'removeRunner', id: this.id });
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      try {
        this.#turn();
      } catch (error) {
        this.#options.onTrouble(error);
      }
      if (this.#timer !== null) this.#schedule();
    }, TURN_MS);
  }

  #turn(): void {
    const now = this.#options.now();
    if (now >= this.#renewAt) this.#renew(now);
    const isSampled = now >= this.#sampleAt;
    if (isSampled) this.#sampleAt = now + SAMPLE_MS;
    const activities = this.#actions.activities;
    const { look } = this.#options.execution;
    look.forget();
    const use = isSampled && activities.length > 0 ? look.use() : null;
    for (const activity of activities) this.#tick(activity, use);
    if (isSampled) this.#tellHost(activities);
    if (this.#hasNews) this.#readNews();
    if (this.#mayClaim) this.#claim();
    this.#outbox.flush();
  }

  /** What others wait for is claimed whatever else is under way, or they would wait for ever. */
  get #mayClaim(): boolean {
    const { turns, underWay } = this.#actions;
    if (turns.waitsForQueued) return true;
    return this.#options.isServing && underWay < ACTIONS_MAX && turns.waiting < WAITING_MAX;
  }

  /** What goes wrong with one run keeps no other from going on. */
  #tick(activity: RunActivity, use: Parameters<RunActivity['tick']>[0]): void {
    try {
      activity.tick(use);
    } catch (error) {
      this.#options.onTrouble(error);
    }
  }

  #renew(now: number): void {
    this.#renewAt = now + RENEW_MS;
    this.#register();
    this.#buryDead();
    const write = { kind: 'renewTasks' as const, owner: this.id, leaseMs: LEASE_MS };
    const [held] = this.#outbox.now(write, { kind: 'reclaimTasks' });
    this.#actions.keepOnly(new Set(held?.ids ?? []));
  }

  #register(): void {
    const { identity, slots } = this.#options;
    const { pid } = process;
    const pidStart = pidStartOf(pid);
    const runner = {
      ...{ id: this.id, host: identity.host, bootId: identity.bootId, pid, pidStart, slots },
      ...{ running: this.#running, load: loadPerCpu() },
    };
    this.#outbox.now({ kind: 'putRunner', runner, leaseMs: LEASE_MS });
  }

  get #running(): number {
    return this.#actions.activities.reduce((sum, activity) => sum + activity.running, 0);
  }

  /** A runner of this host whose process is gone needs no waiting for its lease. */
  #buryDead(): void {
    const { identity, now } = this.#options;
    for (const runner of this.#store.read({ kind: 'runners' }).runners ?? []) {
      if (runner.id === this.id) continue;
      const isHere = runner.host === identity.host;
      const isGone = isHere ? !isAlive(runner) : runner.leaseUntil < now();
      if (!isGone) continue;
      // Its tasks are free at once; those that have had all their attempts have failed.
      this.#outbox.now({ kind: 'removeRunner', id: runner.id }, { kind: 'reclaimTasks' });
    }
  }

  #tellHost(activities: readonly RunActivity[]): void {
    const load = loadPerCpu();
    for (const activity of activities) {
      const others = activities.filter((other) => other !== activity);
      const busy = others.reduce((sum, other) => sum + other.running, 0);
      const slots = Math.max(0, this.#options.slots - busy);
      activity.host({ load, slots, exclusive: this.#runningElsewhere(activity) });
    }
  }

  /** Executions of other runs, whoever runs them. */
  #runningElsewhere({ runId }: RunActivity): readonly string[] {
    const runs = this.#store.read({ kind: 'runs' }).runs ?? [];
    const others = runs.filter(({ id, state }) => id !== runId && state === 'running');
    return others.flatMap(({ id }) =>
      (this.#store.read({ kind: 'tests', runId: id }).tests ?? [])
        .filter((test) => !test.isToplevel && isActive(test))
        .map(({ name, itemPath }) => idOf(name, itemPath)),
    );
  }

  /** What others have written about our executions. */
  #readNews(): void {
    this.#hasNews = false;
    const query = { kind: 'events' as const, runId: null, testId: null, limit: EVENTS_AT_ONCE };
    const events = this.#store.read({ ...query, since: this.#seenSeq }).events ?? [];
    this.#seenSeq = events.at(-1)?.seq ?? this.#seenSeq;
    this.#hasNews = events.length === EVENTS_AT_ONCE;
    const foreign = new Set(
      events.flatMap(({ kind, actor, testId }) =>
        kind === 'transition' && actor !== this.id && testId !== null ? [testId] : [],
      ),
    );
    for (const testId of foreign) {
      const row: TestRow | undefined = this.#store.read({ kind: 'test', testId }).tests?.[0];
      if (row === undefined) continue;
      for (const activity of this.#actions.activities) activity.changed(row);
    }
    this.#actions.turns.look();
  }

  #claim(): void {
    const task = this.#claimOne();
    if (task !== null) this.#begin(task);
  }

  #claimUntil(isWanted: (task: TaskRow) => boolean): void {
    for (let tries = 0; tries < ORPHANS_MAX; tries++) {
      const task = this.#claimOne();
      if (task !== null) this.#begin(task);
      if (task === null || isWanted(task)) return;
    }
  }

  #claimOne(): TaskRow | null {
    const claim = { kind: 'claimTask' as const, owner: this.id, leaseMs: LEASE_MS };
    const [answer] = this.#outbox.now({ ...claim, kinds: ['action'] });
    return answer?.task ?? null;
  }

  #begin(task: TaskRow): void {
    this.#actions.begin(task).catch(this.#options.onTrouble);
  }

  /** An execution is a task of its own: who has it, since when, for the how-manieth time. */
  #takeExec(testId: number): void {
    const task = {
      ...{ kind: 'exec' as const, action: 'exec' as const, runId: null, testId, args: null },
      ...{ priority: 0, attemptsMax: 1, notBefore: 0, dedupeKey: `exec:${testId}:${this.id}` },
      parentId: null,
    };
    const claim = {
      ...{ kind: 'claimTask' as const, owner: this.id, leaseMs: LEASE_MS },
      kinds: ['exec' as const],
    };
    const [put, first] = this.#outbox.now({ kind: 'putTask', task }, claim);
    const id = put?.id ?? 0;
    this.#execTasks.set(testId, id);
    let got = first?.task ?? null;
    for (let tries = 0; tries < ORPHANS_MAX && got !== null && got.id !== id; tries++) {
      // Left by a dead runner: its run goes on with tasks of its own.
      const result = { error: 'its runner died' };
      this.#outbox.add({
        kind: 'endTask',
        taskId: got.id,
        owner: this.id,
        state: 'failed',
        result,
      });
      got = this.#outbox.now(claim)[0]?.task ?? null;
    }
  }

  #endExec(testId: number, result: unknown): void {
    const taskId = this.#execTasks.get(testId);
    if (taskId === undefined) return;
    this.#execTasks.delete(testId);
    this.#outbox.add({ kind: 'endTask', taskId, owner: this.id, state: 'done', result });
  }
}

function loadPerCpu(): number {
  return (loadavg()[0] ?? 0) / availableParallelism();
}
