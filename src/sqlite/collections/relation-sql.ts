/** The text of the relations that a collection has: its rows at a time, its changes between times. */
import { columnList, liveTable, pastTable } from './collection-table.ts';
import type { CollectionState } from './versioned.ts';

/** Rows of a state that is kept otherwise than as a bag: where they stand, and what of them is shown. */
export type RelationShape = {
  readonly number: number;
  /** Expressions over a row of `live_N` or `past_N`, in the order of the columns. */
  readonly expressions: readonly string[];
  /** How often a row is there, as an expression. */
  readonly count: 'n' | '1';
};

/** The shape of a bag: its columns as they stand. */
export function bagShape(number: number, columnCount: number): RelationShape {
  return {
    number,
    count: 'n',
    expressions: Array.from({ length: columnCount }, (_, index) => `c${index}`),
  };
}

/**
 * A SELECT of the columns `c0`, `c1`, ... of all rows at `time`, each as often as it is there. As plain as the time
 * permits, because SQLite can use indexes and flatten only what is plain.
 */
export function relationSql(
  shape: RelationShape,
  state: Pick<CollectionState, 'changedAt' | 'hasRepeats'>,
  time: number,
): string {
  const shown = shownColumns(shape.expressions);
  const isLatest = time >= state.changedAt;
  const live = `SELECT ${shown} FROM ${liveTable(shape.number)}${isLatest ? '' : ` WHERE "from" <= ${time}`}`;
  if (isLatest && !state.hasRepeats) return live;
  const past = `SELECT ${shown} FROM ${pastTable(shape.number)} WHERE until > ${time} AND "from" <= ${time}`;
  const once = isLatest ? live : `${live} UNION ALL ${past}`;
  return state.hasRepeats ? `${once} UNION ALL ${repeatsSql(shape, time)}` : once;
}

/** The second and further times that rows are there. */
function repeatsSql({ expressions, number }: RelationShape, time: number): string {
  const shown = shownColumns(expressions);
  const columns = columnList(expressions.length);
  const also = expressions.length === 0 ? '' : `, ${columns}`;
  const shownAlso = expressions.length === 0 ? '' : `, ${shown}`;
  return `SELECT ${columns || '1'} FROM (WITH RECURSIVE again (k${also}) AS (
    SELECT n - 1${shownAlso} FROM ${liveTable(number)} WHERE n <> 1 AND n > 1 AND "from" <= ${time}
    UNION ALL
    SELECT n - 1${shownAlso} FROM ${pastTable(number)} WHERE n > 1 AND until > ${time} AND "from" <= ${time}
    UNION ALL
    SELECT k - 1${also} FROM again WHERE k > 1) SELECT * FROM again)`;
}

/**
 * A SELECT of `c0`, ..., `time`, `n`: what changed at times of [from, until), not consolidated. Needs `since` <=
 * `from`, because of what it takes away.
 */
export function changesSql(shape: RelationShape, from: number, until: number): string {
  const shown = shape.expressions.length === 0 ? '' : `${shownColumns(shape.expressions)}, `;
  const live = liveTable(shape.number);
  const past = pastTable(shape.number);
  const { count } = shape;
  const came = `"from" >= ${from} AND "from" < ${until}`;
  return `SELECT ${shown}"from" AS time, ${count} AS n FROM ${live} WHERE ${came}
    UNION ALL SELECT ${shown}"from", ${count} FROM ${past} WHERE until > ${from} AND ${came}
    UNION ALL SELECT ${shown}until, -${count} FROM ${past} WHERE until >= ${from} AND until < ${until}`;
}

/** A SELECT of the times of [from, until) at which something changed, in order. */
export function changeTimesSql(number: number, from: number, until: number): string {
  const within = (time: string): string => `${time} >= ${from} AND ${time} < ${until}`;
  return `SELECT "from" AS time FROM ${liveTable(number)} WHERE ${within('"from"')}
    UNION SELECT until FROM ${pastTable(number)} WHERE ${within('until')}
    UNION SELECT "from" FROM ${pastTable(number)} WHERE until > ${from} AND ${within('"from"')}
    ORDER BY time`;
}

function shownColumns(expressions: readonly string[]): string {
  if (expressions.length === 0) return '1';
  return expressions
    .map((text, index) => (text === `c${index}` ? text : `${text} AS c${index}`))
    .join(', ');
}
