/**
 * A coordinator and its worker, with what the worker tells held in a queue: whoever runs this decides what the
 * coordinator hears and when. The clock is a number. Everything that happens is logged, so that two runs can be
 * compared.
 */

import { checkInvariants } from '../../coordinator/sql/invariants.ts';
import { step } from '../../coordinator/sql/machine.ts';
import { newSqlCoordinator, type SqlCoordinator } from '../../coordinator/sql/state.ts';
import type { SqlEffect, SqlEvent, SqlOptions } from '../../coordinator/sql/types.ts';
import type { WorkerCommand, WorkerFeedback } from '../../coordinator/sql/worker.ts';
import { readHeader } from '../../engine/sql/file-header.ts';
import type { ItemId } from '../../sql/types.ts';

/** Events of one script. */
const EVENTS_MAX = 1_000_000;

export type Worker = {
  handle(command: WorkerCommand): void;
  /** The clock has moved: files are looked at. */
  tick(now: number): void;
  close(): void;
};

/** What a worker is made with. */
export type MakeWorker = (tell: (feedback: WorkerFeedback) => void) => Worker;

/** What a session was answered so far. */
export type Answers = {
  readonly connection: number;
  readonly secret: number;
  readonly effects: SqlEffect[];
  isReady: boolean;
};

export class CoordtestSystem {
  readonly state: SqlCoordinator;
  readonly log: string[] = [];
  readonly #worker: Worker;
  readonly #step: typeof step;
  /** Told by the worker, not yet heard by the coordinator; oldest first. */
  #queue: WorkerFeedback[] = [];
  /** What is not held back: answers to questions of the coordinator's own. */
  readonly #urgent: SqlEvent[] = [];
  readonly #answers = new Map<number, Answers>();
  /** Items whose uppers the script tells itself. */
  readonly #injected = new Map<ItemId, number>();
  #connections = 0;
  #now = 0;

  constructor(options: SqlOptions, makeWorker: MakeWorker, machine: typeof step = step) {
    this.state = newSqlCoordinator(options);
    this.#step = machine;
    this.#worker = makeWorker((feedback) => this.#told(feedback));
  }

  get now(): number {
    return this.#now;
  }

  get pending(): readonly WorkerFeedback[] {
    return this.#queue;
  }

  open(): Answers {
    this.#connections += 1;
    const connection = this.#connections;
    // Any number that is not the connection's own.
    const answers = { connection, secret: connection + 1000, effects: [], isReady: true };
    this.#answers.set(connection, answers);
    this.do({ kind: 'connect', connection, secret: answers.secret });
    return answers;
  }

  close({ connection }: Answers): void {
    this.do({ kind: 'disconnect', connection });
    this.#answers.delete(connection);
  }

  addTime(ms: number): void {
    this.#now += ms;
    this.do({ kind: 'clock', now: this.#now });
    this.#worker.tick(this.#now);
    this.#deliverUrgent();
  }

  /** One event and everything that follows from it at once. */
  do(event: SqlEvent): void {
    this.#perform(event);
    this.#deliverUrgent();
  }

  /** Hands on what `isWanted` says, of what is in the queue now; of the rest nothing is lost. */
  deliver(isWanted: (feedback: WorkerFeedback) => boolean): void {
    const present = this.#queue;
    this.#queue = [];
    const kept: WorkerFeedback[] = [];
    for (const feedback of present) {
      if (isWanted(feedback)) this.do({ kind: 'feedback', feedback });
      else kept.push(feedback);
    }
    this.#queue = [...kept, ...this.#queue];
  }

  /** Everything but uppers of `held`, which stay in the queue. */
  deliverExcept(held: ReadonlySet<ItemId>): void {
    this.#queue = this.#queue.flatMap((feedback) => split(feedback, held));
    this.deliver(
      (feedback) => feedback.kind !== 'uppers' || !feedback.uppers.some(({ id }) => held.has(id)),
    );
  }

  /** Tells an upper in the worker's place, from now on instead of it. Returns the last one told so, or 0. */
  inject(id: ItemId, upper: number): number {
    const before = this.#injected.get(id) ?? 0;
    this.#injected.set(id, Math.max(before, upper));
    this.#queue = this.#queue.flatMap((feedback) => this.#withoutInjected(feedback));
    if (upper > before)
      this.do({ kind: 'feedback', feedback: { kind: 'uppers', uppers: [{ id, upper }] } });
    return before;
  }

  dispose(): void {
    this.#worker.close();
  }

  #perform(event: SqlEvent): void {
    if (this.log.length > EVENTS_MAX) throw new Error(`the script made ${EVENTS_MAX} events`);
    const effects = this.#step(this.state, event);
    checkInvariants(this.state);
    this.log.push(logLine({ event, effects }));
    if (event.kind === 'run') this.#setReady(event.connection, false);
    for (const effect of effects) this.#performEffect(effect);
  }

  #performEffect(effect: SqlEffect): void {
    if (effect.kind === 'worker') {
      this.#worker.handle(effect.command);
      return;
    }
    if (effect.kind === 'setTimer') return;
    if (effect.kind === 'readHeader') {
      const { connection, path } = effect;
      this.#urgent.push({ kind: 'headerRead', connection, result: readHeader(path) });
      return;
    }
    this.#answers.get(effect.connection)?.effects.push(effect);
    if (effect.kind === 'ready') this.#setReady(effect.connection, true);
  }

  #setReady(connection: number, isReady: boolean): void {
    const answers = this.#answers.get(connection);
    if (answers !== undefined) answers.isReady = isReady;
  }

  /** That a sink is open is no news of the data; everything else passes through the queue. */
  #told(feedback: WorkerFeedback): void {
    const isUrgent = feedback.kind === 'sinkReady' || feedback.kind === 'failed';
    if (isUrgent) this.#urgent.push({ kind: 'feedback', feedback });
    else this.#queue.push(...this.#withoutInjected(feedback));
  }

  #deliverUrgent(): void {
    for (let next = this.#urgent.shift(); next !== undefined; next = this.#urgent.shift()) {
      this.#perform(next);
    }
  }

  #withoutInjected(feedback: WorkerFeedback): readonly WorkerFeedback[] {
    if (feedback.kind !== 'uppers' || this.#injected.size === 0) return [feedback];
    const uppers = feedback.uppers.filter(({ id }) => !this.#injected.has(id));
    return uppers.length === 0 ? [] : [{ kind: 'uppers', uppers }];
  }
}

/** A message about held and other items becomes two. */
function split(feedback: WorkerFeedback, held: ReadonlySet<ItemId>): readonly WorkerFeedback[] {
  if (feedback.kind !== 'uppers') return [feedback];
  const kept = feedback.uppers.filter(({ id }) => held.has(id));
  const passed = feedback.uppers.filter(({ id }) => !held.has(id));
  return [passed, kept]
    .filter((uppers) => uppers.length > 0)
    .map((uppers) => ({ kind: 'uppers', uppers }));
}

function logLine(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'bigint' ? `${part}n` : part,
  );
}
