/** Earlier runs of other areas: what was waived and measured there. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AreaBed } from '../support/area-bed.ts';
import { writtenArea } from '../support/written-area.ts';

const TESTS = {
  waived: '[ezsteps]\nrun echo trouble > out.log; exit 1\n[waivers]\nknown diff out.log\n',
  measured: [
    '[ezsteps]',
    'tell printf "$ROW\\n" | megatest -load-test-data',
    'say megatest -test-status :state COMPLETED :status AUTO',
    '',
  ].join('\n'),
};
const area = (row: string, more = ''): string =>
  `[fields]\nSYSTEM TEXT\n[env-override]\nROW ${row}\n${more}`;

test('what another area has waived and expected counts where this one has no results of its own', async () => {
  const old = await AreaBed.open(writtenArea(TESTS, { 'area.config': area('speed,up,9,10,2') }));
  try {
    await old.perform(old.runner(), 'run', { target: 'x', name: 'old' });
    const waive = { pattern: 'waived', comment: 'bug 7' };
    const to = { state: 'COMPLETED', status: 'WAIVED' } as const;
    await old.perform(old.runner(), 'set-state', { target: 'x', name: 'old', ...waive, to });
    expect(old.results('old')).toEqual({ waived: 'COMPLETED/WAIVED', measured: 'COMPLETED/PASS' });
    mkdirSync(join(old.home, '.tidelock'), { recursive: true });
    old.store.sql.exec(`VACUUM INTO '${join(old.home, '.tidelock/runs.db')}'`);
    await inNewArea(old.home);
  } finally {
    await old.close();
  }
});

/** The same tests, which do not say what they expect. */
async function inNewArea(old: string): Promise<void> {
  const config = area('speed,up,13,,', `[refareas]\nnone /nowhere\nold ${old}\n`);
  const bed = await AreaBed.open(writtenArea(TESTS, { 'area.config': config }));
  try {
    expect(bed.book.findings.map(({ message }) => message)).toEqual([
      'the reference area /nowhere is not there',
    ]);
    await bed.perform(bed.runner(), 'run', { target: 'x', name: 'one' });
    expect(bed.row('one', 'waived')).toMatchObject({ status: 'WAIVED', comment: 'bug 7' });
    expect(bed.row('one', 'measured')).toMatchObject({ state: 'COMPLETED', status: 'FAIL' });
    await bed.perform(bed.runner(), 'run', { target: 'y', name: 'other' });
    expect(bed.row('other', 'waived')).toMatchObject({ status: 'FAIL' });
    writeFileSync(join(old, '.tidelock/runs.db'), 'no database');
    await bed.perform(bed.runner(), 'run', { target: 'z', name: 'broken', pattern: 'waived' });
    expect(bed.row('broken', 'waived').comment).toContain('cannot be read');
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
}
