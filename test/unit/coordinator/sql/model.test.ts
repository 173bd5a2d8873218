/** The coordinator of SQL against a small worker: any interleaving of clients, messages, growth and clock. */
import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { loadPgParser } from '../../../../src/sql/pg-parser.ts';
import { Play } from './model/play.ts';
import { OPENING, story } from './model/stories.ts';

const RUNS = 150;

beforeAll(() => loadPgParser());

test('in any interleaving the invariants hold, answers are right for their times, and times keep the order in which they were told', () => {
  const seen = new Map<string, number>();
  fc.assert(
    fc.property(story, (actions) => {
      const play = new Play();
      play.open(OPENING);
      for (const action of actions) play.do(action);
      play.end();
      for (const [what, count] of play.seen) seen.set(what, (seen.get(what) ?? 0) + count);
    }),
    { numRuns: RUNS },
  );
  for (const what of ['rows', 'inserted', 'canceled', 'created', 'dropped', 'streamRows', 'fail']) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0);
  }
});
