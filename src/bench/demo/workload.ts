/**
 * The live load of the demo: a few writers, each with a connection and rows of its own, so that transactions
 * interleave and yet the same seed leads to the same rows. They write through the stress' own writer, which
 * notes every transaction in the evidence before it is sent.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PgSession } from '../../postgres/session.ts';
import { SeededRandom } from '../random.ts';
import type { EvidenceWriter } from '../stress/evidence-writer.ts';
import type { Job } from '../stress/job.ts';
import { Writer } from '../stress/writer.ts';
import { together } from '../until.ts';
import { Atlas, FOUNDED_ID_MIN, type Plan, type Statement, type TransactionKind } from './atlas.ts';
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
const KINDS_SQL = 'SELECT code, meaning, edits FROM kind ORDER BY code';
const FREE_IDS_SQL = `
  SELECT (SELECT greatest(max(id) + 1, $1::int4) FROM city) AS city,
    (SELECT coalesce(max(id), 0) + 1 FROM relocation) AS relocation`;

export type WorkloadOptions = {
  readonly session: PgSession;
  readonly url: string;
  readonly countries: readonly string[];
  readonly seed: number;
  readonly evidence: EvidenceWriter;
  readonly signal: AbortSignal;
};

type Author = {
  readonly name: string;
  readonly writer: Writer;
  readonly atlas: Atlas;
  readonly random: SeededRandom;
};

export class Workload {
  /** Called after every commit. */
  onCommitted: (() => void) | null = null;
  readonly #authors: readonly Author[];
  readonly #kinds = {
    insert: 0,
    update: 0,
    delete: 0,
    move: 0,
    relocation: 0,
    bulk: 0,
    everyone: 0,
  };
  #transactions = 0;
  #changes = 0;
  #rolledBackRows = 0;
  #durationMs = 0;

  private constructor(authors: readonly Author[]) {
    this.#authors = authors;
  }

  /** Reads which rows there are. */
  static async prepare(options: WorkloadOptions): Promise<Workload> {
    const { session, url, seed, evidence, signal } = options;
    const countries = `{${options.countries.join()}}`;
    const cities = (await session.query(CITIES_SQL, [countries])).map(cityOf);
    const kinds = await session.query(KINDS_SQL);
    const free = await session.queryOne(FREE_IDS_SQL, [`${FOUNDED_ID_MIN}`]);
    const authors = Array.from({ length: WRITERS }, (_, index) => {
      const name = `writer-${index + 1}`;
      const random = new SeededRandom(seed * WRITERS + index);
      const isMine = (_: unknown, place: number): boolean => place % WRITERS === index;
      const atlas = new Atlas({
        ...{ random, countries: options.countries, step: WRITERS, now: () => new Date() },
        cities: cities.filter(isMine),
        kinds: kinds.filter(isMine).map(({ code, meaning, edits }) => ({
          ...{ code: code ?? '', meaning: meaning ?? '', edits: Number(edits) },
        })),
        cityId: Number(free.city) + index,
        relocationId: Number(free.relocation) + index,
      });
      const writer = new Writer({ url, process: name, evidence, signal });
      return { name, writer, atlas, random };
    });
    return new Workload(authors);
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

  /** Rows of the transaction that was rolled back; 0 until it was. */
  get rolledBackRows(): number {
    return this.#rolledBackRows;
  }

  /** Runs all transactions, evenly over a few seconds; half-way one of them is rolled back. */
  async run(signal: AbortSignal): Promise<void> {
    const start = performance.now();
    const tasks = this.#authors.map((author, index) => (anySignal: AbortSignal) => {
      const rollBackAt = index === 0 ? TRANSACTIONS_PER_WRITER / 2 : -1;
      return this.#write(author, { start, rollBackAt, signal: anySignal });
    });
    await together(signal, tasks);
    this.#durationMs = performance.now() - start;
  }

  async close(): Promise<void> {
    await Promise.all(this.#authors.map(({ writer }) => writer.end()));
  }

  async #write({ name, writer, atlas, random }: Author, run: Run): Promise<void> {
    const gapMs = DURATION_MS / TRANSACTIONS_PER_WRITER;
    for (let index = 0; index < TRANSACTIONS_PER_WRITER; index += 1) {
      const dueMs = run.start + (index + random.next()) * gapMs;
      const { signal } = run;
      await sleep(Math.max(0, dueMs - performance.now()), undefined, { signal });
      if (index === run.rollBackAt) await this.#rollBack(writer, atlas, `${name}/undone`);
      const plan = index === BULK_AT ? atlas.plan('bulk') : atlas.next();
      await this.#commit(writer, plan, `${name}/${index + 1}`);
    }
  }

  async #commit(writer: Writer, plan: Plan, tx: string): Promise<void> {
    const open = await writer.open(jobOf(tx, plan.statements, { isDoomed: false }));
    if (open === null || (await writer.finish(open)) !== 'committed') return;
    this.#transactions += 1;
    this.#changes += plan.changes;
    this.#kinds[plan.kind] += 1;
    this.onCommitted?.();
  }

  async #rollBack(writer: Writer, atlas: Atlas, tx: string): Promise<void> {
    const { ids, statements } = atlas.planRolledBack(ROLLED_BACK_ROWS);
    const open = await writer.open(jobOf(tx, statements, { isDoomed: true }));
    if (open !== null) await writer.finish(open);
    this.#rolledBackRows = ids.length;
  }
}

type Run = {
  readonly start: number;
  /** Number of the transaction before which another one is rolled back; -1 for none. */
  readonly rollBackAt: number;
  readonly signal: AbortSignal;
};

function jobOf(
  tx: string,
  statements: readonly Statement[],
  { isDoomed }: { readonly isDoomed: boolean },
): Job {
  return {
    ...{ tx, group: 0, isDoomed, isEnd: false },
    prepare: async () => ({
      changes: statements.flatMap(({ changes }) => changes),
      undone: null,
      perform: async (session) => {
        for (const { sql, params } of statements) await session.query(sql, params);
      },
    }),
    // Nothing crashes Postgres here: what it calls committed is.
    isWritten: async () => true,
  };
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
