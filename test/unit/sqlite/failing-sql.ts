/** A SQLite connection whose n-th call fails, the way a full disk makes it fail. */
import type { Sql } from '../../../src/sqlite/sql.ts';

const COUNTED = new Set(['run', 'get', 'all', 'iterate']);

export class FailingSql {
  readonly sql: Sql;
  #callsLeft = Number.POSITIVE_INFINITY;

  constructor(real: Sql) {
    const count = (): void => this.#count();
    this.sql = {
      get isTransaction() {
        return real.isTransaction;
      },
      exec(text: string) {
        // SQLite gives up a transaction without needing anything that could be missing.
        if (text !== 'ROLLBACK') count();
        // These files need not survive a crash of the machine, and hundreds of them are made.
        real.exec(text.startsWith('PRAGMA synchronous') ? 'PRAGMA synchronous = OFF' : text);
      },
      prepare(text: string) {
        const statement = real.prepare(text);
        return new Proxy(statement, {
          get(target, name) {
            const value: unknown = Reflect.get(target, name);
            if (typeof value !== 'function') return value;
            return (...parameters: unknown[]) => {
              if (COUNTED.has(String(name))) count();
              return Reflect.apply(value, target, parameters);
            };
          },
        });
      },
      close() {
        real.close();
      },
    };
  }

  /** The n-th call from now fails, and those after it work again. 0: none fails. */
  failAt(call: number): void {
    this.#callsLeft = call === 0 ? Number.POSITIVE_INFINITY : call;
  }

  /** True when the call that was to fail was never made. */
  get isWaiting(): boolean {
    return Number.isFinite(this.#callsLeft) && this.#callsLeft > 0;
  }

  #count(): void {
    this.#callsLeft -= 1;
    if (this.#callsLeft !== 0) return;
    this.#callsLeft = Number.POSITIVE_INFINITY;
    const error = new Error('database or disk is full');
    throw Object.assign(error, { code: 'ERR_SQLITE_ERROR', errcode: 13 });
  }
}
