/**
 * JUnit XML as CI servers read it: a suite per test, a case per item, or per step of a test without items.
 *
 * FAIL is a `failure`; what came to no verdict (ABORT, KILLED, DEAD) is an `error`; SKIP and what was never
 * started for a reason is `skipped`. Fields of the target are properties of each suite.
 */
import type { StepRow, TestRow } from '../planner/rows.ts';
import { attributes, escapeMarkup } from './markup.ts';
import { durationOf, execOf, gradeOf, leavesOf, type RunResults, verdictOf } from './results.ts';

export type JunitOptions = {
  /** Names of the fields of the target, in order. */
  readonly fields: readonly string[];
  /** The end of an execution's log, or null. */
  readonly tail: (test: TestRow) => string | null;
};

type Case = {
  readonly name: string;
  readonly durationMs: number | null;
  /** The row that the verdict is read from. */
  readonly of: Pick<TestRow, 'state' | 'status'>;
  readonly message: string;
  readonly log: string | null;
};

/** One run, or several: then their names are in those of the suites. */
export function junitOf(all: readonly RunResults[], options: JunitOptions): string {
  const suites = all.flatMap((results) => suitesOf(results, options, all.length > 1));
  const cases = suites.flatMap((suite) => suite.cases);
  const name = all.map(({ run }) => nameOf(run)).join(', ');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites${attributes({ name, ...totalsOf(cases) })}>`,
    ...suites.map(({ text }) => text),
    '</testsuites>',
    '',
  ].join('\n');
}

const nameOf = ({ target, name }: RunResults['run']): string => `${target} ${name}`;

type Suite = { readonly text: string; readonly cases: readonly Case[] };

function suitesOf(results: RunResults, options: JunitOptions, withRun: boolean): Suite[] {
  const leaves = leavesOf(results.tests);
  return [...new Set(leaves.map(({ name }) => name))].map((test) => {
    const tests = leaves.filter(({ name }) => name === test);
    const cases = tests.flatMap((row) => casesOf(row, results, options));
    const name = withRun ? `${nameOf(results.run)} ${test}` : test;
    return { cases, text: suiteText(name, { tests, cases, results, options }) };
  });
}

function totalsOf(cases: readonly Case[]): Readonly<Record<string, string | number>> {
  const count = (grades: readonly string[]): number =>
    cases.filter(({ of }) => grades.includes(gradeOf(of))).length;
  return {
    ...{ tests: cases.length, failures: count(['bad']), errors: count(['broken']) },
    skipped: count(['skipped', 'open']),
    time: seconds(cases.reduce((sum, one) => sum + (one.durationMs ?? 0), 0)),
  };
}

type SuiteParts = {
  readonly tests: readonly TestRow[];
  readonly cases: readonly Case[];
  readonly results: RunResults;
  readonly options: JunitOptions;
};

function suiteText(name: string, { tests, cases, results, options }: SuiteParts): string {
  const values = results.run.target.split('/');
  const started = Math.min(...tests.map(({ startedAt }) => startedAt ?? Number.POSITIVE_INFINITY));
  const head = attributes({
    ...{ name, ...totalsOf(cases) },
    timestamp: Number.isFinite(started) ? isoOf(started) : null,
  });
  return [
    `  <testsuite${head}>`,
    '    <properties>',
    ...options.fields.map(
      (field, n) => `      <property${attributes({ name: field, value: values[n] ?? '' })}/>`,
    ),
    `      <property${attributes({ name: 'runname', value: results.run.name })}/>`,
    '    </properties>',
    ...cases.map((one) => caseText(name, one)),
    '  </testsuite>',
  ].join('\n');
}

function casesOf(test: TestRow, results: RunResults, { tail }: JunitOptions): Case[] {
  const log = tail(test);
  const whole: Case = {
    name: execOf(test),
    durationMs: durationOf(test),
    of: test,
    message: [verdictOf(test), test.comment].filter((text) => text !== '').join(': '),
    log,
  };
  if (test.itemPath !== '') return [whole];
  const steps = results.steps.filter(({ testId, state }) => testId === test.id && state === 'end');
  // A test can fail without one of its steps: then the steps alone would look good.
  const tellsAll = steps.some((step) => gradeOf(stepVerdict(step)) === gradeOf(test));
  if (steps.length === 0 || !tellsAll) return [whole];
  return steps.map((step) => ({
    name: step.name,
    durationMs: step.endedAt === null ? null : step.endedAt - step.startedAt,
    of: stepVerdict(step),
    message: [step.status, step.comment].filter((text) => text !== '').join(': '),
    log: step === steps.at(-1) ? log : null,
  }));
}

const stepVerdict = ({ status }: StepRow): Pick<TestRow, 'state' | 'status'> => ({
  state: 'COMPLETED',
  status,
});

function caseText(suite: string, { name, durationMs, of, message, log }: Case): string {
  const head = attributes({ classname: suite, name, time: seconds(durationMs ?? 0) });
  const verdict = verdictElement(gradeOf(of), message, of.status);
  const output = log === null ? [] : [`      <system-out>${escapeMarkup(log)}</system-out>`];
  const inside = [...verdict, ...output];
  if (inside.length === 0) return `    <testcase${head}/>`;
  return [`    <testcase${head}>`, ...inside, '    </testcase>'].join('\n');
}

function verdictElement(grade: string, message: string, type: string): string[] {
  if (grade === 'bad') return [`      <failure${attributes({ message, type })}/>`];
  if (grade === 'broken') return [`      <error${attributes({ message, type })}/>`];
  if (grade === 'good') return [];
  return [`      <skipped${attributes({ message })}/>`];
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

/** `2026-11-22T16:00:00`, in UTC, as the schema of JUnit wants it: without a zone. */
const isoOf = (ms: number): string => new Date(ms).toISOString().slice(0, 19);
