/**
 * What of an expression JavaScript's own matcher may be given. It goes back and tries again: from each character of a
 * text it may walk every way of the expression. Where those are few and end, its time is in proportion to the text.
 */
import type { RegexNode } from './tree.ts';

/** Of one expression, from one character: what is within it takes time in proportion to the text. */
const STEPS_MAX = 256;

/** How many ways it can match, and what all of them take. */
type Work = { readonly ways: number; readonly steps: number };

const NONE: Work = { ways: 1, steps: 0 };
const ENDLESS: Work = { ways: Number.POSITIVE_INFINITY, steps: Number.POSITIVE_INFINITY };

/**
 * Whether it takes few steps from each character: nothing repeats without bound, but for what stands at the end, where
 * every way is a match and nobody goes back.
 */
export function isQuick(node: RegexNode): boolean {
  return lastWork(node).steps <= STEPS_MAX;
}

/** Part of a sequence that every match has in it and that is quick; its parts stand side by side. */
export type Needle = { readonly from: number; readonly to: number };

/** The needle that takes the most characters; null when none takes one. */
export function needleOf(parts: readonly RegexNode[]): Needle | null {
  let best: (Needle & { readonly characters: number }) | null = null;
  for (let from = 0; from < parts.length; from += 1) {
    let work = NONE;
    let characters = 0;
    for (const [at, part] of parts.entries()) {
      if (at < from) continue;
      work = after(work, workOf(part));
      characters += leastOf(part);
      if (work.steps > STEPS_MAX) break;
      if (characters > (best?.characters ?? 0)) best = { from, to: at + 1, characters };
    }
  }
  return best;
}

function workOf(node: RegexNode): Work {
  switch (node.kind) {
    case 'sequence':
      return node.parts.map(workOf).reduce(after, NONE);
    case 'choice':
      return either(node.parts.map(workOf));
    case 'group':
      return workOf(node.part);
    case 'repeat':
      return repeated(workOf(node.part), node);
    case 'reference':
    case 'look':
      return ENDLESS;
    default:
      return { ways: 1, steps: 1 };
  }
}

/** Of what nothing follows. */
function lastWork(node: RegexNode): Work {
  switch (node.kind) {
    case 'sequence': {
      const last = node.parts.at(-1);
      const before = node.parts.slice(0, -1).map(workOf).reduce(after, NONE);
      return last === undefined ? before : after(before, lastWork(last));
    }
    case 'choice':
      return either(node.parts.map(lastWork));
    case 'group':
      return lastWork(node.part);
    case 'repeat': {
      const once = workOf(node.part);
      const { min, max } = node;
      if (max !== Number.POSITIVE_INFINITY) return workOf(node);
      return after(repeated(once, { min, max: min }), once);
    }
    default:
      return workOf(node);
  }
}

const after = (first: Work, second: Work): Work => ({
  ways: first.ways * second.ways,
  steps: first.steps + first.ways * second.steps,
});

const either = (all: readonly Work[]): Work => ({
  ways: all.reduce((sum, { ways }) => sum + ways, 0),
  steps: all.reduce((sum, { steps }) => sum + steps + 1, 0),
});

function repeated(once: Work, { min, max }: { readonly min: number; readonly max: number }): Work {
  if (max === Number.POSITIVE_INFINITY) return ENDLESS;
  let rounds = NONE;
  let ways = min === 0 ? 1 : 0;
  for (let round = 1; round <= max; round += 1) {
    rounds = after(rounds, once);
    if (round >= min) ways += rounds.ways;
    if (rounds.steps > STEPS_MAX) return ENDLESS;
  }
  return { ways, steps: rounds.steps };
}

/** The fewest characters that it takes. */
function leastOf(node: RegexNode): number {
  switch (node.kind) {
    case 'set':
      return 1;
    case 'sequence':
      return node.parts.reduce((sum, part) => sum + leastOf(part), 0);
    case 'choice':
      return Math.min(...node.parts.map(leastOf));
    case 'repeat':
      return node.min * leastOf(node.part);
    case 'group':
      return leastOf(node.part);
    default:
      return 0;
  }
}
