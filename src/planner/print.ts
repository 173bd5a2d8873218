/** Plans, effects and the planner's state as lines for people and scripts. */
import type { Plan, PlannedEdge, PlannedExec, PlannedTest } from './plan.ts';
import { isBefore } from './queue.ts';
import { keyOf } from './rollup.ts';
import { hasItems, isItemwise } from './select.ts';
import {
  inputOf,
  isUnexpanded,
  type Leaf,
  type PlannerState,
  shownPair,
  type TestNode,
} from './state.ts';
import type { PlannerEffect } from './types.ts';

/** Names in one line; more are counted. */
const NAMES_MAX = 12;

export function planText(plan: Plan): string {
  const execs = plan.tests.flatMap((test) => test.execs);
  const count = (does: PlannedExec['does']): number =>
    execs.filter((exec) => exec.does === does).length;
  const counts = (['runs', 'kept', 'adopted', 'never'] as const)
    .map((does) => [does, count(does)] as const)
    .filter(([does, n]) => n > 0 || does === 'runs')
    .map(([does, n]) => `${does} ${n}`);
  return lines([
    `${plan.target} ${plan.run}: ${plan.tests.length === 1 ? '1 test' : `${plan.tests.length} tests`}, ${counts.join(', ')}`,
    ...plan.tests.flatMap(plannedTestLines),
    ...plan.findings.map(({ message, origin }) =>
      origin === null ? `note: ${message}` : `note: ${origin.file}:${origin.line}: ${message}`,
    ),
  ]);
}

function plannedTestLines(test: PlannedTest): readonly string[] {
  const all = test.waitsFor.filter(({ isEither }) => isEither !== true).map(waitText);
  const either = test.waitsFor.filter(({ isEither }) => isEither === true).map(waitText);
  const waits = either.length === 0 ? all : [...all, either.join(' or ')];
  const after = waits.length === 0 ? '' : `, after ${waits.join(', ')}`;
  const priority = test.priority === 0 ? '' : `, priority ${test.priority}`;
  const items = test.items === 'late' ? ', items known later' : '';
  const reason = test.reason === '' ? '' : `, ${test.reason}`;
  return [
    `${test.name}: ${test.why}${after}${priority}${items}${reason}`,
    ...test.execs.filter((exec) => saysMore(test, exec)).map(plannedExecLine),
  ];
}

function waitText({ on, mode }: PlannedEdge): string {
  return mode === 'normal' ? on : `${on} (${mode})`;
}

/** A test without items that just runs has said all. */
function saysMore(test: PlannedTest, { does, reason }: PlannedExec): boolean {
  return test.items !== 'none' || does !== 'runs' || reason !== '';
}

function plannedExecLine({ exec, why, does, reason, waitsFor }: PlannedExec): string {
  const after = waitsFor.map(({ on }) => on);
  const words = [
    `${exec} ${does}`,
    ...(reason === '' ? [] : [reason]),
    why,
    ...(after.length === 0 ? [] : [`after ${after.join(', ')}`]),
  ];
  return `  ${words.join('; ')}`;
}

function extentOf({ cleans, isPart }: Extract<PlannerEffect, { kind: 'reset' }>): string {
  if (isPart) return ' in part';
  return cleans ? ' with its directory' : '';
}

export function effectText(effect: PlannerEffect): string {
  switch (effect.kind) {
    case 'register':
      return `register ${namesText(effect.execs.map(({ exec, isToplevel }) => (isToplevel ? `${exec}/` : exec)))}`;
    case 'reset':
      return `reset ${effect.exec}${extentOf(effect)}: ${effect.reason}`;
    case 'expand':
      return `expand ${effect.test}`;
    case 'launch':
      return `launch ${effect.exec}`;
    case 'settle':
      return `settle ${effect.exec} ${effect.state}/${effect.status}: ${effect.reason}`;
    case 'kill':
      return `kill ${effect.exec}`;
    case 'wake':
      return `wake at ${effect.at / 1000} s`;
    case 'done':
      return 'done';
  }
}

function namesText(names: readonly string[]): string {
  if (names.length <= NAMES_MAX) return names.join(' ');
  return `${names.slice(0, NAMES_MAX).join(' ')} and ${names.length - NAMES_MAX} more`;
}

/** Every test and item, where it stands and what it waits for. */
export function stateText(state: PlannerState): string {
  return lines([...state.tests.values()].flatMap((test) => testLines(state, test)));
}

function testLines(state: PlannerState, test: TestNode): readonly string[] {
  const leaves = [...test.leaves.values()];
  if (!hasItems(test.def)) return leaves.map((leaf) => leafLine(state, leaf));
  const items = isUnexpanded(test) ? ` (items: ${test.items}${waitsText(test)})` : '';
  const top = `${test.id} ${keyOf(shownPair(test))}${items}${noteText(test.note)}`;
  return [top, ...leaves.map((leaf) => `  ${leafLine(state, leaf)}`)];
}

function leafLine(state: PlannerState, leaf: Leaf): string {
  const waits = leaf.phase === 'waiting' ? waitsText(leaf) || waitsText(leaf.test) : '';
  const phase = leaf.phase === 'ready' && state.taken.has(leaf) ? 'taken' : leaf.phase;
  return `${leaf.id} ${keyOf(leaf.pair)} ${phase}${waits}${noteText(leaf.note)}`;
}

function noteText(note: string): string {
  return note === '' ? '' : `: ${note}`;
}

function waitsText({ prerequisites, kind, ...vertex }: Leaf | TestNode): string {
  const open = prerequisites.filter(({ verdict }) => verdict === 'wait');
  const names = open.map(({ prerequisite, mode }) => {
    return isItemwise(mode) || mode === 'normal' ? prerequisite.id : `${prerequisite.id} (${mode})`;
  });
  if (kind === 'leaf' && vertex.unmet > open.length) names.push('items that are not known');
  return names.length === 0 ? '' : ` on ${names.join(', ')}`;
}

/** What is held of what there is, and what could start, first things first. */
export function queueText(state: PlannerState): string {
  const { area } = inputOf(state);
  const { held, host } = state;
  const ready = [...state.leaves.values()].filter(({ phase }) => phase === 'ready').sort(byOrder);
  const limits = [
    `running ${held.running} of ${Math.min(host.slots, area.jobsMax)}`,
    ...[...held.groups].map(([name, n]) => `${name} ${n} of ${area.jobGroups.get(name) ?? 'any'}`),
    ...[...held.resources].map(([name, n]) => `${name} ${n} of ${area.resources.get(name) ?? 0}`),
  ];
  return lines([
    limits.join(', '),
    ...ready.map((leaf) => `${leaf.id} priority ${leaf.test.def.priority}, ${leaf.restS} s to go`),
  ]);
}

function byOrder(a: Leaf, b: Leaf): number {
  return isBefore(a, b) ? -1 : 1;
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
