/**
 * A seeded workload of everything that happens to tables: inserts, updates, deletes, rows that move between
 * selectors, transfers over two tables, large transactions, rolled back ones, added columns; and one
 * transaction that is open all the while and commits last though it began first.
 */
import type pg from 'pg';
import type { SeededRandom } from '../../src/bench/random.ts';

export const COUNTRIES = ['FR', 'DE', 'IT'];
const CITIES = 120;
const ACCOUNTS = 12;
/** Accounts and reserves hold this together, at every position. */
export const TOTAL = ACCOUNTS * 2 * 100;
/** Large enough for several pieces under a work memory of 64 kB. */
const LARGE_ROWS = 1500;
const LARGE_ID_MIN = 1_000_000;

/** Transactions above 64 kB are sent while they are open; writers that wait for each other wait briefly. */
export const WORKLOAD_SCHEMA = `
  DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET logical_decoding_work_mem = ''64kB''', current_database());
    EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''20ms''', current_database());
  END $$;
  CREATE TABLE city (id int PRIMARY KEY, name text, country text, people bigint NOT NULL);
  ALTER TABLE city REPLICA IDENTITY FULL;
  CREATE TABLE account (id int PRIMARY KEY, country text, balance int NOT NULL);
  ALTER TABLE account REPLICA IDENTITY FULL;
  CREATE TABLE reserve (id int PRIMARY KEY, country text, balance int NOT NULL);
  ALTER TABLE reserve REPLICA IDENTITY FULL;
  CREATE TABLE kind (code text PRIMARY KEY, label text);
  CREATE TABLE unpublished (id int);
  INSERT INTO city SELECT g, 'city ' || g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], 0 FROM generate_series(1, ${CITIES}) g;
  INSERT INTO account SELECT g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], 100 FROM generate_series(1, ${ACCOUNTS}) g;
  INSERT INTO reserve SELECT g, (ARRAY['FR', 'DE', 'IT'])[1 + g % 3], 100 FROM generate_series(1, ${ACCOUNTS}) g;
  INSERT INTO kind VALUES ('a', 'first'), ('b', NULL);
`;

export const WORKLOAD_TABLES: Readonly<Record<string, string>> = {
  'public.city': 'country',
  'public.account': 'country',
  'public.reserve': 'country',
  'public.kind': '*',
};

/** Small enough that the large transactions are staged in several pieces. */
export const WORKLOAD_LIMITS = { groupBytesMax: 16 * 1024, partBytesMax: 16 * 1024 };

export type Clients = {
  readonly writer: pg.Client;
  /** Holds a transaction open meanwhile. */
  readonly other: pg.Client;
};

export class Workload {
  readonly #random: SeededRandom;
  #nextId: number;
  #columns = 0;

  /** Writers at the same time need ids of their own: `firstId` on, 20,000 of them. */
  constructor(random: SeededRandom, firstId = 1000) {
    this.#random = random;
    this.#nextId = firstId;
  }

  /** Everything once or more, in seeded order. */
  async round({ writer, other }: Clients): Promise<void> {
    const random = this.#random;
    await other.query(`BEGIN; ${this.#transfer(ACCOUNTS, ACCOUNTS)}`);
    for (const sql of this.#shuffled(this.#steps())) await writer.query(sql);
    await other.query(random.next() < 0.5 ? 'COMMIT' : 'ROLLBACK');
    await writer.query(`DELETE FROM city WHERE id >= ${LARGE_ID_MIN}`);
  }

  /** One small transaction, for loops. */
  step(): string {
    const { insert, update, remove, move } = this.#small();
    return this.#random.pick([insert, update, remove, move, this.#committed(this.#pair())])();
  }

  addColumn(): string {
    this.#columns += 1;
    return `ALTER TABLE city ADD COLUMN c${this.#columns} int DEFAULT ${this.#columns}`;
  }

  #steps(): string[] {
    const { insert, update, remove, move } = this.#small();
    const pair = (): string => this.#pair();
    return [
      ...[insert(), insert(), update(), update(), update(), remove(), move(), move()],
      ...[this.#committed(pair())(), this.#committed(pair())(), this.#committed(pair())()],
      `BEGIN; ${insert()}; ${pair()}; ROLLBACK`,
      `BEGIN; ${insert()}; SAVEPOINT s; ${update()}; ${insert()}; ROLLBACK TO s; ${move()}; COMMIT`,
      `BEGIN; ${this.large()}; ${pair()}; SAVEPOINT s; ${this.large()}; ROLLBACK TO s; COMMIT`,
      `BEGIN; ${this.large()}; ${pair()}; ROLLBACK`,
      `INSERT INTO kind VALUES ('k${this.#id()}', 'l'); UPDATE kind SET label = coalesce(label, '') || '.' WHERE code = 'b'`,
      'INSERT INTO unpublished SELECT generate_series(1, 50)',
      this.addColumn(),
    ];
  }

  #small(): Record<'insert' | 'update' | 'remove' | 'move', () => string> {
    const random = this.#random;
    const city = (): number => random.between(1, CITIES);
    return {
      insert: () =>
        `INSERT INTO city (id, name, country, people) SELECT g, 'new ' || g, '${random.pick(COUNTRIES)}', 1 FROM generate_series(${this.#id()}, ${this.#id()}) g`,
      update: () =>
        `UPDATE city SET people = people + 1 WHERE id BETWEEN ${city()} AND ${city()} OR id = ${city()}`,
      remove: () => `DELETE FROM city WHERE id IN (${city()}, ${this.#nextId - 2})`,
      move: () =>
        `UPDATE city SET country = '${random.pick(COUNTRIES)}', people = people + 1 WHERE id % 17 = ${random.between(0, 16)}`,
    };
  }

  /** Statements of a transfer between two tables. The last account is left to the open transaction. */
  #pair(): string {
    const random = this.#random;
    return this.#transfer(random.between(1, ACCOUNTS - 1), random.between(1, ACCOUNTS - 1));
  }

  #transfer(from: number, to: number): string {
    const amount = this.#random.between(-9, 9);
    return `UPDATE account SET balance = balance - ${amount} WHERE id = ${from}; UPDATE reserve SET balance = balance + ${amount} WHERE id = ${to}`;
  }

  #committed(statements: string): () => string {
    return () => `BEGIN; ${statements}; COMMIT`;
  }

  /** A large transaction; the rows of earlier ones go. */
  largeStep(): string {
    return `BEGIN; DELETE FROM city WHERE id >= ${LARGE_ID_MIN}; ${this.large()}; COMMIT`;
  }

  /** Rows that do not fit into one piece. */
  large(): string {
    const from = LARGE_ID_MIN + this.#id() * 2000;
    const country = this.#random.pick(COUNTRIES);
    return `INSERT INTO city (id, name, country, people) SELECT g, repeat('x', 60), '${country}', g FROM generate_series(${from}, ${from + LARGE_ROWS}) g`;
  }

  #id(): number {
    this.#nextId += 1;
    return this.#nextId;
  }

  #shuffled(list: string[]): string[] {
    for (let last = list.length - 1; last > 0; last -= 1) {
      const other = this.#random.between(0, last);
      const [a = '', b = ''] = [list[last], list[other]];
      [list[last], list[other]] = [b, a];
    }
    return list;
  }
}
