/**
 * kill -9 of server and replica at random moments, in a loop, while three writers go on. The plan is seeded:
 * which is killed after how many more commits.
 */
import { DatabaseSync } from 'node:sqlite';
import { expect, inject, onTestFinished, test } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { CrashBed, eventsOf, TOTAL_SQL } from '../support/crash-bed.ts';
import { until } from '../support/stack.ts';
import { COUNTRIES, TOTAL } from '../support/workload.ts';
import { Writers } from '../support/writers.ts';

const SEED = 4711;
const COMMITS_MAX = 150;
const LOOK_MS_MAX = 60_000;

type Target = 'the server' | 'a replica' | 'both';

test.each<readonly [Target, number]>([
  ['the server', 6],
  ['a replica', 6],
  ['both', 4],
])(
  `P1, P2, P3, P4, P5, P29: %s killed %i times under load, seed ${SEED}`,
  async (target, rounds) => {
    const bed = await CrashBed.open({ postgresUrl: inject('postgresUrl'), seed: SEED });
    onTestFinished(() => bed.close());
    await bed.startServer();
    await bed.follow('fr', ['FR']);
    const timeline = await bed.timeline();
    const name = 'all';
    let child = bed.startReplica(name, COUNTRIES);
    onTestFinished(() => child.kill());
    await child.first('ready');
    const clients = [await bed.stack.client(), await bed.stack.client(), await bed.stack.client()];
    const writers = new Writers(clients, SEED);
    const reader = new Reader(bed.stack.file(name));
    const resyncs: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await writers.wrote(bed.random.between(1, COMMITS_MAX));
      if (target !== 'a replica') await bed.server.kill();
      if (target !== 'the server') await child.kill();
      await writers.wrote(bed.random.between(1, COMMITS_MAX));
      const before = reader.position;
      await bed.startServer();
      resyncs.push(...eventsOf(child, 'resync'));
      if (!child.isAlive) child = bed.startReplica(name, COUNTRIES);
      // In between, the next kill comes whatever the last one's victim is doing.
      if (round % 2 === 0) continue;
      await until('the replica goes on', () => reader.position > before, 30_000);
    }
    await writers.stop();
    await bed.startAgain();
    await bed.expectEqual();
    await bed.expectChildEqual(child, name, COUNTRIES);
    const looks = await reader.stop();
    expect(looks).toBeGreaterThan(100);
    expect([...resyncs, ...eventsOf(child, 'resync'), ...bed.resyncs]).toEqual([]);
    expect(await bed.timeline()).toBe(timeline);
  },
  120_000,
);

/** Reads the file all the while: the sum over two tables never changes, the position never goes back. */
class Reader {
  position = 0;
  readonly #db: DatabaseSync;
  readonly #watch: Promise<void>;
  #looks = 0;
  #isDone = false;

  constructor(file: string) {
    this.#db = new DatabaseSync(file, { readOnly: true });
    const sql = this.#db.prepare(
      `SELECT (SELECT position FROM tidelock_replica) AS position, t.total FROM (${TOTAL_SQL}) t`,
    );
    this.#watch = until(
      'the reader is stopped',
      () => {
        this.#look(sql.get());
        return this.#isDone;
      },
      LOOK_MS_MAX * 2,
    );
    this.#watch.catch(() => undefined); // told by `stop`
  }

  /** The number of looks; rejects when one of them saw something wrong. */
  async stop(): Promise<number> {
    this.#isDone = true;
    await this.#watch;
    this.#db.close();
    return this.#looks;
  }

  #look(row: ReturnType<ReturnType<DatabaseSync['prepare']>['get']>): void {
    const position = parseLsn(String(row?.position), 'position');
    expect(row?.total).toBe(TOTAL);
    expect(position).toBeGreaterThanOrEqual(this.position);
    this.position = position;
    this.#looks += 1;
  }
}
