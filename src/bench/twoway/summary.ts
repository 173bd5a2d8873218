/** The numbers of a report. */
import type { DatabaseSummary, ErrorGroup, Totals, TroubleEvent } from './evidence.ts';
import { userId, userOf } from './options.ts';
import type { Evidence } from './read-evidence.ts';
import { isWrite, type StepName } from './steps.ts';

const SAMPLES_MAX = 3;
const SAMPLE_CHARS_MAX = 200;
const AFFECTED_MAX = 5;

export function totalsOf({ run, steps, troubles }: Evidence): Totals {
  const crud = steps.filter(({ name }) => isWrite(name as StepName));
  const sync = steps.filter(({ name, isSkipped }) => !isWrite(name as StepName) && !isSkipped);
  return {
    ...{ databases: run.databases, rows: run.rows, iterations: run.iterations },
    crudOperations: crud.reduce((sum, { count }) => sum + count, 0),
    syncOperations: sync.length,
    durationMs: run.end.durationMs,
    errors: troubles.length,
    unexpectedErrors: troubles.filter(({ isExpected }) => !isExpected).length,
    errorTypes: [...new Set(troubles.map(({ category }) => category))].sort(),
  };
}

export function perDatabase(evidence: Evidence): readonly DatabaseSummary[] {
  const { run, steps, troubles, final, histories } = evidence;
  return Array.from({ length: run.databases }, (_, index) => {
    const database = index + 1;
    const own = steps.filter((step) => step.database === database);
    const sum = (isOf: (name: string) => boolean): number =>
      own.filter(({ name }) => isOf(name)).reduce((total, { count }) => total + count, 0);
    const compared = final?.comparisons.find((one) => one.database === database);
    return {
      ...{ database, user: run.options.isRls === true ? userId(userOf(database)) : null },
      steps: own.length,
      crudRows: sum((name) => isWrite(name as StepName)),
      sent: sum((name) => name === 'send'),
      received: sum((name) => name === 'check'),
      errors: troubles.filter((trouble) => trouble.database === database).length,
      lives: (histories.get(database) ?? []).filter(({ k }) => k === 'life').length,
      isEqual: compared === undefined ? null : compared.differences.length === 0,
    };
  });
}

export function errorGroups(troubles: readonly TroubleEvent[]): readonly ErrorGroup[] {
  const groups = new Map<string, TroubleEvent[]>();
  for (const trouble of troubles) {
    const key = `${trouble.side} ${trouble.category} ${trouble.code}`;
    groups.set(key, [...(groups.get(key) ?? []), trouble]);
  }
  return [...groups.values()]
    .map((all) => {
      const [{ side, category, code }] = all as [TroubleEvent];
      const unexpected = all.filter(({ isExpected }) => !isExpected).length;
      const samples = [...new Set(all.map(({ message }) => message.split('\n')[0] ?? ''))]
        .slice(0, SAMPLES_MAX)
        .map((message) => message.slice(0, SAMPLE_CHARS_MAX));
      return { side, category, code, count: all.length, unexpected, samples };
    })
    .sort((a, b) => b.count - a.count);
}

/** From the first iteration on; what came before or after all of them is not among these. */
export function errorsByIteration(
  troubles: readonly TroubleEvent[],
  iterations: number,
): readonly number[] {
  return Array.from(
    { length: iterations },
    (_, index) => troubles.filter(({ iteration }) => iteration === index + 1).length,
  );
}

export function mostAffected(
  troubles: readonly TroubleEvent[],
): readonly { readonly database: number; readonly errors: number }[] {
  const counts = new Map<number, number>();
  for (const { database } of troubles) {
    if (database > 0) counts.set(database, (counts.get(database) ?? 0) + 1);
  }
  return [...counts]
    .map(([database, errors]) => ({ database, errors }))
    .sort((a, b) => b.errors - a.errors)
    .slice(0, AFFECTED_MAX);
}
