/**
 * The tables of a state that has one row of sums for each group.
 *
 *   live_N    (g0, ..., from, n, a0, ..., m0, ...)   n: rows of the group; a: sums; m: lowest and highest values
 *   past_N    (until, g0, ..., ...)                  what the group's row was from `from` to before `until`
 *   values_N_I (g0, ..., v, n, total)                the values of which aggregate I gives the lowest or highest; of a sum of
 *                                                    numerics: their scales, and the total of each
 *   groups_N  (g0, ..., n, a0, ...)                  in memory: what is being added
 *
 * A key that is NULL stands as an empty blob, which no key column can hold otherwise: equal keys are one group. Without
 * keys there is one group, 0, which is always there.
 */
import { functionName } from '../../sql/compile/expression.ts';
import type { Aggregate } from '../../sql/plan.ts';
import { columnAffinity } from '../../sql/storage.ts';
import type { SqlType } from '../../sql/types.ts';
import type { Sql } from '../sql.ts';
import { liveTable, pastTable } from './collection-table.ts';
import { type GroupsState, isNumericSum } from './kept-plan.ts';

/** What of the values of a group is shown: one of them, or what all of them make. */
export type Choice = 'min' | 'max' | 'sum' | 'avg';

export type GroupLayout = {
  readonly keys: readonly string[];
  readonly keyTypes: readonly SqlType[];
  /** What each sum adds up, over the columns of `GroupRows`. */
  readonly sums: readonly string[];
  /** Aggregates of lowest and highest values, by their numbers. */
  readonly extremes: readonly {
    readonly aggregate: number;
    readonly type: SqlType;
    readonly pick: Choice;
  }[];
  /** The columns of the relation, over a row of `live_N`. */
  readonly shown: readonly string[];
};

/** Names in the rows that are added: keys `k0`, ..., of aggregate 2 its argument `p2` and its filter `f2`; `w`. */
export function layoutOf({ keys, aggregates, columns }: GroupsState): GroupLayout {
  const sums: string[] = [];
  const add = (sum: string): string => `a${sums.push(sum) - 1}`;
  const extremes: GroupLayout['extremes'][number][] = [];
  const results = aggregates.map((aggregate, index) => {
    const { name, arg } = aggregate;
    if (name === 'count' && arg === null && aggregate.filter === null) return 'n';
    if (name === 'min' || name === 'max' || isNumericSum(aggregate)) {
      extremes.push({ aggregate: index, type: aggregate.type, pick: name as Choice });
      return `m${extremes.length - 1}`;
    }
    return resultOf(aggregate, index, add);
  });
  const shownKeys = keys.map((_, index) =>
    columns[index]?.isNullable === false ? `g${index}` : `nullif(g${index}, x'')`,
  );
  return {
    keys: keys.length === 0 ? ['g0'] : keys.map((_, index) => `g${index}`),
    keyTypes: keys.length === 0 ? ['int4'] : keys.map(({ type }) => type),
    sums,
    extremes,
    shown: [...shownKeys, ...results],
  };
}

/** Adds the sums of an aggregate; returns the expression of its result. */
function resultOf(
  { name, arg, filter }: Aggregate,
  index: number,
  add: (sum: string) => string,
): string {
  const value = `p${index}`;
  const counts = countsSql(index, { hasValue: arg !== null, hasFilter: filter !== null });
  const sumOf = (part: string): string =>
    add(`sum(CASE WHEN ${counts} THEN w * (${part}) ELSE 0 END)`);
  const count = add(`sum(CASE WHEN ${counts} THEN w ELSE 0 END)`);
  switch (name) {
    case 'sum':
    case 'avg': {
      const isWide = name === 'avg' || arg?.type === 'int8';
      if (!isWide) return `CASE WHEN ${count} > 0 THEN ${sumOf(value)} END`;
      // Halves of 32 bits: their sums stay far from 64 bits.
      const high = sumOf(`${value} >> 32`);
      const low = sumOf(`${value} & 4294967295`);
      const result =
        name === 'sum'
          ? `${functionName('sum_of_halves')}(${high}, ${low})`
          : `${functionName('average_of_halves')}(${high}, ${low}, ${count})`;
      return `CASE WHEN ${count} > 0 THEN ${result} END`;
    }
    case 'bool_and':
      return `CASE WHEN ${count} > 0 THEN ${sumOf(value)} = ${count} END`;
    case 'bool_or':
      return `CASE WHEN ${count} > 0 THEN ${sumOf(value)} > 0 END`;
    default:
      return count;
  }
}

/** Whether a row counts for an aggregate. */
export function countsSql(
  index: number,
  { hasValue, hasFilter }: { readonly hasValue: boolean; readonly hasFilter: boolean },
): string {
  const conditions = [
    ...(hasValue ? [`p${index} IS NOT NULL`] : []),
    ...(hasFilter ? [`f${index}`] : []),
  ];
  return conditions.join(' AND ') || '1';
}

export function createGroupTables(sql: Sql, number: number, layout: GroupLayout): void {
  const keys = keyColumns(layout);
  const rest = [
    '"from" INTEGER',
    'n INTEGER',
    ...layout.sums.map((_, index) => `a${index} INTEGER`),
    ...layout.extremes.map(({ type }, index) => `m${index} ${columnAffinity(type)}`),
  ].join(', ');
  const key = layout.keys.join(', ');
  sql.exec(
    `CREATE TABLE ${liveTable(number)} (${keys}, ${rest}, PRIMARY KEY (${key})) WITHOUT ROWID;
     CREATE TABLE ${pastTable(number)} (until INTEGER, ${keys}, ${rest}, PRIMARY KEY (until, ${key})) WITHOUT ROWID`,
  );
  for (const [index, { type, pick }] of layout.extremes.entries()) {
    const values = valuesTable(number, index);
    const value = pick === 'min' || pick === 'max' ? columnAffinity(type) : 'INTEGER';
    sql.exec(
      `CREATE TABLE ${values} (${keys}, v ${value}, n INTEGER, total TEXT, PRIMARY KEY (${key}, v)) WITHOUT ROWID;
       CREATE INDEX ${values}_gone ON ${values} (n) WHERE n = 0`,
    );
  }
}

export function createGroupDelta(sql: Sql, number: number, layout: GroupLayout): void {
  const sums = layout.sums.map((_, index) => `, a${index} INTEGER`).join('');
  sql.exec(
    `CREATE TABLE IF NOT EXISTS ${groupsTable(number)} (${keyColumns(layout)}, n INTEGER${sums},
       PRIMARY KEY (${layout.keys.join(', ')})) WITHOUT ROWID`,
  );
}

export function dropGroupTables(sql: Sql, number: number, layout: GroupLayout): void {
  sql.exec(`DROP TABLE IF EXISTS ${groupsTable(number)}`);
  for (const index of layout.extremes.keys()) {
    sql.exec(`DROP TABLE IF EXISTS ${valuesTable(number, index)}`);
  }
}

export const groupsTable = (number: number): string => `temp.groups_${number}`;
export const valuesTable = (number: number, index: number): string => `values_${number}_${index}`;

function keyColumns({ keys, keyTypes }: GroupLayout): string {
  return keys.map((key, index) => `${key} ${columnAffinity(keyTypes[index] ?? 'text')}`).join(', ');
}
