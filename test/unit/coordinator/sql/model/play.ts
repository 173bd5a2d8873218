/**
 * Plays a story: clients, a worker whose messages are handed on in any interleaving, a clock. Everything that a client can see is
 * held against what the worker has: rows are those of their time, and times keep the order in which clients saw them.
 */
import { checkInvariants } from '../../../../../src/coordinator/sql/invariants.ts';
import { step } from '../../../../../src/coordinator/sql/machine.ts';
import { SQL_PROFILES } from '../../../../../src/coordinator/sql/profiles.ts';
import {
  LOCAL_TIMELINE,
  newSqlCoordinator,
  type SqlCoordinator,
} from '../../../../../src/coordinator/sql/state.ts';
import type { SqlEffect, SqlEvent, SqlOptions } from '../../../../../src/coordinator/sql/types.ts';
import type { WorkerFeedback } from '../../../../../src/coordinator/sql/worker.ts';
import { assert } from '../../../../../src/core/assert.ts';
import { parseBatch } from '../../../../../src/sql/parse/batch.ts';
import type { Statement } from '../../../../../src/sql/statement.ts';
import { SmallWorker } from './small-worker.ts';

export type Action =
  | { readonly kind: 'run'; readonly client: number; readonly sql: string }
  /** Each by another client, nothing between them. */
  | { readonly kind: 'runAll'; readonly client: number; readonly sqls: readonly string[] }
  | { readonly kind: 'cancel'; readonly client: number; readonly isRight: boolean }
  | { readonly kind: 'leave'; readonly client: number }
  | { readonly kind: 'uppers'; readonly count: number }
  | { readonly kind: 'answer'; readonly which: number }
  | { readonly kind: 'grow'; readonly which: number; readonly by: number }
  | { readonly kind: 'clock'; readonly by: number };

export type Step = typeof step;

const read = new Map<string, readonly Statement[]>();

function readOnce(sql: string): readonly Statement[] {
  const known = read.get(sql) ?? parseBatch(sql);
  read.set(sql, known);
  return known;
}

/** What a client waits for. */
type Client = {
  readonly connection: number;
  isBusy: boolean;
  sql: string;
  /** The latest time that anybody had been told when the batch began. */
  floor: number;
};

const SECRET = 7;

/** Ours, and compaction has something to do. */
export const MODEL_OPTIONS: SqlOptions = { ...SQL_PROFILES.ours, windowMs: 3 };

export class Play {
  readonly state: SqlCoordinator;
  readonly worker = new SmallWorker();
  readonly seen = new Map<string, number>();
  readonly #step: Step;
  readonly #clients = new Map<number, Client>();
  #connections = 0;
  #now = 0;
  /** The latest time in any answer. */
  #told = 0;
  #lastWrite = 0;

  constructor(machine: Step = step, options: SqlOptions = MODEL_OPTIONS) {
    this.#step = machine;
    this.state = newSqlCoordinator(options);
  }

  /** Statements that end at once, one after the other. */
  open(statements: readonly string[]): void {
    for (const sql of statements) this.do({ kind: 'run', client: 0, sql });
  }

  do(action: Action): void {
    switch (action.kind) {
      case 'run':
        this.#run(action);
        break;
      case 'runAll':
        for (const [index, sql] of action.sqls.entries()) {
          this.#run({ kind: 'run', client: (action.client + index) % 4, sql });
        }
        break;
      case 'cancel':
        this.#cancel(action);
        break;
      case 'leave':
        this.#leave(action.client);
        break;
      case 'uppers':
        for (let count = 0; count < action.count; count++) this.#handOn(this.worker.uppers, 0);
        break;
      case 'answer':
        this.#handOn(this.worker.answers, action.which);
        break;
      case 'grow':
        this.#grow(action.which, action.by);
        break;
      case 'clock':
        this.#now += action.by;
        this.#event({ kind: 'clock', now: this.#now });
        break;
    }
  }

  /** Hands everything on, ends all sessions: nothing may be left over. */
  end(): void {
    this.#catchUp();
    for (let round = 0; round < 1000 && this.#hasMessages(); round++) {
      this.do({ kind: 'uppers', count: 1 });
      this.do({ kind: 'answer', which: 0 });
    }
    assert(!this.#hasMessages(), 'messages come to an end');
    for (const [client, { isBusy, sql }] of [...this.#clients]) {
      const mayWait = /SUBSCRIBE|AS OF|FETCH/.test(sql);
      assert(!isBusy || mayWait, `client ${client} was answered: ${sql}`);
      this.#leave(client);
    }
    const { peeks, subscriptions, lock, holds, sessions } = this.state;
    assert(peeks.size === 0 && subscriptions.size === 0 && sessions.size === 0, 'all has ended');
    assert(lock.owner === null && lock.queue.length === 0, 'the lock is free');
    const left = [...holds.keys()].filter((name) => !/^(sink|input):/.test(name));
    assert(left.length === 0, `holds are given back: ${left.join(', ')}`);
  }

  /** Sources come to where the oracle is: strict reads of them wait for that. */
  #catchUp(): void {
    const oracle = this.state.oracles.get(LOCAL_TIMELINE) ?? 0;
    for (const id of this.worker.sources()) {
      const upper = this.worker.collections.get(id)?.upper ?? 0;
      this.worker.grow(id, upper, Math.max(upper, oracle) + 100);
    }
  }

  #hasMessages(): boolean {
    return this.worker.uppers.length + this.worker.answers.length > 0;
  }

