/** Writes about runs, tests, steps and data. */
import { TidelockError } from '../../core/errors.ts';
import { type Counts, keyOf, rollUp } from '../../planner/rollup.ts';
import type { RunRow, StatePair, TestRow } from '../../planner/rows.ts';
import type { RunAnswer, RunWrite, TestFacts } from '../../planner/run-store.ts';
import { runTable } from '../../planner/run-tables.ts';
import { FRESH, isTerminal, transition } from '../../planner/states.ts';
import type { RunTransaction } from './run-transaction.ts';

type Write<K extends RunWrite['kind']> = Extract<RunWrite, { readonly kind: K }>;

const RUNS = runTable('runs');
const TESTS = runTable('tests');

export function createRun(tx: RunTransaction, write: Write<'createRun'>): RunAnswer {
  const { target, name } = write;
  const known = tx.statements.first(
    'SELECT id, state FROM runs WHERE target = ? AND name = ?',
    ...[target, name],
  );
  if (known !== null) {
    const id = Number(known[0]);
    if (known[1] === 'removed') reviveRun(tx, id);
    return { id, isNew: false };
  }
  const fields = { target, name, state: 'new', isLocked: false, owner: tx.actor };
  const id = tx.insert('runs', { ...fields, createdAt: tx.at, endedAt: null, counts: {} });
  runEvent(tx, { runId: id, old: null, new: 'new', cause: 'created' });
  return { id, isNew: true };
}

function reviveRun(tx: RunTransaction, runId: number): void {
  tx.update('runs', runId, { state: 'new', endedAt: null });
  runEvent(tx, { runId, old: 'removed', new: 'new', cause: 'created anew' });
}

function runEvent(
  tx: RunTransaction,
  event: Pick<Parameters<RunTransaction['event']>[0], 'runId' | 'old' | 'new' | 'cause'>,
): void {
  tx.event({ kind: 'transition', testId: null, isForced: false, ...event });
}

export function setRun(tx: RunTransaction, { runId, facts, cause }: Write<'setRun'>): RunAnswer {
  const run = runOf(tx, runId);
  tx.update('runs', runId, facts);
  const now = { state: facts.state ?? run.state, isLocked: facts.isLocked ?? run.isLocked };
  if (now.state === run.state && now.isLocked === run.isLocked) return {};
  runEvent(tx, { runId, old: runWords(run), new: runWords(now), cause });
  return {};
}

function runWords({ state, isLocked }: Pick<RunRow, 'state' | 'isLocked'>): string {
  return isLocked ? `${state}, locked` : state;
}

export function putTests(tx: RunTransaction, { runId, tests }: Write<'putTests'>): RunAnswer {
  runOf(tx, runId);
  const ids = tests.map(({ name, itemPath, isToplevel }) => {
    const known = tx.statements.first(
      'SELECT id FROM tests WHERE run_id = ? AND name = ? AND item_path = ? AND is_toplevel = ?',
      ...[runId, name, itemPath, isToplevel ? 1 : 0],
    );
    if (known !== null) return Number(known[0]);
    const facts = { comment: '', attempt: 0, isStale: false };
    const id = tx.insert('tests', { runId, name, itemPath, isToplevel, ...FRESH, ...facts });
    if (isToplevel) return id;
    tx.count(runId, null, FRESH);
    tx.touch(runId, name);
    return id;
  });
  return { ids };
}

/** `acceptsAnyStatus`: the area is an imported one. */
export function changeTest(
  tx: RunTransaction,
  write: Write<'transition'>,
  acceptsAnyStatus: boolean,
): RunAnswer {
  const test = testOf(tx, write.testId);
  const { isLocked } = runOf(tx, test.runId);
  const change = transition(test, write.event, { isLocked, acceptsAnyStatus });
  if (change.kind === 'refused') {
    const { code, hint } = change;
    throw new TidelockError({ code, hint, message: `${nameOf(test)}: ${change.message}` });
  }
  const { facts, cause } = write;
  enter(tx, test, { to: change.to, facts, cause, isForced: change.isForced });
  return {};
}

type Entry = {
  readonly to: StatePair;
  readonly facts: TestFacts;
  readonly cause: string;
  readonly isForced: boolean;
};

function enter(tx: RunTransaction, test: TestRow, { to, facts, cause, isForced }: Entry): void {
  tx.update('tests', test.id, { ...facts, state: to.state, status: to.status });
  if (keyOf(test) === keyOf(to)) return;
  const words = { old: keyOf(test), new: keyOf(to), cause, isForced };
  tx.event({ kind: 'transition', runId: test.runId, testId: test.id, ...words });
  if (test.isToplevel) return;
  tx.count(test.runId, test, to);
  tx.touch(test.runId, test.name);
}

/** Writes the toplevels of tests whose items changed in this transaction. */
export function rollUpTouched(tx: RunTransaction): void {
  for (const { runId, name } of tx.takeTouched()) {
    const where = 'WHERE run_id = ? AND name = ? AND is_toplevel = 1';
    const top = tx.one(TESTS, where, runId, name) as TestRow | null;
    if (top === null) continue;
    const to = rollUp(itemCounts(tx, runId, name));
    if (keyOf(to) === keyOf(top)) continue;
    const endedAt = isTerminal(to) ? tx.at : null;
    const facts = { startedAt: top.startedAt ?? tx.at, endedAt };
    enter(tx, top, { to, facts, cause: 'roll-up', isForced: false });
  }
}

