import { expect, test } from 'vitest';
import { createReporter, type Reporter } from '../../../src/cli/replicate-report.ts';
import { type ReplicaEvent, type ReplicaStatus, TidelockError } from '../../../src/index.ts';

type Screen = {
  reporter: Reporter;
  out: () => string;
  err: () => string;
  wait: (ms: number) => void;
};

function screen(options: { isTTY?: boolean; json?: boolean } = {}): Screen {
  const { isTTY = false, json = false } = options;
  let [out, err, nowMs] = ['', '', 1_000_000];
  const reporter = createReporter(
    { db: 'fr.db', json },
    {
      stdout: { write: (text) => (out += text) },
      stderr: { isTTY, write: (text) => (err += text) },
      now: () => nowMs,
    },
  );
  const wait = (ms: number): void => {
    nowMs += ms;
  };
  return { reporter, out: () => out, err: () => err, wait };
}

const progress = (receivedBytes: number): ReplicaEvent => ({
  ...{ kind: 'progress', receivedBytes, totalBytes: 4_000_000 },
});
const APPLIED: ReplicaEvent = {
  ...{ kind: 'applied', ts: '0/A', micros: 5_000_000, firstMicros: 5_000_000 },
  ...{ appliedAtMs: 5003.25, transactions: 1, changes: 2 },
};
const LIVE: ReplicaEvent = { kind: 'state', state: { kind: 'live', isCaughtUp: true } };
const STATUS: ReplicaStatus = {
  state: { kind: 'closed' },
  ...{ position: '0/A', timeline: 't', selectors: ['FR', 'DE'], file: 'fr.db' },
};

test('in a file of messages a copy shows itself every few seconds, states when they change', () => {
  const { reporter, out, err, wait } = screen();
  for (let received = 0; received <= 4_000_000; received += 1_000_000) {
    reporter.event(progress(received));
    wait(2000);
  }
  reporter.event(LIVE);
  reporter.event(LIVE);
  reporter.event(APPLIED);
  reporter.result(STATUS);
  expect(err().split('\n')).toEqual([
    'copying: 0.0 of 4.0 MB (0 %)',
    'copying: 3.0 of 4.0 MB (75 %)',
    'live: everything that the server has is here',
    '',
  ]);
  expect(out()).toBe('fr.db stands at 0/A: FR, DE\n');
});

test('on a terminal one line is written again and again, and left clean', () => {
  const { reporter, err, wait } = screen({ isTTY: true });
  reporter.event(progress(1_000_000));
  wait(100);
  reporter.event(progress(2_000_000));
  wait(200);
  reporter.event(APPLIED);
  reporter.event(LIVE);
  wait(200);
  reporter.event(APPLIED);
  reporter.end();
  expect(err().split('\r\u001b[K')).toEqual([
    '',
    'copying: 1.0 of 4.0 MB (25 %)',
    'live at 0/A: 2 changes in 1 transactions, the last 3.3 ms after its commit',
    'live: everything that the server has is here\n',
    'live at 0/A: 4 changes in 2 transactions, the last 3.3 ms after its commit\n',
  ]);
});

test('trouble is told with its code and when it is tried again', () => {
  const { reporter, err } = screen();
  const trouble = { code: 'SERVER_UNREACHABLE', message: 'nobody there' } as const;
  reporter.event({ kind: 'error', error: new TidelockError(trouble) });
  const waiting = {
    kind: 'waiting',
    activity: 'feed',
    reason: '',
    trouble,
    delayMs: 1500,
  } as const;
  reporter.event({ kind: 'state', state: waiting });
  expect(err()).toBe('SERVER_UNREACHABLE: nobody there; next try in 1.5 s\n');
});

test('with --json every event is one line, with the latency of what was applied', () => {
  const { reporter, out, err } = screen({ json: true });
  reporter.event(APPLIED);
  reporter.event(LIVE);
  reporter.event({ kind: 'error', error: new TidelockError({ code: 'TOO_OLD', message: 'm' }) });
  reporter.result(STATUS);
  const lines = out().trim().split('\n');
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { ...APPLIED, latencyMs: 3.3 },
    { kind: 'state', state: 'live', isCaughtUp: true },
    { kind: 'error', code: 'TOO_OLD', message: 'm' },
    { kind: 'done', position: '0/A', timeline: 't', selectors: ['FR', 'DE'], file: 'fr.db' },
  ]);
  expect(err()).toBe('');
});

test('small copies and single rows are said as they are', () => {
  const { reporter, err } = screen();
  reporter.event({ kind: 'progress', receivedBytes: 512, totalBytes: 2048 });
  reporter.event({
    ...{ kind: 'resync', reason: 'why', ts: '0/A', timeline: 't' },
    ...{ inserted: 1, updated: 0, deleted: 2 },
  });
  expect(err()).toContain('copying: 0.5 of 2.0 kB (25 %)');
  expect(err()).toContain('1 row inserted, 0 updated, 2 deleted (why)');
});
