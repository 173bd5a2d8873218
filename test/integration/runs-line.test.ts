/** Waits and faults of real executions, as a time line is drawn from them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { criticalPath } from '../../src/report/critical-path.ts';
import { faultsDuring, faultsOf } from '../../src/report/faults.ts';
import { piecesOf } from '../../src/report/time-line.ts';
import { AreaBed } from '../support/area-bed.ts';

const TESTS = {
  first: '[ezsteps]\nrun true\n',
  many: '[items]\nN 1 2\n[ezsteps]\nrun true\n[requirements]\nwaiton first\n',
  // Says what it disturbs, as a stress does.
  disturbs: `[ezsteps]
begin $MT_MEGATEST -fault kill-server :state start :target server
seen  $MT_MEGATEST -fault kill-server :target server -m "it came again"
end   $MT_MEGATEST -fault kill-server :state end :target server
[requirements]
waiton many
`,
} as const;

let dir: string;
let bed: AreaBed;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-line-'));
  writeFileSync(join(dir, 'area.config'), '[fields]\nSIZE TEXT\n');
  writeFileSync(join(dir, 'runconfigs.config'), '[small]\n');
  for (const [name, text] of Object.entries(TESTS)) {
    mkdirSync(join(dir, 'tests', name), { recursive: true });
    writeFileSync(join(dir, 'tests', name, 'testconfig'), text);
  }
  bed = await AreaBed.open(dir);
  await bed.perform(bed.runner(), 'run', { target: 'small', name: 'one', pattern: '%' });
});

afterAll(async () => {
  await bed?.close();
  rmSync(dir, { recursive: true, force: true });
});

function line() {
  const { id: runId } = (bed.store.read({ kind: 'runs' }).runs ?? [])[0] ?? { id: 0 };
  return bed.store.read({ kind: 'line', runId, since: 0, from: 0, to: Date.now() }).events ?? [];
}

test('what an execution waited for is known, and the critical path goes along it', () => {
  const rows = bed.rows('one');
  const waits = line().filter(({ kind }) => kind === 'wait');
  const pieces = piecesOf(rows, waits, Date.now());
  const path = criticalPath(pieces).map(({ id }) => rows.find((row) => row.id === id)?.name ?? '');
  expect(path).toEqual(['first', 'many', 'disturbs']);
  const disturbs = pieces.find(({ row }) => row.name === 'disturbs');
  expect(rows.find(({ id }) => id === disturbs?.after[0])).toMatchObject({ name: 'many' });
});

test('faults that a test injects are known with their times, and whom they met', () => {
  const faults = faultsOf(line());
  const row = bed.row('one', 'disturbs');
  expect(faults).toMatchObject([
    { name: 'kill-server (server)', testId: row.id, effects: ['it came again'] },
  ]);
  const [fault] = faults;
  expect(fault?.to).toBeGreaterThanOrEqual(fault?.from ?? Number.MAX_VALUE);
  expect(faultsDuring(faults, row)).toHaveLength(1);
  expect(faultsDuring(faults, bed.row('one', 'first'))).toEqual([]);
});
