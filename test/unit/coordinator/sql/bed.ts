/** The coordinator with the real worker in memory, everything handed on at once unless a test holds it. */

import { printAnswers } from '../../../../src/bench/coordtest/print.ts';
import { PROFILES } from '../../../../src/bench/coordtest/profiles.ts';
import { type Answers, CoordtestSystem } from '../../../../src/bench/coordtest/system.ts';
import { sqlWorker } from '../../../../src/bench/coordtest/worker.ts';
import { SQL_PROFILES } from '../../../../src/coordinator/sql/profiles.ts';
import type { SqlOptions } from '../../../../src/coordinator/sql/types.ts';
import { assert } from '../../../../src/core/assert.ts';
import { parseBatch } from '../../../../src/sql/parse/batch.ts';

const ROUNDS_MAX = 100;

export class Bed {
  readonly system: CoordtestSystem;
  readonly #sessions = new Map<string, Answers>();
  readonly #read = new Map<string, number>();

  constructor(options: Partial<SqlOptions> = {}) {
    this.system = new CoordtestSystem({ ...SQL_PROFILES.ours, ...options }, sqlWorker);
  }

  /** Runs a batch, hands on what the worker tells, and gives what is new for the session. */
  run(sql: string, session = 'main'): string {
    this.start(sql, session);
    this.settle();
    return this.output(session);
  }

  start(sql: string, session = 'main'): void {
    const { connection } = this.session(session);
    this.system.do({ kind: 'run', connection, statements: parseBatch(sql) });
  }

  /** What the session was told since the last time, printed. */
  output(name = 'main'): string {
    const { effects } = this.session(name);
    const from = this.#read.get(name) ?? 0;
    this.#read.set(name, effects.length);
    const profile = PROFILES.plain;
    assert(profile !== undefined, 'there is a plain profile');
    return printAnswers(effects.slice(from), profile).trimEnd();
  }

  isBusy(name = 'main'): boolean {
    return !this.session(name).isReady;
  }

  settle(): void {
    for (let round = 0; round < ROUNDS_MAX && this.system.pending.length > 0; round++) {
      this.system.deliver(() => true);
    }
    assert(this.system.pending.length === 0, 'the worker comes to rest');
  }

  session(name: string): Answers {
    const found = this.#sessions.get(name) ?? this.system.open();
    this.#sessions.set(name, found);
    return found;
  }

  cancel(name: string): void {
    const { connection, secret } = this.session(name);
    this.system.do({ kind: 'cancel', connection, secret });
  }

  leave(name: string): void {
    this.system.close(this.session(name));
    this.#sessions.delete(name);
  }

  /** `[since, upper)` of items by name. */
  front(name: string): string {
    const { catalog, fronts } = this.system.state;
    const item = [...catalog.items.values()].find(({ at }) => at.name === name);
    const front = fronts.get(item?.id ?? '');
    return `[${front?.since}, ${front?.upper})`;
  }
}
