/** Triggers that cannot be started keep no execution from its end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { LaunchRecord } from '../../../src/runs/execution/launch-record.ts';
import { Triggers } from '../../../src/runs/execution/triggers.ts';

const PAIR = { state: 'COMPLETED', status: 'PASS' };

function record(runDir: string, command: string): LaunchRecord {
  const triggers = [{ state: 'COMPLETED', status: null, command }];
  return { testId: 1, runDir, env: {}, triggers } as unknown as LaunchRecord;
}

test('a trigger of a test that has removed its directory is told, not thrown', () => {
  const fired = new Triggers().fire(record('/nowhere/at/all', 'true'), PAIR);
  expect(fired[0]?.command).toContain('true (not started: ENOENT');
});

test('a trigger that is one too many is told, not left out', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-triggers-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const triggers = new Triggers();
  // None of them ends before this turn of the event loop does.
  const told = Array.from({ length: 65 }, () => triggers.fire(record(dir, ':'), PAIR)[0]?.command);
  expect(told.slice(0, 64).every((command) => command === ':')).toBe(true);
  expect(told[64]).toBe(': (not started: 64 triggers run already)');
});
