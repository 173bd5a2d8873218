import { expect, test } from 'vitest';
import { CallBook, type CallMeans } from '../../../src/runs/call-book.ts';
import type { HelperCall } from '../../../src/runs/helper-calls.ts';
import type { LaunchRecord } from '../../../src/runs/launch-record.ts';

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