/** One covering index; counted by SQLite. */
function itemCounts(tx: RunTransaction, runId: number, name: string): Counts {
  const rows = tx.statements.all(
    `SELECT state, status, count(*) FROM tests INDEXED BY tests_items
     WHERE run_id = ? AND name = ? AND is_toplevel = 0 GROUP BY state, status`,
    ...[runId, name],
  );
  return Object.fromEntries(rows.map(([state, status, n]) => [`${state}/${status}`, Number(n)]));
}

export function setTest(tx: RunTransaction, { testId, facts }: Write<'setTest'>): RunAnswer {
  if (!tx.update('tests', testId, facts)) throw notFound(`test ${testId}`);
  return {};
}

export function putStep(tx: RunTransaction, { testId, step }: Write<'putStep'>): RunAnswer {
  const { runId } = testOf(tx, testId);
  const known = tx.statements.first(
    'SELECT id, state, status FROM steps WHERE test_id = ? AND name = ?',
    ...[testId, step.name],
  );
  const old = known === null ? null : `${step.name}: ${known[1]}/${known[2]}`;
  const id = known === null ? tx.insert('steps', { testId, ...step }) : Number(known[0]);
  if (known !== null) tx.update('steps', id, step);
  const now = `${step.name}: ${step.state}/${step.status}`;
  if (now !== old) {
    const words = { old, new: now, cause: step.comment, isForced: false };
    tx.event({ kind: 'step', runId, testId, ...words });
  }
  return { id, isNew: known === null };
}

export function putData(tx: RunTransaction, { testId, rows }: Write<'putData'>): RunAnswer {
  testOf(tx, testId);
  const ids = rows.map((row) => {
    const known = tx.statements.first(
      'SELECT id FROM data WHERE test_id = ? AND category = ? AND variable = ?',
      ...[testId, row.category, row.variable],
    );
    if (known === null) return tx.insert('data', { testId, ...row });
    tx.update('data', Number(known[0]), row);
    return Number(known[0]);
  });
  return { ids };
}

export function clearTest(
  tx: RunTransaction,
  testId: number,
  steps: readonly string[] | null = null,
): RunAnswer {
  if (steps !== null) {
    const rows = tx.statements.all('SELECT id, name FROM steps WHERE test_id = ?', testId);
    for (const [id, name] of rows) if (steps.includes(String(name))) tx.remove('steps', Number(id));
    return {};
  }
  for (const name of ['steps', 'data'] as const) {
    const ids = tx.statements.all(`SELECT id FROM ${name} WHERE test_id = ?`, testId);
    for (const [id] of ids) tx.remove(name, Number(id));
  }
  return {};
}

export function removeTests(tx: RunTransaction, write: Write<'removeTests'>): RunAnswer {
  const { runId, testIds, cause } = write;
  const run = runOf(tx, runId);
  if (run.isLocked) throw runIsLocked(run);
  const tests = tx.statements.rows(TESTS, 'WHERE run_id = ?', runId) as unknown as TestRow[];
  const wanted = testIds === null ? null : new Set(testIds);
  const gone = tests.filter(({ id }) => wanted === null || wanted.has(id));
  for (const test of gone) {
    clearTest(tx, test.id);
    tx.remove('tests', test.id);
    const words = { old: keyOf(test), new: 'DELETED/n/a', cause, isForced: false };
    tx.event({ kind: 'transition', runId, testId: test.id, ...words });
    if (test.isToplevel) continue;
    tx.count(runId, test, null);
    tx.touch(runId, test.name);
  }
  if (wanted === null) {
    tx.update('runs', runId, { state: 'removed', endedAt: tx.at });
    runEvent(tx, { runId, old: run.state, new: 'removed', cause });
  }
  return { ids: gone.map(({ id }) => id) };
}

function runIsLocked({ target, name }: RunRow): TidelockError {
  return new TidelockError({
    code: 'RUN_LOCKED',
    message: `run ${target}/${name} is locked`,
    hint: 'unlock it first',
  });
}

function runOf(tx: RunTransaction, runId: number): RunRow {
  const row = tx.one(RUNS, 'WHERE id = ?', runId);
  if (row === null) throw notFound(`run ${runId}`);
  return row as unknown as RunRow;
}

function testOf(tx: RunTransaction, testId: number): TestRow {
  const row = tx.one(TESTS, 'WHERE id = ?', testId);
  if (row === null) throw notFound(`test ${testId}`);
  return row as unknown as TestRow;
}

function nameOf({ name, itemPath }: TestRow): string {
  return itemPath === '' ? name : `${name}/${itemPath}`;
}

export function notFound(what: string): TidelockError {
  return new TidelockError({
    code: 'RUN_NOT_FOUND',
    message: `there is no ${what} in this area`,
    hint: 'it may have been removed: read the list again',
  });
}
