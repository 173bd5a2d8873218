import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compilePatterns } from '../../../src/area/patterns.ts';
import { exitCodeOf } from '../../../src/cli/runs/ending.ts';
import { knownFailures } from '../../../src/report/quarantine.ts';
import { QUARANTINE_FILE, readQuarantine } from '../../../src/runs/quarantine.ts';
import { tempDir } from '../../support/run-bed.ts';
import { testRow } from '../report/rows.ts';

test('a failure in quarantine does not make a run bad, until its day; any other does', () => {
  const area = tempDir();
  expect(readQuarantine(area)).toEqual([]);
  const file = join(area, QUARANTINE_FILE);
  writeFileSync(file, 'net/a% ann 2999-01-31 flaky port\nold bob 2001-01-01 was flaky\n');
  const quarantine = readQuarantine(area);
  const failed = (exec: string) => testRow(exec, { status: 'FAIL' });
  expect(exitCodeOf([testRow('good'), failed('net/a1')], quarantine)).toBe(0);
  expect(exitCodeOf([failed('net/b1')], quarantine)).toBe(1);
  expect(exitCodeOf([failed('old')], quarantine)).toBe(1);
  const isKnown = knownFailures(quarantine, {
    now: Date.UTC(2999, 0, 31),
    compile: compilePatterns,
  });
  expect(isKnown(failed('net/a1'))).toBeNull();
});
