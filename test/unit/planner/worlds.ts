/** Random areas and random runs of them, for properties of the planner. */
import fc from 'fast-check';
import { type AreaText, itemNamed, readAreaText } from '../../../src/planner/area-text.ts';
import type { StatePair } from '../../../src/planner/rows.ts';
import type { Existing, PlanInput, PlannerEvent, RerunRule } from '../../../src/planner/types.ts';

const ITEMS = ['1', '2', '3'];
const MODES = ['normal', 'toplevel', 'itemwait', 'itemwait-toplevel'];

const items = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 4, arbitrary: fc.subarray(ITEMS, { minLength: 1 }).map((list) => `items=${list}`) },
  { weight: 2, arbitrary: fc.constant('items=late') },
  { weight: 1, arbitrary: fc.constant('items=zero:KEY') },
);

const waits = (at: number): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(fc.nat(Math.max(0, at - 1)), fc.constantFrom(...MODES)), { maxLength: 3 })
    .map((list) =>
      at === 0 || list.length === 0 ? '' : `waits=${list.map(([on, mode]) => `t${on}:${mode}`)}`,
    );

const either = (at: number): fc.Arbitrary<string> =>
  fc
    .array(fc.tuple(fc.nat(Math.max(0, at - 1)), fc.constantFrom('normal', 'toplevel')), {
      maxLength: 3,
    })
    .map((list) =>
      at === 0 || list.length === 0 ? '' : `either=${list.map(([on, mode]) => `t${on}:${mode}`)}`,
    );

const extras = fc.constantFrom(
  '',
  'priority=3',
  'group=g',
  'needs=r:1',
  'needs=r:2',
  'exclusive',
  'steps=make,link',
);

export const anyArea: fc.Arbitrary<AreaText> = fc
  .integer({ min: 1, max: 7 })
  .chain((size) =>
    fc.tuple(
      fc.integer({ min: 1, max: 4 }),
      fc.tuple(
        ...Array.from({ length: size }, (_, at) => fc.tuple(waits(at), either(at), items, extras)),
      ),
    ),
  )
  .map(([jobs, tests]) => {
    const lines = tests.map((words, at) => `t${at} ${words.join(' ')}`);
    return readAreaText([`area jobs=${jobs} group.g=1 resource.r=2`, ...lines].join('\n'));
  });

const anyPair: fc.Arbitrary<StatePair> = fc.constantFrom<StatePair>(
  { state: 'COMPLETED', status: 'PASS' },
  { state: 'COMPLETED', status: 'FAIL' },
  { state: 'NOT_STARTED', status: 'PREQ_FAIL' },
  { state: 'NOT_STARTED', status: 'n/a' },
  { state: 'INCOMPLETE', status: 'DEAD' },
  { state: 'KILLED', status: 'KILLED' },
  { state: 'RUNNING', status: 'n/a' },
  { state: 'KILLREQ', status: 'n/a' },
);

const anyExisting: fc.Arbitrary<readonly Existing[]> = fc.uniqueArray(
  fc
    .tuple(fc.nat(6), fc.constantFrom('', '/1', '/2'), anyPair, fc.option(fc.nat(9)))
    .map(([at, item, pair, expectedS]) => ({ id: `t${at}${item}`, ...pair, expectedS })),
  { maxLength: 6, selector: ({ id }) => id },
);

const anyRule: fc.Arbitrary<RerunRule> = fc.constantFrom<RerunRule>(
  { kind: 'none' },
  { kind: 'resume' },
  { kind: 'failed', downstream: true },
  { kind: 'failed', downstream: false },
  { kind: 'chosen', pattern: 't1,t3/2', downstream: false },
  { kind: 'chosen', pattern: 't2', downstream: true },
  { kind: 'clean' },
  { kind: 'all' },
  { kind: 'steps', step: 'link', isOnly: false },
);

export const anyInput: fc.Arbitrary<PlanInput> = fc
  .tuple(anyArea, anyExisting, anyRule, fc.constantFrom('%', 't3', 't2,t4/1', 't5/2', '~t1'))
  .map(([text, existing, rerun, pattern]) => ({
    ...text,
    existing,
    request: { target: 't', run: 'r', pattern, tags: null, rerun },
  }));

/** What the world may do next; numbers choose among what is running or asked for. */
export type Move =
  | { readonly kind: 'end'; readonly nth: number; readonly pair: StatePair }
  | { readonly kind: 'expand'; readonly nth: number; readonly items: readonly string[] }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'host'; readonly slots: number; readonly elsewhere: readonly string[] }
  | { readonly kind: 'kill'; readonly pattern: string }
  | { readonly kind: 'force'; readonly exec: string; readonly to: StatePair };

const anyEnd = fc.constantFrom<StatePair>(
  ...(['PASS', 'PASS', 'PASS', 'FAIL', 'SKIP', 'CHECK'] as const).map(
    (status) => ({ state: 'COMPLETED', status }) as const,
  ),
  { state: 'KILLED', status: 'KILLED' },
  { state: 'INCOMPLETE', status: 'DEAD' },
  { state: 'RUNNING', status: 'n/a' },
  { state: 'NOT_STARTED', status: 'KEEP_TRYING' },
);

const anyExec = fc
  .tuple(fc.nat(6), fc.constantFrom('', '/1', '/2'))
  .map(([at, item]) => `t${at}${item}`);

export const anyMove: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({ kind: fc.constant('end' as const), nth: fc.nat(9), pair: anyEnd }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('expand' as const),
      nth: fc.nat(3),
      items: fc.subarray(ITEMS),
    }),
  },
  fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 1000, 90_000_000) }),
  fc.record({
    kind: fc.constant('host' as const),
    slots: fc.nat(3),
    elsewhere: fc.array(anyExec, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('kill' as const), pattern: fc.constantFrom('t1', 't2/1', '%/2') }),
  fc.record({
    kind: fc.constant('force' as const),
    exec: anyExec,
    to: fc.constantFrom<StatePair>(
      { state: 'COMPLETED', status: 'PASS' },
      { state: 'COMPLETED', status: 'FAIL' },
      { state: 'NOT_STARTED', status: 'n/a' },
    ),
  }),
);

/** The event of a move; null: there is nothing that it could be about. */
export function eventOf(
  move: Move,
  now: number,
  running: readonly string[],
  asked: readonly string[],
): PlannerEvent | null {
  if (move.kind === 'end') {
    const exec = running[move.nth % running.length];
    return exec === undefined ? null : { kind: 'entered', exec, ...move.pair, at: now };
  }
  if (move.kind === 'expand') {
    const test = asked[move.nth % asked.length];
    if (test === undefined) return null;
    return { kind: 'expanded', test, items: move.items.map(itemNamed), reason: 'none', at: now };
  }
  if (move.kind === 'wait') return { kind: 'clock', at: now + move.ms };
  if (move.kind === 'host') {
    return { kind: 'host', load: 0, slots: move.slots, exclusive: move.elsewhere, at: now };
  }
  return { ...move, at: now };
}
