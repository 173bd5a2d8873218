/** Sender, receiver and verifier of Transicator's stress program, as its reference describes them. */
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { SeededRandom } from '../../../src/bench/random.ts';
import { OldReceiver } from './old-receiver.ts';

const WINDOW_BATCHES = 100;
const BATCH_ROWS_MAX = 99;
const CONTENT_BYTES_MAX = 2499;
const PAUSE_MS = 2000;
/** It looks at its full window so often. */
const WINDOW_POLL_MS = 5;

/** What it does first: the table with the default replica identity, an old one dropped. */
export const OLD_TABLE_SQL = `DROP TABLE IF EXISTS stress_table;
  CREATE TABLE stress_table (id integer PRIMARY KEY, grp integer NOT NULL, sequence integer NOT NULL,
    content bytea, last bool, _change_selector varchar NOT NULL)`;

export type PairOptions = {
  readonly postgres: string;
  readonly server: string;
  readonly file: string;
  readonly random: SeededRandom;
};

/** What its words would say: a clean pass has `Done verifying sender` and no failure. */
export type Verdict = { readonly rows: number; readonly failures: readonly string[] };

export class Pair {
  readonly selector: string;
  readonly receiver: OldReceiver;
  sent = 0;
  readonly #options: PairOptions;
  readonly #printed: string[] = [];
  #client: pg.Client | null = null;
  #open = 0;
  #isEnding = false;
  #sending: Promise<void> = Promise.resolve();

  constructor(options: PairOptions) {
    const { random, server, file } = options;
    this.#options = options;
    this.selector = String(random.between(1, 2 ** 40));
    const onLast = (): void => {
      this.#open -= 1;
    };
    this.receiver = new OldReceiver({ server, selector: this.selector, file, onLast });
  }

  /** Both at once: the snapshot races the first rows. */
  start(): void {
    this.receiver.start();
    this.#sending = this.#send();
    this.#sending.catch(() => undefined); // told by `end`
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#sending;
    await this.receiver.end();
    await this.#client?.end().catch(() => undefined);
  }

  /** Rows of Postgres against rows of SQLite, in the same order; contents byte for byte. */
  async verify(): Promise<Verdict> {
    const client = new pg.Client(this.#options.postgres);
    await client.connect();
    const { rows } = await client.query<{ content: Buffer | null }>(
      'SELECT id, grp, content FROM stress_table WHERE _change_selector = $1 ORDER BY id, grp',
      [this.selector],
    );
    await client.end();
    const db = new DatabaseSync(this.#options.file, { readOnly: true });
    const local = db.prepare('SELECT content FROM stress_table ORDER BY id, grp').all();
    db.close();
    const failures = [...this.receiver.printed, ...this.#printed].filter((line) =>
      /Error handling|uknown table|Can't select|Error scanning/.test(line),
    );
    if (rows.length > local.length) failures.push('More Postgres rows than SQLite rows');
    if (rows.length < local.length) failures.push('More SQLite rows than Postgres rows');
    rows.forEach(({ content }, index) => {
      const other = (local[index]?.content ?? null) as Uint8Array | null;
      const [a, b] = [content ?? Buffer.alloc(0), other ?? Buffer.alloc(0)];
      if (!Buffer.from(a).equals(b)) failures.push(`row ${index}: content does not match`);
    });
    return { rows: rows.length, failures: failures.slice(0, 20) };
  }

  async #send(): Promise<void> {
    for (let group = 1; !this.#isEnding; group += 1) {
      while (this.#open >= WINDOW_BATCHES && !this.#isEnding) await sleep(WINDOW_POLL_MS);
      const count = this.#options.random.between(0, BATCH_ROWS_MAX);
      for (let sequence = 0; sequence < count && !this.#isEnding; sequence += 1) {
        await this.#insert({ group, sequence, isLast: false });
      }
      if (await this.#insert({ group, sequence: count, isLast: true })) this.#open += 1;
    }
  }

  /** False when Postgres refused it, or went away. */
  async #insert(row: { group: number; sequence: number; isLast: boolean }): Promise<boolean> {
    const { random } = this.#options;
    const id = random.between(-(2 ** 31), 2 ** 31 - 1);
    const size = random.between(0, CONTENT_BYTES_MAX);
    const content = row.isLast
      ? null
      : Buffer.from(Array.from({ length: size }, () => random.between(0, 255)));
    try {
      const client = await this.#connected();
      await client.query('INSERT INTO stress_table VALUES ($1, $2, $3, $4, $5, $6)', [
        ...[id, row.group, row.sequence, content, row.isLast, this.selector],
      ]);
      this.sent += 1;
      return true;
    } catch (error) {
      this.#printed.push(`Fatal error: ${String(error)}. Retrying`);
      if ((error as { code?: string }).code === '23505') return false; // a number came twice
      this.#client = null;
      await sleep(PAUSE_MS);
      return false;
    }
  }

  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = new pg.Client(this.#options.postgres);
    client.on('error', () => undefined); // its next query tells
    await client.connect();
    this.#client = client;
    return client;
  }
}
