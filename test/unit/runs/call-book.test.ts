import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { DATA_ROWS_MAX } from '../../../src/area/limits.ts';
import { CallBook, type CallMeans } from '../../../src/runs/execution/call-book.ts';
import type { HelperCall } from '../../../src/runs/execution/helper-calls.ts';
import type { LaunchRecord } from '../../../src/runs/execution/launch-record.ts';

const call = (options: Readonly<Record<string, string>>): HelperCall => {
  return { at: 1, cwd: '/x', kind: 'step', name: 's', options: new Map(Object.entries(options)) };
};

/** Status and comment of the step that a call makes. */
function told(
  valid: CallMeans['valid'],
  options: Readonly<Record<string, string>>,
): readonly unknown[] {
  const writes: { readonly step: { readonly status: string; readonly comment: string } }[] = [];
  const means = { outbox: { add: (write: never) => writes.push(write) }, valid };
  const book = new CallBook({ testId: 1, runDir: '/x' } as LaunchRecord, means as never);
  book.take(call(options));
  return writes.map(({ step: { status, comment } }) => [status, comment]);
}

/** What a book that has taken these calls says is not there, and the notes that it has written. */
function losses(calls: readonly HelperCall[]): { readonly lost: string; readonly notes: number } {
  const writes: { readonly kind: string }[] = [];
  const never = new Promise<never>(() => undefined);
  const outbox = { add: (write: never) => writes.push(write) };
  const more = { dataBefore: () => [], readRules: () => null, judgeLog: () => never };
  const means = { outbox, valid: ANY, ...more } as never;
  const book = new CallBook({ testId: 1, runId: 1, runDir: '/x' } as LaunchRecord, means);
  for (const one of calls) book.take(one);
  return { lost: book.lost, notes: writes.filter(({ kind }) => kind === 'note').length };
}

test('what is left out is told once, in the comment and among the events', () => {
  const ran = { ...call({ logpro: 'rules', code: '0' }), kind: 'ran' } as const;
  expect(losses(Array.from({ length: 1000 }, () => ran))).toEqual({ lost: '', notes: 0 });
  expect(losses(Array.from({ length: 1005 }, () => ran))).toEqual({
    ...{
      lost: 'more than 1000 steps at once wait to be judged: the others are left out',
      notes: 1,
    },
  });
  const data = { ...call({ 'data-file': '/nowhere/at all' }), kind: 'data' } as const;
  expect(losses([data]).lost).toBe('its test data could not be read: /nowhere/at all');
});

test('test data beyond the limit are told', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-data-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'data.csv');
  const rows = Array.from({ length: DATA_ROWS_MAX + 1 }, (_, at) => `c,v${at},1`);
  writeFileSync(file, rows.join('\n'));
  const data = { ...call({ 'data-file': file }), kind: 'data' } as const;
  expect(losses([data])).toEqual({ lost: 'its test data are cut after 100000 rows', notes: 1 });
});

const ANY = { validStates: [], validStatuses: [] };
const SOME = { validStates: ['start', 'end'], validStatuses: ['0', '1', 'warm'] };

test('a word that is none of the valid ones makes the step fail, and is named', () => {
  expect(told(ANY, { state: 'odd', status: 'odd' })).toEqual([['odd', '']]);
  expect(told(SOME, { state: 'end', status: '0', m: 'fine' })).toEqual([['PASS', 'fine']]);
  expect(told(SOME, { state: 'end', status: 'warm' })).toEqual([['warm', '']]);
  expect(told(SOME, { state: 'end', status: 'cold' })).toEqual([
    ['FAIL', 'status cold is none of [validvalues]'],
  ]);
  expect(told(SOME, { state: 'stop', status: '0' })).toEqual([
    ['FAIL', 'state stop is none of [validvalues]'],
  ]);
});
