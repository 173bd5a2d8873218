/** What befalls a database is drawn before the run; what goes wrong is explained by it, or not. */
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { NETWORK_FAULTS, WRITE_FAULTS } from '../../../../src/bench/proxy/fault-proxy.ts';
import { SeededRandom } from '../../../../src/bench/random.ts';
import { plantedTwowayBug } from '../../../../src/bench/twoway/bugs/planted.ts';
import { deckOf, networkDeck, Schedule } from '../../../../src/bench/twoway/disturbances.ts';
import { type FaultLevel, userOf, usersOf } from '../../../../src/bench/twoway/options.ts';
import { stepsOf } from '../../../../src/bench/twoway/steps.ts';
import { tableNameOf } from '../../../../src/bench/twoway/table.ts';
import { Spells, troubleOf } from '../../../../src/bench/twoway/troubles.ts';
import { ask } from '../../../../src/cli/stress-questions.ts';

const STEPS = stepsOf(20, true);

function leaves(level: FaultLevel, seed: number): readonly string[] {
  const schedule = new Schedule(level, { seed, database: 1, steps: STEPS });
  return STEPS.map((step) => JSON.stringify([schedule.take(step), schedule.isOffline(step)]));
}

test('the same seed gives the same kills and offline stretches, another one others', () => {
  expect(leaves('harsh', 7)).toEqual(leaves('harsh', 7));
  expect(leaves('harsh', 7)).not.toEqual(leaves('harsh', 8));
});

test('harsh kills between steps and in them, mild only takes the network away, none does nothing', () => {
  const harsh = leaves('harsh', 3).join();
  for (const word of ['"kill"', '"kill-during"', '"isOffline":true']) expect(harsh).toContain(word);
  expect(leaves('mild', 3).join()).toContain('"isOffline":true');
  expect(leaves('mild', 3).join()).not.toContain('kill');
  expect(new Set(leaves('none', 3))).toEqual(new Set(['[{"kind":"go","isOffline":false},false]']));
});

test('a database is not offline in the last iteration, and a kill comes once', () => {
  const schedule = new Schedule('harsh', { seed: 5, database: 2, steps: STEPS });
  expect(
    STEPS.filter(({ iteration }) => iteration === 20).some((step) => schedule.isOffline(step)),
  ).toBe(false);
  for (const step of STEPS) schedule.take(step);
  expect(STEPS.map((step) => schedule.take(step).kind)).not.toContain('kill');
});

test('each fault of the network comes before one comes twice', () => {
  const draw = networkDeck('harsh', new SeededRandom(1));
  expect(new Set(NETWORK_FAULTS.map(() => draw()))).toEqual(new Set(NETWORK_FAULTS));
});

test('faults of uploads come first, so that a short run has met them', () => {
  for (const seed of [1, 2, 3]) {
    const draw = networkDeck('harsh', new SeededRandom(seed));
    expect(new Set([draw(), draw(), draw()])).toEqual(new Set(WRITE_FAULTS));
  }
  expect(deckOf<string>([[]], new SeededRandom(1))()).toBeNull();
});

test('two databases have one user, and there is always a stranger', () => {
  expect([1, 2, 3, 4, 5].map(userOf)).toEqual([1, 1, 2, 2, 3]);
  expect([usersOf(2), usersOf(5)]).toEqual([
    [1, 2],
    [1, 2, 3],
  ]);
});

test('an error of the network is explained by a fault of that database at that time, a lock never', () => {
  const spells = new Spells();
  spells.begin(1, 1000).toMs = 2000;
  const of = (database: number, t: number, code: string): boolean =>
    troubleOf({ t, database, iteration: 1, code, message: 'x' }, spells).isExpected;
  expect(of(1, 1500, 'SERVER_UNREACHABLE')).toBe(true);
  expect(of(1, 500, 'SERVER_UNREACHABLE')).toBe(false);
  expect(of(2, 1500, 'SERVER_UNREACHABLE')).toBe(false);
  expect(of(1, 1500, 'SQLITE database is locked')).toBe(false);
  expect(of(1, 1500, 'CRASH')).toBe(false);
  expect(of(1, 1500, 'TOKEN_INVALID')).toBe(false);
});

test('the table is named by its statement', () => {
  expect(tableNameOf('CREATE TABLE notes (id text)')).toBe('public.notes');
  expect(tableNameOf('create table if not exists App."My Notes" (id text)')).toBe('app.My Notes');
  expect(() => tableNameOf('DROP TABLE notes')).toThrow('no CREATE TABLE');
});

test('a bug is planted only when flag and environment name it', () => {
  const bug = 'tie-by-arrival';
  expect(plantedTwowayBug(undefined, {})).toBeNull();
  expect(plantedTwowayBug(bug, { TIDELOCK_PLANT: bug })).toBe(bug);
  expect(() => plantedTwowayBug(bug, {})).toThrow('only where TIDELOCK_PLANT');
  expect(() => plantedTwowayBug('no-bug', { TIDELOCK_PLANT: 'no-bug' })).toThrow('there is no bug');
});

test('the questions are asked as one set; an empty answer is the default, a wrong one is asked for again', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const answers = ['', '', 'huge', 'medium', 'y', '', 'conflict', 'mild'];
  output.on('data', (text: Buffer) => {
    if (text.toString().endsWith(': ')) input.write(`${answers.shift() ?? ''}\n`);
  });
  expect(await ask(input, output)).toEqual({
    ...{ scale: 'medium', rls: true, workload: 'conflict', faults: 'mild' },
  });
  expect(answers).toEqual([]);
});
