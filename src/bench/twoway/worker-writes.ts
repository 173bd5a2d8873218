/** What a database writes in each step, drawn from the seed, in plain SQL. */
import { quoteName } from '../../core/table.ts';
import type { Sql } from '../../sqlite/sql.ts';
import { SeededRandom } from '../random.ts';
import type { Column, HistoryLine, Part } from './history.ts';
import { userId, usersOf } from './options.ts';
import { Gathering, NOBODY, type Range, rangesOf, type Shown, stampOf, writeOf } from './rows.ts';
import { canaryOf, TREASURES, treasureOf } from './setup.ts';
import type { Step } from './steps.ts';
import { fillerOf, type RunTable } from './table.ts';
import type { WorkerSettings } from './worker-news.ts';

type Db = Pick<Sql, 'prepare'>;
type Operation = (HistoryLine & { readonly k: 'write' })['operation'];

/** A write that is ready: what it is, for the history, and how it is done. */
type Ready = { readonly parts: readonly Part[]; readonly run: (db: Db) => number };
/** Called inside the local transaction, with what is shown there. */
export type WritePlan = (write: number, shown: Shown) => Ready;

/** So many writes of a database have numbers of their own, in each of its lives. */
const WRITES_PER_DATABASE = 10_000_000;
const WRITES_PER_LIFE = 100_000;

/** Shares of the shared keys that a step of the conflict workload is about. */
const DELETED = 0.3;
const REPLACED = 0.2;
const INSERTED = 0.7;
const UPDATED = 0.6;

export class WorkerWrites {
  readonly #settings: WorkerSettings;
  #count = 0;

  constructor(settings: WorkerSettings) {
    this.#settings = settings;
  }

  /** The next write's number, unique in the run. */
  number(): number {
    this.#count += 1;
    const { database, life } = this.#settings;
    return database * WRITES_PER_DATABASE + life * WRITES_PER_LIFE + this.#count;
  }

  operationOf({ name }: Step): Operation {
    return name === 'send' || name === 'check' ? 'update' : name;
  }

  /** One for each local transaction of the step. */
  plans(step: Step): readonly WritePlan[] {
    const { workload } = this.#settings;
    if (step.name === 'trespass') return this.#trespasses(step);
    const ofWorkload = workload === 'cycle' ? this.#cycle(step) : this.#conflict(step);
    return [ofWorkload];
  }

