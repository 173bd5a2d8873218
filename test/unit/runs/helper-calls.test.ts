/** Records of the helper: whole or not at all, whatever is in them. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { HelperCalls, statusOfWord } from '../../../src/runs/execution/helper-calls.ts';

const HELPER = 'bin/helper/megatest';

function callsFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-calls-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return join(dir, 'calls');
}

function call(file: string | undefined, ...args: readonly string[]): number | null {
  const env = { PATH: process.env.PATH, ...(file === undefined ? {} : { TIDELOCK_CALLS: file }) };
  return spawnSync(HELPER, args, { env }).status;
}

test('outside of a test the helper ends with 5', () => {
  expect(call(undefined, '-step', 'x')).toBe(5);
});

test('an argument arrives as it was: newlines, quotes, other letters, and long ones', () => {
  const file = callsFile();
  const message = `it's "so"\n\tüß $(id) ${'x'.repeat(5000)}`;
  expect(call(file, '-step', 'one', ':state', 'end', ':status', '0', '-m', message)).toBe(0);
  const [step] = new HelperCalls(file).next();
  expect(step).toMatchObject({ kind: 'step', name: 'one' });
  expect(step?.options.get('m')).toBe(message);
  expect(Math.abs((step?.at ?? 0) - Date.now())).toBeLessThan(60_000);
});

test('a record that is cut anywhere waits for its rest', () => {
  const whole = callsFile();
  call(whole, '-set-values', ':category', 'c', ':value', '1');
  const bytes = readFileSync(whole);
  for (let cut = 0; cut < bytes.length; cut++) {
    const file = callsFile();
    appendFileSync(file, bytes.subarray(0, cut));
    const calls = new HelperCalls(file);
    expect(calls.next()).toEqual([]);
    appendFileSync(file, bytes.subarray(cut));
    expect(calls.next()).toHaveLength(1);
    expect(calls.next()).toEqual([]);
  }
});

test('a number is an exit code, a word is a status', () => {
  expect(['0', '1', '-1', 'WARN'].map(statusOfWord)).toEqual(['PASS', 'FAIL', 'FAIL', 'WARN']);
});

test('a call that is too large is told, in however many pieces it comes, and those after it count', () => {
  const file = callsFile();
  const record = (...words: readonly string[]): string =>
    [String(words.length), '0', '/x', ...words].map((word) => `${word}\0`).join('');
  const large = record('-m', 'x'.repeat(3 << 20));
  const calls = new HelperCalls(file);
  const told: string[] = [];
  const read = (): void => {
    for (const { kind, name } of calls.next()) told.push(kind === 'lost' ? kind : name);
  };
  appendFileSync(file, record('-m', 'before') + large.slice(0, 2 << 20));
  for (let reads = 0; reads < 5; reads++) read();
  appendFileSync(file, large.slice(2 << 20) + record('-m', 'after'));
  for (let reads = 0; reads < 5; reads++) read();
  expect(told).toEqual(['before', 'lost', 'after']);
});