  #run({ client, sql }: Action & { readonly kind: 'run' }): void {
    const one = this.#clients.get(client) ?? this.#join(client);
    if (one.isBusy) return;
    one.isBusy = true;
    one.sql = sql;
    one.floor = this.#told;
    const { connection } = one;
    this.#event({ kind: 'run', connection, statements: readOnce(sql) });
  }

  #join(client: number): Client {
    this.#connections += 1;
    const one = { connection: this.#connections, isBusy: false, sql: '', floor: 0 };
    this.#clients.set(client, one);
    this.#event({ kind: 'connect', connection: one.connection, secret: SECRET });
    return one;
  }

  #cancel({ client, isRight }: Action & { readonly kind: 'cancel' }): void {
    const one = this.#clients.get(client);
    if (one === undefined) return;
    const secret = isRight ? SECRET : SECRET + 1;
    const effects = this.#event({ kind: 'cancel', connection: one.connection, secret });
    assert(isRight || effects.length === 0, 'P: a wrong secret does nothing');
  }

  #leave(client: number): void {
    const one = this.#clients.get(client);
    if (one === undefined) return;
    this.#clients.delete(client);
    this.#event({ kind: 'disconnect', connection: one.connection });
  }

  #handOn(queue: SmallWorker['uppers'], which: number): void {
    const chosen = queue[which % Math.max(1, queue.length)];
    if (chosen === undefined) return;
    // What is told of one subscription comes in order.
    const isNext = (one: WorkerFeedback) =>
      one === chosen ||
      (one.kind === 'subscribed' &&
        chosen.kind === 'subscribed' &&
        one.subscription === chosen.subscription);
    const [feedback] = queue.splice(queue.findIndex(isNext), 1);
    if (feedback !== undefined) this.#event({ kind: 'feedback', feedback });
  }

  #grow(which: number, by: number): void {
    const sources = this.worker.sources();
    const id = sources[which % Math.max(1, sources.length)];
    if (id === undefined) return;
    const upper = this.worker.collections.get(id)?.upper ?? 0;
    this.worker.grow(id, upper, upper + by);
  }

  #event(event: SqlEvent): readonly SqlEffect[] {
    const effects = this.#step(this.state, event);
    checkInvariants(this.state);
    for (const effect of effects) this.#perform(effect);
    return effects;
  }

  #perform(effect: SqlEffect): void {
    this.seen.set(effect.kind, (this.seen.get(effect.kind) ?? 0) + 1);
    if (effect.kind === 'worker') this.#command(effect);
    else if (effect.kind === 'respond') this.#responded(effect);
    else if (effect.kind === 'ready') this.#ready(effect.connection);
  }

  #command({ command }: SqlEffect & { readonly kind: 'worker' }): void {
    if (command.kind === 'insert') {
      assert(command.time > this.#lastWrite, 'P: each write has a time of its own');
      assert(command.time > this.#told, `P: a write at ${command.time} after ${this.#told}`);
      this.#lastWrite = command.time;
      this.#checkCopies(command);
    }
    this.worker.handle(command);
  }

  /** Rows made by INSERT ... SELECT say how many rows there were: as many as there still are. */
  #checkCopies({
    updates,
    time,
  }: Extract<SqlEffect, { kind: 'worker' }>['command'] & { kind: 'insert' }): void {
    for (const { id, deltas } of updates) {
      for (const { row } of deltas) {
        const [value] = row;
        if (typeof value !== 'number' || value < 0) continue;
        const name = [...this.state.catalog.items.values()].find(
          (item) => item.at.name === 'a',
        )?.id;
        if (name === undefined || name === id) continue;
        const count = this.worker.count(name, time);
        assert(value === count, `P: ${value} rows were read, there are ${count} at the write`);
      }
    }
  }

  #responded({ connection, response }: SqlEffect & { readonly kind: 'respond' }): void {
    const client = this.#clientOf(connection);
    if (client === undefined) return;
    this.seen.set(response.kind, (this.seen.get(response.kind) ?? 0) + 1);
    if (response.kind === 'inserted') this.#told = Math.max(this.#told, this.#lastWrite);
    if (response.kind !== 'rows' || response.time === null || client.sql.includes('AS OF')) return;
    if (response.time === Number.MAX_SAFE_INTEGER) return;
    const isStrict = this.state.sessions.get(connection)?.isolation === 'strict';
    const isFirst =
      !client.sql.includes(';') && this.state.sessions.get(connection)?.transaction === null;
    if (isStrict && isFirst) {
      assert(
        response.time >= client.floor,
        `P: told ${client.floor}, then read at ${response.time}`,
      );
    }
    this.#told = Math.max(this.#told, response.time);
  }

  #ready(connection: number): void {
    const client = this.#clientOf(connection);
    if (client === undefined) return;
    assert(client.isBusy, 'P: a batch ends once');
    client.isBusy = false;
  }

  #clientOf(connection: number): Client | undefined {
    return [...this.#clients.values()].find((client) => client.connection === connection);
  }
}
