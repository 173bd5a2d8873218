import { describe, expect, test } from 'vitest';
import { parseFrame, parseQuery, parseTaskRequest } from '../../../src/protocol/runs.ts';

const frame = (call: object): object => ({ version: 1, calls: [call] });
const batch = (...writes: object[]): object => ({
  kind: 'write',
  batch: { actor: 'me', key: 'k', writes },
});

describe('a frame of calls', () => {
  test.each([
    ['createRun', { kind: 'createRun', target: 'a/b', name: 'r' }],
    [
      'a forced change',
      {
        kind: 'transition',
        testId: 1,
        facts: {},
        cause: 'x',
        event: { kind: 'force', to: { state: 'COMPLETED', status: 'PASS' } },
      },
    ],
    [
      'a launch',
      { kind: 'transition', testId: 1, facts: {}, cause: '', event: { kind: 'launch' } },
    ],
    ['a claim', { kind: 'claimTask', owner: 'r', kinds: ['exec'], leaseMs: 1000 }],
  ])('%s is read as it was sent', (_name, write) => {
    const sent = frame(batch(write));
    expect(parseFrame(sent)).toEqual(sent);
  });

  test.each([
    ['a field that nobody knows', batch({ kind: 'reclaimTasks', more: 1 }), 'Unrecognized key'],
    ['a kind that nobody knows', batch({ kind: 'dropTables' }), 'kind'],
    [
      'a state that nobody knows',
      batch({
        kind: 'transition',
        testId: 1,
        facts: {},
        cause: '',
        event: { kind: 'force', to: { state: 'FINE', status: '' } },
      }),
      'event',
    ],
    ['an id below one', batch({ kind: 'clearTest', testId: 0 }), 'testId'],
    ['a lease of a day', batch({ kind: 'renewTasks', owner: 'a', leaseMs: 86_400_000 }), 'leaseMs'],
    ['a batch without a key', { kind: 'write', batch: { actor: 'a', writes: [] } }, 'key'],
  ])('%s is refused by name', (_name, call, where) => {
    expect(() => parseFrame(frame(call))).toThrow(where);
  });

  test('another version is refused', () => {
    expect(() => parseFrame({ version: 2, calls: [] })).toThrow('version');
  });
});

test('questions have a limit', () => {
  expect(() => parseQuery({ kind: 'changes', since: 0, limit: 1_000_000 })).toThrow('limit');
  expect(parseQuery({ kind: 'runs' })).toEqual({ kind: 'runs' });
});

test('a person may ask for the actions of the queue only', () => {
  const request = { action: 'exec', runId: null, testId: null, args: {} };
  expect(() => parseTaskRequest(request)).toThrow('action');
});
