/**
 * The live load of the demo: a few writers, each with a connection and rows of its own, so that transactions
 * interleave and yet the same seed leads to the same rows.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PgSession } from '../../postgres/session.ts';
import { SeededRandom } from '../random.ts';
import { together } from '../until.ts';
import {
  Atlas,
  FOUNDED_ID_MIN,
  type Plan,
  type Relocation,
  type TransactionKind,
} from './atlas.ts';
import type { City } from './places.ts';

const WRITERS = 3;
const TRANSACTIONS_PER_WRITER = 170;
const DURATION_MS = 6000;
/** Number of the one transaction of each writer that changes many rows. */
const BULK_AT = 30;
/** Places that the rolled-back transaction founds. */
const ROLLED_BACK_ROWS = 50;

export const TRANSACTIONS = WRITERS * TRANSACTIONS_PER_WRITER;

const APPLICATION_NAME = 'tidelock demo';

const CITIES_SQL = 'SELECT * FROM city WHERE country = ANY ($1) ORDER BY id';
const KINDS_SQL = 'SELECT code, edits FROM kind ORDER BY code';
const FREE_IDS_SQL = `
  SELECT (SELECT greatest(max(id) + 1, $1::int4) FROM city) AS city,
    (SELECT coalesce(max(id), 0) + 1 FROM relocation) AS relocation`;
const SEEN_SQL = 'SELECT count(*) AS rows FROM city WHERE id = ANY ($1::int4[])';

export type WorkloadOptions = {
  readonly url: string;
  readonly countries: readonly string[];
  readonly seed: number;
};

type Writer = {
  readonly session: PgSession;
  readonly atlas: Atlas;
  readonly random: SeededRandom;
};

/** What the writers know that they have written. */
export type Written = {
  readonly cities: ReadonlyMap<number, City | null>;
  readonly relocations: readonly Relocation[];
  readonly kinds: ReadonlyMap<string, number>;
};

export type RolledBack = {
  /** Keys that must be nowhere. */
  readonly ids: readonly number[];
  /** Rows of them that its own transaction saw before it was rolled back. */
  readonly seenInside: number;
};

