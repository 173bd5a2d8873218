/** Planted bugs: the model must catch each of them, by the rule that it breaks. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { COORDINATOR_BUGS } from '../../../src/bench/sim/coordinator-bugs.ts';
import { story } from './model/actions.ts';
import { play } from './model/play.ts';

const TIMEOUT_MS = 60_000;
/** Stories that a mutant may survive before it counts as not caught. */
const STORIES_MAX = 6000;

test.each(COORDINATOR_BUGS)(
  'P31: the model catches it when $name',
  ({ step: mutant, caughtBy }) => {
    const property = fc.property(story(300), (one) => {
      play(one, mutant);
    });
    const outcome = fc.check(property, { seed: 1, numRuns: STORIES_MAX, endOnFailure: true });
    expect(String(outcome.errorInstance)).toMatch(caughtBy);
  },
  TIMEOUT_MS,
);