  #cycle({ name, iteration }: Step): WritePlan {
    const { rows, database } = this.#settings;
    if (name === 'delete') return (_, shown) => this.#deleteAll(shown);
    if (name === 'update') return (write, shown) => this.#updateAll(write, shown);
    const batch = `db${database}_r${iteration}_`;
    return (write) => {
      const keys = Array.from({ length: rows }, (_, place) => `${batch}${place}`);
      return this.#insert(write, keys, { canReplace: false });
    };
  }

  #deleteAll(shown: Shown): Ready {
    const { table } = this.#settings;
    return {
      parts: [{ kind: 'delete', columns: [], rows: allRows(shown) }],
      run: (db) => changesOf(db.prepare(`DELETE FROM ${quoteName(table.local)}`).run()),
    };
  }

  #updateAll(write: number, shown: Shown): Ready {
    const { set, values } = this.#assignments(write, ['text', 'number']);
    const { table } = this.#settings;
    return {
      parts: [{ kind: 'update', columns: ['text', 'number'], rows: allRows(shown) }],
      run: (db) =>
        changesOf(db.prepare(`UPDATE ${quoteName(table.local)} SET ${set}`).run(...values)),
    };
  }

  /** All databases of a user (or of all) write the same few keys. */
  #conflict({ name, index }: Step): WritePlan {
    const { rows, user, seed, database } = this.#settings;
    const keys = Array.from(
      { length: rows },
      (_, place) => `${user === null ? 'k' : `u${user}k`}_${place}`,
    );
    return (write, shown) => {
      const random = new SeededRandom(seed ^ (database * 7919) ^ (index * 104_729));
      const alive = new Set(keysOf(shown));
      const some = (list: readonly string[], share: number): readonly string[] =>
        list.filter(() => random.next() < share);
      const present = keys.filter((key) => alive.has(key));
      if (name === 'delete') return this.#delete(some(present, DELETED));
      if (name === 'update') return this.#update(write, some(present, UPDATED), random);
      const absent = keys.filter((key) => !alive.has(key));
      const chosen = [...some(absent, INSERTED), ...some(present, REPLACED)];
      return this.#insert(write, chosen, { canReplace: true });
    };
  }

  #delete(keys: readonly string[]): Ready {
    const { table } = this.#settings;
    return {
      parts: [{ kind: 'delete', columns: [], rows: rowsOf(keys) }],
      run: (db) => {
        const sql = `DELETE FROM ${quoteName(table.local)} WHERE ${quoteName(table.key)} = ?`;
        const statement = db.prepare(sql);
        return sum(keys.map((key) => changesOf(statement.run(key))));
      },
    };
  }

  /** Each row in its text, its number, or both. */
  #update(write: number, keys: readonly string[], random: SeededRandom): Ready {
    const choices: readonly (readonly Column[])[] = [['text'], ['number'], ['text', 'number']];
    const groups = choices.map((columns) => ({ columns, keys: [] as string[] }));
    for (const key of keys) random.pick(groups).keys.push(key);
    const chosen = groups.filter((group) => group.keys.length > 0);
    const { table } = this.#settings;
    return {
      parts: chosen.map(({ columns, keys: own }) => ({
        kind: 'update',
        columns,
        rows: rowsOf(own),
      })),
      run: (db) =>
        sum(
          chosen.flatMap(({ columns, keys: own }) => {
            const { set, values } = this.#assignments(write, columns);
            const sql = `UPDATE ${quoteName(table.local)} SET ${set} WHERE ${quoteName(table.key)} = ?`;
            const statement = db.prepare(sql);
            return own.map((key) => changesOf(statement.run(...values, key)));
          }),
        ),
    };
  }

  #insert(write: number, keys: readonly string[], how: { readonly canReplace: boolean }): Ready {
    const { table, user } = this.#settings;
    const owner = user === null ? '' : userId(user);
    const verb = how.canReplace ? 'INSERT OR REPLACE' : 'INSERT';
    const names = table.columns.map(({ name }) => quoteName(name)).join(', ');
    const sql = `${verb} INTO ${quoteName(table.local)} (${names}) VALUES (${table.columns.map(() => '?').join(', ')})`;
    return {
      parts: [{ kind: 'insert', columns: ['text', 'number'], rows: rowsOf(keys) }],
      run: (db) => {
        const statement = db.prepare(sql);
        for (const key of keys) statement.run(...this.#values(write, key, owner));
        return keys.length;
      },
    };
  }

  /** What the rules forbid: a row for somebody else, a row given away, somebody else's key. */
  #trespasses({ iteration }: Step): readonly WritePlan[] {
    const { user, databases, database } = this.#settings;
    const other = usersOf(databases).find((one) => one !== user);
    if (other === undefined || user === null) return [];
    const given = (write: number, shown: Shown): Ready => {
      const [key] = keysOf(shown);
      if (key === undefined) return { parts: [], run: () => 0 };
      return this.#giveAway(write, key, userId(other));
    };
    return [
      (write) => this.#forge(write, `forged${database}_${iteration}`, userId(other)),
      given,
      (write) => this.#forge(write, treasureOf(other, iteration % TREASURES), userId(user)),
    ];
  }

  #forge(write: number, key: string, owner: string): Ready {
    const { table } = this.#settings;
    const names = table.columns.map(({ name }) => quoteName(name)).join(', ');
    const marks = table.columns.map(() => '?').join(', ');
    const sql = `INSERT OR REPLACE INTO ${quoteName(table.local)} (${names}) VALUES (${marks})`;
    return {
      parts: [{ kind: 'insert', columns: ['text', 'number'], rows: rowsOf([key]) }],
      run: (db) => changesOf(db.prepare(sql).run(...this.#values(write, key, owner))),
    };
  }

  /** A row whose give-away has no answer yet goes to nobody: without a change there would be nothing to forbid. */
  #giveAway(write: number, key: string, owner: string): Ready {
    const { table } = this.#settings;
    const { set, values } = this.#assignments(write, ['text']);
    const user = quoteName(table.user ?? '');
    const sql = `UPDATE ${quoteName(table.local)} SET ${set}, ${user} = iif(${user} = ?, 'nobody', ?) WHERE ${quoteName(table.key)} = ?`;
    return {
      parts: [{ kind: 'update', columns: ['text'], rows: rowsOf([key]) }],
      run: (db) => changesOf(db.prepare(sql).run(...values, owner, owner, key)),
    };
  }

  #values(write: number, key: string, owner: string): (string | number | Uint8Array | null)[] {
    const { table } = this.#settings;
    return table.columns.map(({ name, type }) => {
      if (name === table.key) return key;
      if (name === table.user) return owner;
      if (name === table.text) return this.#stamp(write);
      return name === table.number ? write : fillerOf(type, write);
    });
  }

  #assignments(
    write: number,
    columns: readonly Column[],
  ): { readonly set: string; readonly values: readonly (string | number)[] } {
    const { table } = this.#settings;
    const pairs: [string, string | number][] = [];
    if (columns.includes('text')) pairs.push([table.text, this.#stamp(write)]);
    if (columns.includes('number') && table.number !== null) pairs.push([table.number, write]);
    // Without a number column an update of numbers is one of texts, and says so by its stamp.
    if (pairs.length === 0) pairs.push([table.text, this.#stamp(write)]);
    return {
      set: pairs.map(([name]) => `${quoteName(name)} = ?`).join(', '),
      values: pairs.map(([, value]) => value),
    };
  }

  #stamp(write: number): string {
    const { user, nonce } = this.#settings;
    return stampOf(write, canaryOf(user ?? 0, nonce));
  }
}

/** What a file shows, by plain SQL. */
export function shownIn(sql: Pick<Sql, 'prepare'>, table: RunTable): Shown {
  const number = table.number === null ? 'NULL' : quoteName(table.number);
  const statement = sql.prepare(
    `SELECT ${quoteName(table.key)} AS k, ${quoteName(table.text)} AS t, ${number} AS n FROM ${quoteName(table.local)}`,
  );
  const gathering = new Gathering();
  for (const { k, t, n } of statement.iterate()) {
    gathering.add(String(k), writeOf(t), typeof n === 'number' ? n : NOBODY);
  }
  return gathering.shown;
}

function allRows(shown: Shown): Readonly<Record<string, readonly Range[]>> {
  return Object.fromEntries([...shown].map(([batch, segments]) => [batch, rangesOf(segments)]));
}

function rowsOf(keys: readonly string[]): Readonly<Record<string, readonly Range[]>> {
  const gathering = new Gathering();
  for (const key of new Set(keys)) gathering.add(key, 0, 0);
  return allRows(gathering.shown);
}

function keysOf(shown: Shown): readonly string[] {
  return [...shown].flatMap(([batch, segments]) =>
    rangesOf(segments).flatMap(([from, to]) =>
      Array.from({ length: to - from + 1 }, (_, offset) => `${batch}${from + offset}`),
    ),
  );
}

function changesOf({ changes }: { readonly changes: number | bigint }): number {
  return Number(changes);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
