import { describe, expect, test } from 'vitest';
import { report } from '../../../src/cli/doctor.ts';
import { logWriter, plainLine } from '../../../src/cli/log-lines.ts';
import type { Finding } from '../../../src/postgres/findings.ts';

describe('the doctor', () => {
  const good: Finding = {
    check: 'wal_level',
    level: 'ok',
    found: 'logical',
    meaning: '',
    remedy: '',
  };
  const bad: Finding = {
    check: 'role',
    level: 'fail',
    found: 'a standby',
    meaning: 'no slots',
    remedy: 'use the primary',
  };

  test('prints a line per finding, what to do, and a verdict', () => {
    expect(report([good, bad]).split('\n')).toEqual([
      'ok    wal_level  logical',
      'fail  role       a standby: no slots',
      '                 what to do: use the primary',
      'NOT READY: 1 failed, 0 to look at',
    ]);
    expect(report([good])).toContain('READY: 0 failed');
  });
});

describe('log lines', () => {
  const line =
    '{"level":40,"time":1795322634426,"msg":"a feed was ended","reason":"TOO_OLD","n":1}\n';

  test('are plain on a terminal and JSON elsewhere', () => {
    const written: string[] = [];
    const output = { write: (text: string) => written.push(text) };
    logWriter({ ...output, isTTY: true })(line);
    logWriter(output)(line);
    expect(written).toEqual(['04:43:54 warn  a feed was ended  reason=TOO_OLD  n=1\n', line]);
  });

  test('have the stack of an error', () => {
    const err = { message: 'bad', stack: 'Error: bad\n    at x' };
    expect(plainLine(JSON.stringify({ level: 50, time: 0, msg: 'bug', err }))).toContain('at x');
  });
});