export class Workload {
  /** Called after every commit. */
  onCommitted: (() => void) | null = null;
  readonly #writers: readonly Writer[];
  readonly #kinds = {
    insert: 0,
    update: 0,
    delete: 0,
    move: 0,
    relocation: 0,
    bulk: 0,
    everyone: 0,
  };
  readonly #byCountry = new Map<string, number>();
  #transactions = 0;
  #changes = 0;
  #durationMs = 0;
  #rolledBack: RolledBack | null = null;

  private constructor(writers: readonly Writer[]) {
    this.#writers = writers;
  }

  /** Connects, and reads which rows there are. */
  static async prepare(options: WorkloadOptions): Promise<Workload> {
    const sessions: PgSession[] = [];
    for (let index = 0; index < WRITERS; index += 1) sessions.push(await connect(options.url));
    const [reader] = sessions;
    if (reader === undefined) return new Workload([]);
    const countries = `{${options.countries.join()}}`;
    const cities = (await reader.query(CITIES_SQL, [countries])).map(cityOf);
    const kinds = await reader.query(KINDS_SQL);
    const free = await reader.queryOne(FREE_IDS_SQL, [`${FOUNDED_ID_MIN}`]);
    const writers = sessions.map((session, writer) => {
      const random = new SeededRandom(options.seed * WRITERS + writer);
      const isMine = (_: unknown, index: number): boolean => index % WRITERS === writer;
      const atlas = new Atlas({
        ...{ random, countries: options.countries, step: WRITERS },
        cities: cities.filter(isMine),
        kinds: kinds.filter(isMine).map(({ code, edits }) => ({
          code: code ?? '',
          edits: Number(edits),
        })),
        cityId: Number(free.city) + writer,
        relocationId: Number(free.relocation) + writer,
      });
      return { session, atlas, random };
    });
    return new Workload(writers);
  }

  /** Committed so far. */
  get transactions(): number {
    return this.#transactions;
  }

  get changes(): number {
    return this.#changes;
  }

  /** Committed transactions by kind. */
  get kinds(): Readonly<Record<TransactionKind, number>> {
    return { ...this.#kinds };
  }

  get durationMs(): number {
    return this.#durationMs;
  }

  /** Committed transactions of which a country's replica gets something. */
  transactionsOf(country: string): number {
    return this.#byCountry.get(country) ?? 0;
  }

  /** What was written, as the writers themselves know it. Complete when `run` has ended. */
  get written(): Written {
    const atlases = this.#writers.map(({ atlas }) => atlas);
    return {
      cities: new Map(atlases.flatMap(({ written }) => [...written])),
      relocations: atlases.flatMap(({ relocations }) => relocations),
      kinds: new Map(atlases.flatMap(({ writtenKinds }) => [...writtenKinds])),
    };
  }

  /** What must be nowhere. Null until the transaction was rolled back. */
  get rolledBack(): RolledBack | null {
    return this.#rolledBack;
  }

  /** Runs all transactions, evenly over a few seconds; half-way one of them is rolled back. */
  async run(signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const tasks = this.#writers.map((writer, index) => (anySignal: AbortSignal) => {
      const rollBackAt = index === 0 ? TRANSACTIONS_PER_WRITER / 2 : -1;
      return this.#write(writer, { start, rollBackAt, signal: anySignal });
    });
    await together(signal, tasks);
    this.#durationMs = performance.now() - start;
  }

  async close(): Promise<void> {
    await Promise.all(this.#writers.map(({ session }) => session.end()));
  }

  async #write({ session, atlas, random }: Writer, run: Run): Promise<void> {
    const gapMs = DURATION_MS / TRANSACTIONS_PER_WRITER;
    for (let index = 0; index < TRANSACTIONS_PER_WRITER; index += 1) {
      const dueMs = run.start + (index + random.next()) * gapMs;
      const { signal } = run;
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal });
      if (index === run.rollBackAt) this.#rolledBack = await rollBack(session, atlas);
      await this.#commit(session, index === BULK_AT ? atlas.plan('bulk') : atlas.next());
    }
  }

  async #commit(session: PgSession, plan: Plan): Promise<void> {
    await session.query('BEGIN');
    for (const { sql, params } of plan.statements) await session.query(sql, params);
    await session.query('COMMIT');
    this.#transactions += 1;
    this.#changes += plan.changes;
    this.#kinds[plan.kind] += 1;
    for (const country of plan.countries) {
      this.#byCountry.set(country, this.transactionsOf(country) + 1);
    }
    this.onCommitted?.();
  }
}

type Run = {
  readonly start: number;
  /** Number of the transaction before which another one is rolled back; -1 for none. */
  readonly rollBackAt: number;
  readonly signal: AbortSignal;
};

/** Writes rows in a transaction that looks at them and is then rolled back. */
async function rollBack(session: PgSession, atlas: Atlas): Promise<RolledBack> {
  const { ids, statements } = atlas.planRolledBack(ROLLED_BACK_ROWS);
  await session.query('BEGIN');
  for (const { sql, params } of statements) await session.query(sql, params);
  const { rows } = await session.queryOne(SEEN_SQL, [`{${ids.join()}}`]);
  await session.query('ROLLBACK');
  return { ids, seenInside: Number(rows) };
}

/** A plain connection to the demo's tables. */
export function connect(url: string): Promise<PgSession> {
  return PgSession.connect({
    url,
    applicationName: APPLICATION_NAME,
    settings: { search_path: 'public' },
  });
}

function cityOf(row: Readonly<Record<string, string | null>>): City {
  const { id, name, country, admin, kind, population, lat, lon } = row;
  return {
    ...{ id: Number(id), name: name ?? '', country: country ?? '', admin: admin ?? '' },
    ...{ kind: kind ?? '', population: Number(population), lat: Number(lat), lon: Number(lon) },
  };
}
