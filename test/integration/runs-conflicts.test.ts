/** Actions on one run that come while others of it are under way. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunWrite } from '../../src/planner/run-store.ts';
import { actionArgs } from '../../src/runs/action-args.ts';
import { AreaBed } from '../support/area-bed.ts';
import { until } from '../support/stack.ts';
import { writtenArea } from '../support/written-area.ts';

const RUN = { target: 'x', name: 'one' };
const GATED = 'until [ -e "$MT_RUN_AREA_HOME/go" ]; do sleep 0.05; done';

test('a removal ends the run under way and removes all of it; a run asked for after it is whole', async () => {
  const bed = await AreaBed.open(
    writtenArea({
      slow: `[ezsteps]\nrun ${GATED}\n`,
      after: '[requirements]\nwaiton slow\n[ezsteps]\nrun true\n',
    }),
  );
  try {
    const runner = bed.runner({ isServing: true });
    const first = bed.perform(runner, 'run', RUN);
    await until('it runs', () => bed.results('one').slow === 'RUNNING/n/a');
    const { runDir } = bed.row('one', 'slow');
    const removed = bed.perform(runner, 'remove-runs', RUN);
    await first;
    expect(await removed).toEqual({ removed: 2 });
    expect(existsSync(runDir ?? '')).toBe(false);
    expect(bed.rows('one')).toEqual([]);
    writeFileSync(join(bed.home, 'go'), '');
    await bed.perform(runner, 'run', RUN);
    expect(bed.results('one')).toEqual({ slow: 'COMPLETED/PASS', after: 'COMPLETED/PASS' });
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
});

test('a removal of what failed leaves alone what runs', async () => {
  const bed = await AreaBed.open(
    writtenArea({ bad: '[ezsteps]\nrun false\n', slow: `[ezsteps]\nrun ${GATED}\n` }),
  );
  try {
    const runner = bed.runner();
    const run = bed.perform(runner, 'run', RUN);
    const state = (): unknown => bed.results('one');
    const wanted = { bad: 'COMPLETED/FAIL', slow: 'RUNNING/n/a' };
    await until('one has failed and one runs', () => {
      return JSON.stringify(state()) === JSON.stringify(wanted);
    });
    expect(await bed.perform(runner, 'remove-runs', { ...RUN, statuses: ['FAIL'] })).toEqual({
      removed: 1,
    });
    writeFileSync(join(bed.home, 'go'), '');
    await run;
    expect(bed.results('one')).toEqual({ slow: 'COMPLETED/PASS' });
  } finally {
    await bed.close();
  }
});

test('what changes a locked run is refused, and says so', async () => {
  const bed = await AreaBed.open(writtenArea({ good: '[ezsteps]\nrun true\n' }));
  try {
    const runner = bed.runner();
    await bed.perform(runner, 'run', RUN);
    await bed.perform(runner, 'lock', RUN);
    const to = { state: 'COMPLETED', status: 'FAIL' } as const;
    for (const action of ['set-state', 'rerun', 'remove-runs', 'archive'] as const) {
      const args = { ...RUN, to: action === 'set-state' ? to : null };
      await expect(bed.perform(runner, action, args), action).rejects.toThrow('RUN_LOCKED');
    }
    expect(bed.results('one')).toEqual({ good: 'COMPLETED/PASS' });
  } finally {
    await bed.close();
  }
});

test('an action whose elder nobody has claimed makes its runner take that one first', async () => {
  const bed = await AreaBed.open(writtenArea({ good: '[ezsteps]\nrun true\n' }));
  try {
    const none = { runId: null, testId: null, priority: 0, notBefore: 0, parentId: null };
    const task = {
      ...none,
      kind: 'action',
      action: 'run',
      attemptsMax: 1,
      dedupeKey: null,
    } as const;
    bed.store.write({
      actor: 'me',
      writes: [{ kind: 'putTask', task: { ...task, args: actionArgs(RUN) } }],
    });
    const runner = bed.runner();
    expect(await bed.perform(runner, 'archive', RUN)).toEqual({ archived: 1 });
    expect(bed.results('one')).toEqual({ good: 'ARCHIVED/PASS' });
  } finally {
    await bed.close();
  }
});

test('a kill of what a dead runner has left starts nothing, whatever else the area has', async () => {
  const bed = await AreaBed.open(
    writtenArea({
      ...{ left: '[ezsteps]\nrun touch "$MT_RUN_AREA_HOME/ran"\n' },
      other: '[ezsteps]\nrun touch "$MT_RUN_AREA_HOME/ran"\n',
    }),
  );
  try {
    const write = (...writes: RunWrite[]) => bed.store.write({ actor: 'dead', writes }).answers[0];
    const runId = write({ kind: 'createRun', target: 'x', name: 'one' })?.id ?? 0;
    const tests = [{ name: 'left', itemPath: '', isToplevel: false }];
    const testId = write({ kind: 'putTests', runId, tests })?.ids?.[0] ?? 0;
    const facts = { attempt: 1, runDir: join(bed.home, '.tidelock/runs/x/one/left'), host: 'here' };
    const launch = { kind: 'transition', testId, event: { kind: 'launch' }, facts } as const;
    write({ ...launch, cause: 'attempt 1' });
    expect(await bed.perform(bed.runner(), 'kill', RUN)).toEqual({ killed: 1, blocked: 0 });
    expect(bed.results('one')).toEqual({ left: 'KILLED/KILLED' });
    expect(existsSync(join(bed.home, 'ran'))).toBe(false);
    expect(bed.trouble).toEqual([]);
  } finally {
    await bed.close();
  }
});
