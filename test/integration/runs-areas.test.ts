/** The areas of testdata, run to their ends: states, order and words exactly as written beside them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openPlannerWorld } from '../../src/bench/planner/world.ts';
import type { StatePair, TestRow } from '../../src/planner/rows.ts';
import { replayRun } from '../../src/runs/replay.ts';
import { parseScript } from '../../src/script/parse.ts';
import { type Call, runAtOnce } from '../../src/script/run.ts';
import { AreaBed } from '../support/area-bed.ts';
import { until } from '../support/stack.ts';

const AREAS = 'testdata/areas';

type Expected = {
  readonly target: string;
  readonly run: string;
  readonly pattern: string | null;
  readonly results?: Readonly<Record<string, string>>;
  readonly order?: readonly (readonly [string, string])[];
  readonly apart?: readonly (readonly [string, string])[];
  readonly error?: string;
  readonly modepatt?: string;
  readonly then?: readonly {
    readonly set: string;
    readonly state: string;
    readonly status: string;
    readonly comment?: string;
  }[];
  readonly comments?: Readonly<Record<string, string>>;
  readonly attempts?: Readonly<Record<string, number>>;
  readonly data?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly files?: Readonly<
    Record<string, { readonly present?: readonly string[]; readonly absent?: readonly string[] }>
  >;
};

type Story = { readonly about: string; readonly runs: readonly Expected[] };

const names = readdirSync(AREAS).filter((name) => existsSync(join(AREAS, name, 'expected.json')));

test.each(names)(
  'the area %s gives the states and the order that are written down',
  async (name) => {
    const story = JSON.parse(readFileSync(join(AREAS, name, 'expected.json'), 'utf8')) as Story;
    const bed = await AreaBed.open(join(AREAS, name));
    try {
      const runner = bed.runner();
      for (const expected of story.runs) {
        const { target, run } = expected;
        const book = await bed.book.target(target, {});
        const pattern = expected.pattern ?? book.pattern(expected.modepatt) ?? '%';
        const ended = bed.perform(runner, 'run', { target, name: run, pattern });
        if (expected.error !== undefined) {
          await expect(ended).rejects.toThrow(expected.error);
          continue;
        }
        await ended;
        await check(bed, expected);
        const about = { store: bed.store, area: bed.book.area, book };
        checkReplay(await replayRun(about, { target, run }), bed.rows(run));
        for (const { set, state, status, comment = '' } of expected.then ?? []) {
          const to = { state, status } as StatePair;
          const args = { target, name: run, pattern: set, to, comment };
          await bed.perform(runner, 'set-state', args);
        }
      }
      expect(bed.trouble).toEqual([]);
    } finally {
      await bed.close();
    }
  },
);

async function check(bed: AreaBed, expected: Expected): Promise<void> {
  const rows = bed.rows(expected.run);
  const shown = bed.results(expected.run);
  if (expected.results !== undefined) {
    const why = rows.map((row) => `${idOf(row)}: ${row.comment}`).join('\n');
    expect(shown, why).toEqual(expected.results);
  }
  const find = (id: string): TestRow => {
    const row = rows.find((one) => idOf(one) === id);
    if (row === undefined) throw new Error(`no row ${id}`);
    return row;
  };
  for (const [before, after] of expected.order ?? []) {
    const [first, second] = [find(before), find(after)];
    expect(second.startedAt, `${after} after ${before}`).toBeGreaterThanOrEqual(
      first.endedAt ?? NaN,
    );
  }
  for (const [one, other] of expected.apart ?? []) {
    const [a, b] = [find(one), find(other)];
    const isApart =
      Number(a.endedAt) <= Number(b.startedAt) || Number(b.endedAt) <= Number(a.startedAt);
    expect(isApart, `${one} and ${other} ran at the same time`).toBe(true);
  }
  for (const [id, words] of Object.entries(expected.comments ?? {})) {
    expect(find(id).comment).toContain(words);
  }
  for (const [id, attempt] of Object.entries(expected.attempts ?? {})) {
    expect(find(id).attempt, id).toBe(attempt);
  }
  for (const [id, data] of Object.entries(expected.data ?? {})) {
    const found = bed.store.read({ kind: 'data', testId: find(id).id }).data ?? [];
    const status = new Map(found.map((row) => [`${row.category}/${row.variable}`, row.status]));
    for (const [key, verdict] of Object.entries(data)) expect(status.get(key), key).toBe(verdict);
  }
  for (const [id, { present = [], absent = [] }] of Object.entries(expected.files ?? {})) {
    const dir = find(id).runDir ?? '';
    // Nobody waits for triggers.
    for (const file of present) await until(`${id}: ${file}`, () => existsSync(join(dir, file)));
    for (const file of absent) expect(existsSync(join(dir, file)), `${id}: ${file}`).toBe(false);
  }
}

/** The run's schedule as a script, played through the planner alone, ends as the run did. */
function checkReplay(text: string, rows: readonly TestRow[]): void {
  const script = parseScript(`${text}\nprint-table\n----\n`, { file: 'replay' });
  const world = openPlannerWorld({} as never) as { handle(call: Call): string };
  const results = runAtOnce(script, (call) => world.handle(call), { goOn: true });
  const broken = results.find(({ kind }) => kind === 'broken');
  expect(broken, text).toBeUndefined();
  const last = results.at(-1);
  const table = last !== undefined && last.kind !== 'broken' ? last.output.split('\n') : [];
  const leaves = rows.filter(({ isToplevel }) => !isToplevel);
  const wanted = leaves.map((row) => `${idOf(row)} ${row.state}/${row.status}`);
  expect(table, text).toEqual(expect.arrayContaining(wanted));
}

function idOf({ name, itemPath }: TestRow): string {
  return itemPath === '' ? name : `${name}/${itemPath}`;
}
