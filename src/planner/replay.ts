/**
 * A run as a script of the world `planner`: its area, what was there before, and every event with its time, so that
 * the schedule of a real run can be looked at step by step, and guarded.
 */
import type { TestDef } from '../area/types.ts';
import { areaTextOf, encoded, itemNamed } from './area-text.ts';
import { keyOf, pairOf } from './rollup.ts';
import type { EventRow, TestRow } from './rows.ts';
import { leafId } from './state.ts';
import { FRESH, isActive, isWaiting } from './states.ts';
import type { Existing, PlanInput, PlannerEvent, RerunRule } from './types.ts';

/** Without expected output: `tidelock script --rewrite` fills it in. Times count from the first event. */
export function replayScript(input: PlanInput, events: readonly PlannerEvent[]): string {
  const { request, existing } = input;
  const from = events[0]?.at ?? 0;
  const expected = new Map(input.expectedS);
  for (const { id, expectedS } of existing) if (expectedS !== null) expected.set(id, expectedS);
  const expects = [...expected].map(([id, seconds]) => `${encoded(id)} expects=${seconds}\n`);
  const old = existing.map((row) => `${encoded(row.id)} ${keyOf(row)}\n`);
  const tags = request.tags === null ? '' : ` tags=${quoted(request.tags)}`;
  // Other rules do not look at steps, and a script of a run is long enough.
  const tests = request.rerun.kind === 'steps' ? input.tests : withoutSteps(input.tests);
  const plan = `plan pattern=${quoted(request.pattern)}${tags} ${ruleText(request.rerun)}\n`;
  return [
    `# Run ${request.run} of ${request.target}, as it was planned.\n#: world=planner\n`,
    `area\n${areaTextOf({ ...input, tests })}${expects.join('')}----\n`,
    `${plan}${old.join('')}----\n`,
    ...events.flatMap((event) => directiveOf(event, event.at - from)),
  ].join('\n');
}

function withoutSteps(tests: PlanInput['tests']): PlanInput['tests'] {
  const bare = { runScript: null, steps: [] };
  return new Map([...tests].map(([name, def]) => [name, { ...def, ...bare }]));
}

function ruleText(rule: RerunRule): string {
  if (rule.kind === 'steps') return `${rule.isOnly ? 'step' : 'from-step'}=${quoted(rule.step)}`;
  if (rule.kind === 'matching') return `matching=(${rule.names.map(quoted).join(', ')})`;
  if (rule.kind === 'chosen') {
    const after = rule.downstream ? ' rerun=downstream' : '';
    return `chosen=${quoted(rule.pattern)}${after}`;
  }
  return `rerun=${rule.kind === 'failed' && rule.downstream ? 'downstream' : rule.kind}`;
}

function directiveOf(event: PlannerEvent, at: number): readonly string[] {
  const text = wordsOf(event);
  return text === null ? [] : [`${text} at=${at}\n----\n`];
}

function wordsOf(event: PlannerEvent): string | null {
  switch (event.kind) {
    case 'start':
      return null;
    case 'expanded': {
      const items = (event.items ?? []).map(({ path }) => quoted(path));
      const words = items.length > 0 ? `items=(${items.join(', ')})` : reasonText(event.reason);
      return `expand test=${quoted(event.test)} ${words}`;
    }
    case 'entered':
      return `enter exec=${quoted(event.exec)} state=${quoted(keyOf(event))}`;
    case 'host': {
      const slots = Number.isFinite(event.slots) ? ` slots=${event.slots}` : '';
      return `host load=${event.load}${slots} elsewhere=(${event.exclusive.map(quoted).join(', ')})`;
    }
    case 'clock':
      return 'inc-time';
    case 'kill':
      return `kill pattern=${quoted(event.pattern)}`;
    case 'force':
      return `force exec=${quoted(event.exec)} to=${quoted(keyOf(event.to))}`;
  }
}

function reasonText(reason: string): string {
  return `reason=${quoted(reason === '' ? 'no items' : reason)}`;
}

/** As a script wants it: bare, or a JSON string. */
function quoted(text: string): string {
  return /^[^\s"(),]+$/.test(text) ? text : JSON.stringify(text);
}

/**
 * What the planner of a run was told, from the run's events in the database. Not there, and so left out: load, slots
 * and clocks. The items of a late test come at the first event of one of them.
 */
export function plannerEventsOf(
  rows: readonly EventRow[],
  tests: readonly TestRow[],
  defs: ReadonlyMap<string, TestDef>,
): readonly PlannerEvent[] {
  const byId = new Map(tests.map((row) => [row.id, row]));
  const late = new Set([...defs.values()].filter(isLate).map(({ name }) => name));
  return rows.flatMap((row): readonly PlannerEvent[] => {
    const test = row.testId === null ? undefined : byId.get(row.testId);
    if (row.kind !== 'transition' || test === undefined || test.isToplevel) return [];
    const told = toldOf(row, leafId(test.name, test.itemPath));
    if (told === null || !late.delete(test.name)) return told === null ? [] : [told];
    const items = tests
      .filter(({ name, isToplevel }) => name === test.name && !isToplevel)
      .map(({ itemPath }) => itemNamed(itemPath));
    return [{ kind: 'expanded', test: test.name, items, reason: '', at: row.at }, told];
  });
}

export type RunHistory = Omit<PlanInput, 'existing'> & {
  /** All events of the run, in order. */
  readonly events: readonly EventRow[];
  readonly rows: readonly TestRow[];
};

/** The last start of a run: what was there before, and what the planner was told since. */
export function replayOf(history: RunHistory): {
  readonly input: PlanInput;
  readonly events: readonly PlannerEvent[];
} {
  const { events, rows, ...plan } = history;
  const from = events.findLastIndex(({ testId, new: now }) => {
    return testId === null && (now ?? '').startsWith('running');
  });
  const since = events.slice(from + 1);
  const told = plannerEventsOf(since, rows, plan.tests);
  const at = events[from]?.at ?? since[0]?.at ?? 0;
  const input = { ...plan, existing: before(since, rows) };
  return { input, events: [{ kind: 'start', input, at }, ...told] };
}

/** Where everything stood at the start: before its first change since, or where it is now. */
function before(since: readonly EventRow[], rows: readonly TestRow[]): readonly Existing[] {
  const first = new Map<number, string>();
  for (const { testId, old, kind } of since) {
    if (kind !== 'transition' || testId === null || old === null || first.has(testId)) continue;
    first.set(testId, old);
  }
  return rows
    .filter(({ isToplevel }) => !isToplevel)
    .map(({ id, name, itemPath, state, status }) => {
      const pair = pairOf(first.get(id) ?? keyOf({ state, status }));
      return { id: leafId(name, itemPath), ...pair, expectedS: null };
    })
    .filter((row) => keyOf(row) !== keyOf(FRESH));
}

function isLate({ items }: TestDef): boolean {
  return items.kind === 'late';
}

/** Null: the planner did that itself. */
function toldOf({ old, new: now, at, isForced }: EventRow, exec: string): PlannerEvent | null {
  if (now === null) return null;
  const to = pairOf(now);
  if (isForced) return { kind: 'force', exec, to, at };
  const wasActive = old !== null && isActive(pairOf(old));
  if (to.state === 'NOT_STARTED' && !(wasActive && isWaiting(to))) return null;
  return { kind: 'entered', exec, ...to, at };
}
