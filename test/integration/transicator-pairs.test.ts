/**
 * Transicator's own stress, as its reference describes it: it makes its table itself, with the default replica
 * identity, while the server runs; senders insert, receivers poll, and in the end Postgres and SQLite are compared.
 * A clean pass: every sender is verified, and nothing was printed that means failure.
 */
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import { startOwnPostgres } from '../../src/bench/script/own-postgres.ts';
import { until } from '../support/stack.ts';
import { OLD_TABLE_SQL, Pair } from '../support/transicator/pair.ts';
import { Served } from '../support/transicator/served.ts';

const FLAGS = ['--transicator-naming', 'both'];

async function startPairs(served: Served, count: number, seed: number): Promise<readonly Pair[]> {
  const client = new pg.Client(served.stack.url);
  await client.connect();
  await client.query(OLD_TABLE_SQL);
  await client.end();
  const pairs = Array.from({ length: count }, (_, index) => {
    const random = new SeededRandom(seed * 100 + index);
    const file = served.stack.file(`pair-${index}`);
    return new Pair({ postgres: served.stack.url, server: served.url, file, random });
  });
  for (const pair of pairs) pair.start();
  onTestFinished(async () => {
    for (const pair of pairs) await pair.receiver.kill();
  });
  return pairs;
}

/** Every pair has sent and applied so many rows more. */
async function flowed(pairs: readonly Pair[], rows: number): Promise<void> {
  const goals = pairs.map(({ sent, receiver }) => [sent + rows, receiver.applied + rows] as const);
  await until(
    `${rows} rows more`,
    () =>
      pairs.every(({ sent, receiver }, index) => {
        const [sentGoal = 0, appliedGoal = 0] = goals[index] ?? [];
        return sent >= sentGoal && receiver.applied >= appliedGoal;
      }),
    60_000,
  );
}

async function expectClean(pairs: readonly Pair[]): Promise<void> {
  const start = performance.now();
  await Promise.all(pairs.map((pair) => pair.end()));
  const tailS = (performance.now() - start) / 1000;
  let total = 0;
  for (const pair of pairs) {
    const { rows, failures } = await pair.verify();
    expect(failures).toEqual([]);
    expect(rows).toBeGreaterThan(0);
    total += rows;
  }
  console.log(`Done verifying ${pairs.length} senders: ${total} rows, tail ${tailS.toFixed(1)} s`);
}

test('a stress program as the original passes clean with one pair', async () => {
  const served = await Served.open({ schema: '', flags: FLAGS });
  const pairs = await startPairs(served, 1, 1);
  await flowed(pairs, 2000);
  await expectClean(pairs);
}, 120_000);

test('a stress program as the original passes clean with four pairs, twice', async () => {
  const served = await Served.open({ schema: '', flags: FLAGS });
  for (const seed of [2, 3]) {
    const pairs = await startPairs(served, 4, seed);
    await flowed(pairs, 500);
    await expectClean(pairs);
  }
}, 180_000);

test.each([1, 4])(
  'P29: it passes clean with %i pairs while the server is killed three times and Postgres once',
  async (count) => {
    const own = await startOwnPostgres({});
    onTestFinished(() => own.end());
    const served = await Served.open({
      schema: '',
      flags: FLAGS,
      postgresUrl: own.postgres.url,
    });
    const pairs = await startPairs(served, count, 10 + count);
    await flowed(pairs, 200);
    for (let kill = 0; kill < 3; kill += 1) {
      await served.killAndStart();
      await flowed(pairs, 100);
    }
    own.postgres.kill();
    await own.postgres.restart();
    await served.stack.reconnect();
    await flowed(pairs, 200);
    await expectClean(pairs);
    const refused = pairs.flatMap(({ receiver }) => receiver.printed);
    expect(refused.length).toBeGreaterThan(0); // they did notice
  },
  240_000,
);
