/** Questions to a run database. */
import { unreachable } from '../../core/assert.ts';
import type { EventRow } from '../../planner/rows.ts';
import type { RunChanges, RunQuery, RunQueryResult, RunRows } from '../../planner/run-store.ts';
import {
  type RemovedRow,
  RUN_TABLES,
  type RunTableName,
  runTable,
} from '../../planner/run-tables.ts';
import { asNumber, asText } from '../sql.ts';
import { cellPages } from './cell-reads.ts';
import type { Fields, Statements } from './run-values.ts';

/** Faults and excesses of the lag of one time line. */
const MARKS_MAX = 5000;
/** Samples of the lag of one time line. */
const LAG_SLICES = 600;
/** Left out of brief changes. */
const LONG_TABLES: ReadonlySet<RunTableName> = new Set(['steps', 'data', 'events']);
/** Rows that one answer holds at most. */
const ROWS_MAX = 20_000;

/** Of a target and a run. Written as in the index `tasks_scope`, or SQLite does not use it. */
export const OPEN_ACTIONS = `WHERE state IN ('new', 'claimed', 'running') AND kind = 'action'
  AND args ->> '$.target' = ? AND args ->> '$.name' = ?`;

const NOTES = `WHERE run_id = ? AND kind = 'note' AND test_id IS NULL ORDER BY seq LIMIT ${ROWS_MAX}`;

export function answer(statements: Statements, query: RunQuery): RunQueryResult {
  switch (query.kind) {
    case 'changes':
      return { changes: changesOf(statements, query) };
    case 'runs':
      return runs(statements, query);
    case 'tests':
      return rows(statements, 'tests', 'WHERE run_id = ? ORDER BY id', query.runId);
    case 'cells':
      return { cells: cellPages(statements, query) };
    case 'test':
      return rows(statements, 'tests', 'WHERE id = ?', query.testId);
    case 'history':
      return history(statements, query);
    case 'steps':
      return rows(statements, 'steps', 'WHERE test_id = ? ORDER BY id', query.testId);
    case 'data':
      return rows(statements, 'data', 'WHERE test_id = ? ORDER BY id', query.testId);
    case 'tasks':
      return tasks(statements, query);
    case 'openActions':
      return rows(statements, 'tasks', `${OPEN_ACTIONS} ORDER BY id`, query.target, query.name);
    case 'runners':
      return rows(statements, 'runners', 'ORDER BY id');
    case 'notes':
      return rows(statements, 'events', NOTES, query.runId);
    case 'events':
      return events(statements, query);
    case 'line':
      return line(statements, query);
    default:
      return unreachable(query);
  }
}

function rows(
  statements: Statements,
  name: RunTableName,
  rest: string,
  ...values: readonly (string | number | null)[]
): RunQueryResult {
  return { [name]: statements.rows(runTable(name), rest, ...values) };
}

function runs(
  statements: Statements,
  { ids, before, limit = ROWS_MAX }: Extract<RunQuery, { kind: 'runs' }>,
): RunQueryResult {
  if (ids !== undefined || before === undefined)
    return rows(statements, 'runs', ...whereIds(ids, limited(limit)));
  const rest = 'WHERE id < ? ORDER BY id DESC LIMIT ?';
  return rows(statements, 'runs', rest, before, limited(limit));
}

/** Without ids: all of them, the newest first. */
function whereIds(ids: readonly number[] | undefined, max = ROWS_MAX): [string, ...number[]] {
  if (ids === undefined) return [`ORDER BY id DESC LIMIT ${max}`];
  return [`WHERE id IN (${ids.map(() => '?').join(', ') || 'NULL'})`, ...ids];
}

function history(
  statements: Statements,
  { name, itemPath, target, limit }: Extract<RunQuery, { kind: 'history' }>,
): RunQueryResult {
  const ofTarget =
    target === undefined ? '' : 'AND run_id IN (SELECT id FROM runs WHERE target = ?)';
  const rest = `WHERE name = ? AND item_path = ? AND ended_at IS NOT NULL ${ofTarget}
    ORDER BY ended_at DESC LIMIT ?`;
  const values = [name, itemPath, ...(target === undefined ? [] : [target]), limited(limit)];
  return rows(statements, 'tests', rest, ...values);
}

function tasks(
  statements: Statements,
  { states, ids, limit }: Extract<RunQuery, { kind: 'tasks' }>,
): RunQueryResult {
  if (ids !== undefined) return rows(statements, 'tasks', ...whereIds(ids));
  const where =
    states === null ? '' : `WHERE state IN (${states.map(() => '?').join(', ') || 'NULL'})`;
  const rest = `${where} ORDER BY id DESC LIMIT ?`;
  return rows(statements, 'tasks', rest, ...(states ?? []), limited(limit));
}

