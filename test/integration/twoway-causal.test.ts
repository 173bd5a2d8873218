/** Several replicas write and read at once, with and without a server: what each of them may and may not see. */
import { expect, onTestFinished, test } from 'vitest';
import { SeededRandom } from '../../src/bench/random.ts';
import type { WritableReplica } from '../../src/replica.ts';
import { type Note, readFile, TwowayBed } from '../support/twoway-bed.ts';

const SEED = 7;
const NAMES = ['a', 'b', 'c'];
const ROUNDS = 60;
const SHARED_KEYS = 5;

/** Owner -> how often it has written. */
type Vector = Readonly<Record<string, number>>;

/**
 * One replica and the reader beside it. Each has a row of its own, in which it counts its writes, and says what
 * it had seen of the others before; and everybody writes the shared rows.
 */
class Place {
  readonly name: string;
  readonly replica: WritableReplica;
  readonly wrong: string[] = [];
  looks = 0;
  #written = 0;
  #seen: Vector = {};
  readonly #bed: TwowayBed;
  readonly #random: SeededRandom;

  constructor(
    bed: TwowayBed,
    name: string,
    parts: { replica: WritableReplica; random: SeededRandom },
  ) {
    this.#bed = bed;
    this.name = name;
    this.replica = parts.replica;
    this.#random = parts.random;
    onTestFinished(this.replica.on('applied', () => this.look()));
  }

  /** P8, P9, P10 on one read transaction. */
  look(): Vector {
    this.looks += 1;
    const notes = readFile(
      this.#bed.stack.file(this.name),
      'SELECT id, n, body FROM note',
    ) as Note[];
    const own = notes.filter(({ id }) => id.startsWith('own-'));
    const now: Vector = Object.fromEntries(own.map(({ id, n }) => [id.slice(4), n ?? 0]));
    this.#require(this.#seen, now, 'P8: went back');
    this.#require({ [this.name]: this.#written }, now, 'P9: does not see its own write');
    for (const { id, body } of own) {
      this.#require(
        JSON.parse(body ?? '{}') as Vector,
        now,
        `P10: sees ${id}, but not what it had seen`,
      );
    }
    this.#seen = now;
    return now;
  }

  async write(): Promise<void> {
    const { [this.name]: _, ...others } = this.look();
    const n = this.#written + 1;
    const key = `shared-${this.#random.between(1, SHARED_KEYS)}`;
    const shared = this.#random.pick([
      `INSERT OR REPLACE INTO note (id, title, n) VALUES ('${key}', '${this.name}${n}', ${n})`,
      `UPDATE note SET title = '${this.name}${n}' WHERE id = '${key}'`,
      `UPDATE note SET body = '${this.name}${n}' WHERE id = '${key}'`,
      `DELETE FROM note WHERE id = '${key}'`,
    ]);
    await this.replica.transaction((db) => {
      db.exec(`INSERT INTO note (id, n, body) VALUES ('own-${this.name}', ${n}, '${JSON.stringify(others)}')
        ON CONFLICT (id) DO UPDATE SET n = excluded.n, body = excluded.body; ${shared}`);
    });
    this.#written = n;
    this.look();
  }

  #require(wanted: Vector, now: Vector, what: string): void {
    for (const [owner, n] of Object.entries(wanted)) {
      if ((now[owner] ?? 0) >= n) continue;
      this.wrong.push(`${this.name} ${what}: ${owner} is at ${now[owner] ?? 0}, not ${n}`);
    }
  }
}

test('P8 P9 P10 P11: readers never go back, see their own writes, and no write without what its author had seen', async () => {
  const bed = await TwowayBed.open();
  const random = new SeededRandom(SEED);
  const places: Place[] = [];
  for (const name of NAMES) {
    const replica = await bed.replica(name, { retryMsMax: 200 });
    places.push(new Place(bed, name, { replica, random }));
  }
  for (let round = 1; round <= ROUNDS; round += 1) {
    const place = random.pick(places);
    await place.write();
    if (random.between(1, 4) === 1) await place.replica.sync().catch(() => undefined); // also without a server
    if (random.between(1, 6) === 1) {
      const key = `shared-${random.between(1, SHARED_KEYS)}`;
      await bed.stack.sql.query(
        `INSERT INTO note (id, title) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET title = excluded.title`,
        [key, `pg${round}`],
      );
    }
    if (round % 20 === 10) await bed.stack.stop();
    if (round % 20 === 0) await bed.stack.start();
  }
  await bed.converge(...NAMES);
  for (const place of places) place.look();
  expect(places.flatMap(({ wrong }) => wrong)).toEqual([]);
  expect(Math.min(...places.map(({ looks }) => looks))).toBeGreaterThan(10);
});
