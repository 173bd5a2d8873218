/** A versioned state of one row for each group: what GROUP BY and DISTINCT are kept as. */
import { assert } from '../../core/assert.ts';
import type { ItemId } from '../../sql/types.ts';
import type { Sql, SqlStatement } from '../sql.ts';
import { liveTable, pastTable } from './collection-table.ts';
import {
  countsSql,
  createGroupDelta,
  type GroupLayout,
  groupsTable,
  layoutOf,
  valuesTable,
} from './group-table.ts';
import type { GroupsState } from './kept-plan.ts';
import type { RelationShape } from './relation-sql.ts';
import { type CollectionState, Purge, type Versioned } from './versioned.ts';

export type GroupStateInit = {
  readonly id: ItemId;
  readonly number: number;
  readonly state: CollectionState;
  readonly groups: GroupsState;
};

export class GroupState implements Versioned {
  readonly id: ItemId;
  readonly number: number;
  readonly layout: GroupLayout;
  state: CollectionState;
  readonly #sql: Sql;
  readonly #groups: GroupsState;
  readonly #clear: SqlStatement;
  readonly #archive: SqlStatement;
  readonly #merge: SqlStatement;
  readonly #sweep: SqlStatement | null;
  readonly #pickExtremes: SqlStatement | null;
  readonly #purge: Purge;

  constructor(sql: Sql, { id, number, state, groups }: GroupStateInit) {
    const layout = layoutOf(groups);
    this.#sql = sql;
    this.id = id;
    this.number = number;
    this.state = state;
    this.layout = layout;
    this.#groups = groups;
    createGroupDelta(sql, number, layout);
    const [live, past, delta] = [liveTable(number), pastTable(number), groupsTable(number)];
    const keys = layout.keys.join(', ');
    const sums = ['n', ...layout.sums.map((_, index) => `a${index}`)];
    const extremes = layout.extremes.map((_, index) => `m${index}`);
    const kept = ['"from"', ...sums, ...extremes];
    const own = (names: readonly string[]): string => names.map((name) => `l.${name}`).join(', ');
    const same = layout.keys.map((key) => `l.${key} = d.${key}`).join(' AND ');
    this.#clear = sql.prepare(`DELETE FROM ${delta}`);
    this.#archive = sql.prepare(
      `INSERT INTO ${past} (until, ${keys}, ${kept.join(', ')})
       SELECT ?, ${own(layout.keys)}, ${own(kept)} FROM ${delta} d CROSS JOIN ${live} l ON ${same} WHERE l."from" < ?`,
    );
    this.#merge = sql.prepare(
      `INSERT INTO ${live} (${keys}, "from", ${sums.join(', ')}) SELECT ${keys}, ?, ${sums.join(', ')} FROM ${delta} WHERE true
       ON CONFLICT (${keys}) DO UPDATE SET "from" = excluded."from",
         ${sums.map((sum) => `${sum} = ${sum} + excluded.${sum}`).join(', ')}`,
    );
    const touched = `(${keys}) IN (SELECT ${keys} FROM ${delta})`;
    // The one group of an aggregate without keys stays.
    this.#sweep =
      groups.keys.length === 0
        ? null
        : sql.prepare(`DELETE FROM ${live} WHERE n = 0 AND ${touched}`);
    this.#pickExtremes =
      extremes.length === 0
        ? null
        : sql.prepare(`UPDATE ${live} SET ${this.#extremesSql(live)} WHERE ${touched}`);
    this.#purge = new Purge(sql, number, layout.keys);
  }

  get shape(): RelationShape {
    return { number: this.number, expressions: this.layout.shown, count: '1' };
  }

  /** The statements that add rows: a SELECT of `k0`, ..., `p0`, ..., `f0`, ..., `w`. */
  prepareAdd(rows: string): readonly SqlStatement[] {
    const { layout, number } = this;
    const keys = this.#groups.keys.map((_, index) => `ifnull(k${index}, x'')`);
    const groupKeys = keys.length === 0 ? ['0'] : keys;
    const sums = ['sum(w)', ...layout.sums];
    // Where only sums are kept, a group that they leave as it was has not changed.
    const having =
      layout.extremes.length > 0 ? '' : `HAVING ${sums.map((sum) => `${sum} <> 0`).join(' OR ')}`;
    const names = groupKeys.map((_, index) => index + 1).join(', ');
    const groups = `INSERT INTO ${groupsTable(number)} SELECT ${[...groupKeys, ...sums].join(', ')}
      FROM (${rows}) WHERE true GROUP BY ${names} ${having}`;
    const values = layout.extremes.map(({ aggregate, pick }, index) => {
      const filter = this.#groups.aggregates[aggregate]?.filter ?? null;
      const counts = countsSql(aggregate, { hasValue: true, hasFilter: filter !== null });
      const isOne = pick === 'min' || pick === 'max';
      const value = isOne ? `p${aggregate}` : `tidelock_scale(p${aggregate})`;
      const total = isOne ? 'NULL' : `tidelock_total(w, p${aggregate})`;
      return `INSERT INTO ${valuesTable(number, index)} SELECT ${groupKeys.join(', ')}, ${value}, sum(w), ${total}
        FROM (${rows}) WHERE ${counts} GROUP BY ${names}, ${value} ${isOne ? 'HAVING sum(w) <> 0' : ''}
        ON CONFLICT (${layout.keys.join(', ')}, v) DO UPDATE SET n = n + excluded.n${isOne ? '' : ', total = tidelock_plus(total, excluded.total)'}`;
    });
    return [groups, ...values].map((text) => this.#sql.prepare(text));
  }

  /** Adds rows at a time, by statements of `prepareAdd`. */
  add(time: number, statements: readonly SqlStatement[]): void {
    this.#clear.run();
    for (const statement of statements) statement.run();
    this.#archive.run(time, time);
    this.#merge.run(time);
    for (const index of this.layout.extremes.keys()) {
      this.#sql.exec(`DELETE FROM ${valuesTable(this.number, index)} WHERE n = 0`);
    }
    this.#pickExtremes?.run();
    this.#sweep?.run();
  }

  /** The one row of an aggregate without keys, as it is over nothing. */
  addEmptyGroup(time: number): void {
    if (this.#groups.keys.length > 0) return;
    const names = ['g0', '"from"', 'n', ...this.layout.sums.map((_, index) => `a${index}`)];
    const values = ['0', time, '0', ...this.layout.sums.map(() => '0')];
    this.#sql.exec(
      `INSERT INTO ${liveTable(this.number)} (${names.join(', ')}) VALUES (${values.join(', ')})`,
    );
  }

  assertCounts(): void {
    assert(!this.state.hasRepeats, 'a group is there once');
  }

  purge(): boolean {
    return this.#purge.run(this.state.since);
  }

  #extremesSql(live: string): string {
    return this.layout.extremes
      .map(({ pick }, index) => {
        const same = this.layout.keys.map((key) => `v.${key} = ${live}.${key}`).join(' AND ');
        const from = `FROM ${valuesTable(this.number, index)} v WHERE ${same}`;
        if (pick === 'sum') return `m${index} = (SELECT tidelock_total(1, v.total) ${from})`;
        if (pick === 'avg') return `m${index} = (SELECT tidelock_average(v.total, v.n) ${from})`;
        const order = pick === 'min' ? 'v.v' : 'v.v DESC';
        return `m${index} = (SELECT v.v ${from} ORDER BY ${order} LIMIT 1)`;
      })
      .join(', ');
  }
}