function events(
  statements: Statements,
  { runId, testId, since, limit }: Extract<RunQuery, { kind: 'events' }>,
): RunQueryResult {
  const wanted = [
    ...(runId === null ? [] : (['run_id = ?', runId] as const)),
    ...(testId === null ? [] : (['test_id = ?', testId] as const)),
  ];
  const conditions = wanted.filter((part) => typeof part === 'string');
  const values = wanted.filter((part) => typeof part === 'number');
  const where = [...conditions, 'seq > ?'].join(' AND ');
  const rest = `WHERE ${where} ORDER BY seq LIMIT ?`;
  return rows(statements, 'events', rest, ...values, since, limited(limit));
}

type LineQuery = Extract<RunQuery, { kind: 'line' }>;

/** Of waits the newest, of marks the first; samples are thinned out, and the highest of each slice stays. */
function line(statements: Statements, { runId, since, from, to }: LineQuery): RunQueryResult {
  const table = runTable('events');
  const waits = `WHERE kind = 'wait' AND run_id = ? AND seq > ? ORDER BY seq DESC LIMIT ${ROWS_MAX}`;
  const marks = `WHERE kind IN ('fault', 'lag') AND at BETWEEN ? AND ? ORDER BY at LIMIT ${MARKS_MAX}`;
  const sliceMs = Math.max(1, Math.ceil((to - from) / LAG_SLICES));
  const lag = statements.all(
    `SELECT at, max(age_ms) FROM lag WHERE at BETWEEN ? AND ? GROUP BY at / CAST(? AS INTEGER) ORDER BY at`,
    ...[from, to, sliceMs],
  );
  return {
    events: [
      ...(statements.rows(table, waits, runId, since) as unknown as EventRow[]).reverse(),
      ...(statements.rows(table, marks, from, to) as unknown as EventRow[]),
    ],
    lag: lag.map(([at, ageMs]) => ({ at: asNumber(at), ageMs: asNumber(ageMs) })),
  };
}

function limited(limit: number): number {
  return Math.min(limit, ROWS_MAX);
}

/**
 * Range reads by `seq`, one per table, in one read transaction of the caller's. When there are more than `limit` rows,
 * the answer ends at the `seq` up to which every table was read whole.
 */
export function changesOf(
  statements: Statements,
  { since, limit, isBrief }: Omit<Extract<RunQuery, { kind: 'changes' }>, 'kind'>,
): RunChanges {
  const max = limited(limit);
  const parts = RUN_TABLES.map(({ name }) => ({
    name,
    found:
      isBrief === true && LONG_TABLES.has(name)
        ? []
        : statements.rows(runTable(name), 'WHERE seq > ? ORDER BY seq LIMIT ?', since, max + 1),
  }));
  const removed = removedSince(statements, since, max + 1);
  const all = [...parts.flatMap(({ found }) => found.map(seqOf)), ...removed.map(seqOf)];
  const isMore = all.length > max;
  const until = isMore
    ? (all.toSorted((a, b) => a - b)[max - 1] ?? since)
    : Number.MAX_SAFE_INTEGER;
  const kept = parts.map(({ name, found }) => [name, found.filter((row) => seqOf(row) <= until)]);
  const [history, seq] = marksOf(statements);
  return {
    history,
    rows: Object.fromEntries(kept) as unknown as RunRows,
    removed: removed.filter((row) => row.seq <= until),
    seq: isMore ? until : seq,
    isMore,
  };
}

function seqOf(row: Fields | RemovedRow): number {
  return asNumber(row.seq);
}

function removedSince(statements: Statements, since: number, max: number): readonly RemovedRow[] {
  const found = statements.all(
    'SELECT seq, tbl, id FROM removed WHERE seq > ? ORDER BY seq LIMIT ?',
    ...[since, max],
  );
  return found.map(([seq, name, id]) => ({
    seq: asNumber(seq),
    table: asText(name) as RunTableName,
    id: typeof id === 'number' ? id : asText(id),
  }));
}

/** The history and the last seq. */
export function marksOf(statements: Statements): [history: string, seq: number] {
  const read = (name: string): string =>
    asText(statements.first('SELECT value FROM meta WHERE name = ?', name)?.[0]);
  return [read('history'), Number(read('seq'))];
}
