/**
 * Whose turn it is: asks the rules of the queue (`decide`) for every action that a runner has claimed, and holds those
 * back that wait for older ones. A task is `claimed` while it waits and `running` from its turn on, so whoever cancels
 * what is queued never cancels what has begun.
 */
import { TidelockError } from '../core/errors.ts';
import type { RunRow, TaskRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import { type Decision, decide, type OpenAction, openAction } from '../planner/tasks.ts';
import { mayPass, type Outbox } from './database/outbox.ts';

export type Go = Extract<Decision, { readonly kind: 'go' }>;

const FREE: Go = { kind: 'go', cancel: [], ends: [] };

type Waiting = {
  readonly action: OpenAction;
  readonly turn: PromiseWithResolvers<Go | null>;
  /** Some that it waits for are not claimed by anybody. */
  isForQueued: boolean;
};

export class Turns {
  readonly #store: RunStore;
  readonly #outbox: Outbox;
  readonly #owner: string;
  readonly #waiting = new Map<number, Waiting>();

  constructor(store: RunStore, outbox: Outbox, owner: string) {
    this.#store = store;
    this.#outbox = outbox;
    this.#owner = owner;
  }

  /** Actions that wait for others. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Somebody has to claim what they wait for. */
  get waitsForQueued(): boolean {
    return [...this.#waiting.values()].some(({ isForQueued }) => isForQueued);
  }

  /** Resolves when the action's turn has come; null: it was cancelled, or is somebody else's. Throws `RUN_LOCKED`. */
  async of(task: TaskRow): Promise<Go | null> {
    const [action] = openAction(task);
    if (action === undefined) return FREE;
    const turn = Promise.withResolvers<Go | null>();
    const waiting = { action, turn, isForQueued: false };
    this.#waiting.set(task.id, waiting);
    this.#look(waiting);
    return await turn.promise;
  }

  /**
   * What is still in the way of an action that has begun; queued actions that it undoes are cancelled. Empty: nothing is.
   */
  inTheWay(task: TaskRow): readonly number[] {
    const [action] = openAction(task);
    const decision = action === undefined ? FREE : this.#decisionOf(action).decision;
    const { cancel, ends } = decision.kind === 'go' ? decision : FREE;
    this.#cancel(cancel);
    return [...cancel, ...ends];
  }

  /** Looks again at all that wait. */
  look(): void {
    for (const waiting of this.#waiting.values()) this.#look(waiting);
  }

  /** Those that are not in `held` are not ours any more. */
  keepOnly(held: ReadonlySet<number>): void {
    for (const [id, { turn }] of this.#waiting) {
      if (held.has(id)) continue;
      this.#waiting.delete(id);
      turn.resolve(null);
    }
  }

  /** What waits is not to be done. */
  giveUp(): void {
    this.#cancel([...this.#waiting.keys()]);
    this.keepOnly(new Set());
  }

  #look(waiting: Waiting): void {
    const { action, turn } = waiting;
    try {
      const { decision, open } = this.#decisionOf(action);
      if (decision.kind === 'refuse') throw locked();
      if (decision.kind === 'wait') {
        waiting.isForQueued = open.some(
          ({ id, state }) => state === 'new' && decision.for.includes(id),
        );
        return;
      }
      const hasBegun = this.#begins(action, decision);
      this.#waiting.delete(action.id);
      turn.resolve(hasBegun ? decision : null);
    } catch (error) {
      if (mayPass(error)) return; // it is looked at again
      this.#waiting.delete(action.id);
      turn.reject(error);
    }
  }

  #decisionOf(action: OpenAction): { readonly decision: Decision; readonly open: OpenAction[] } {
    const { target, name } = action;
    const { tasks = [] } = this.#store.read({ kind: 'openActions', target, name });
    const open = tasks.flatMap(openAction);
    return { decision: decide(action, open, runOf(this.#store, action)), open };
  }

  /** False: it was cancelled while it waited. */
  #begins({ id }: OpenAction, { cancel }: Go): boolean {
    const begin = { kind: 'endTask' as const, taskId: id, owner: this.#owner, result: null };
    const [begun] = this.#outbox.now({ ...begin, state: 'running' });
    if (begun?.isDone === true) this.#cancel(cancel);
    return begun?.isDone === true;
  }

  #cancel(ids: readonly number[]): void {
    if (ids.length === 0) return;
    this.#outbox.now({ kind: 'cancelTasks', ids, cause: 'its run is removed' });
  }
}

/** The run of a target and name; null: there is none. */
export function runOf(
  store: Pick<RunStore, 'read'>,
  { target, name }: Pick<OpenAction, 'target' | 'name'>,
): RunRow | null {
  const { runs = [] } = store.read({ kind: 'runs' });
  return runs.find((run) => run.target === target && run.name === name) ?? null;
}

function locked(): TidelockError {
  return new TidelockError({
    code: 'RUN_LOCKED',
    message: 'the run is locked: nothing of it is started, changed or removed',
    hint: 'unlock it with: tidelock runs unlock',
  });
}
