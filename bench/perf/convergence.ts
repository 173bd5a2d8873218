/**
 * How long databases that were written to offline need until all are equal: each has written rows of its own, the server
 * comes, and time runs until every file shows all rows of all. Against the least that any program has to do for it: one
 * INSERT of each database's rows into Postgres, one SELECT of all rows for each, one transaction of inserts into each file.
 *
 *   node bench/perf/convergence.ts [--rounds 3] [--rows 2000] [--databases 2,4,8]
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { openEngine, type RunningEngine } from '../../src/engine/engine.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { openReplicaWith, type WritableReplica } from '../../src/replica.ts';
import { systemClock } from '../../src/server/clock.ts';
import { DEFAULT_LIMITS, NO_TOKENS } from '../../src/server/config.ts';
import { createLog } from '../../src/server/log.ts';
import { createServer, type TidelockServer } from '../../src/server/server.ts';
import { compare, print } from './lib/measure.ts';
import { BenchSource } from './lib/source.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    rows: { type: 'string', default: '2000' },
    databases: { type: 'string', default: '2,4,8' },
  },
});
const rounds = Number(values.rounds);
const rowCount = Number(values.rows);

const COLUMNS = "(id text PRIMARY KEY, user_id text NOT NULL DEFAULT '', name text, value int)";
const WAIT_MS_MAX = 120_000;

type Row = readonly [id: string, user: string, name: string, value: number];

function rowsOf(database: number, round: number): readonly Row[] {
  return Array.from({ length: rowCount }, (_, at): Row => {
    return [`db${database}_r${round}_${at}`, `user ${database}`, `name ${at}`, at];
  });
}

class Bed {
  readonly #source: BenchSource;
  readonly #engine: RunningEngine;
  #server: TidelockServer | null = null;
  #port = 0;

  constructor(source: BenchSource, engine: RunningEngine) {
    this.#source = source;
    this.#engine = engine;
  }

  async listen(): Promise<string> {
    this.#server = createServer({
      ...{ engine: this.#engine, clock: systemClock, log: createLog('silent', () => undefined) },
      config: {
        ...{ host: '127.0.0.1', port: this.#port, heartbeatS: 5 },
        ...{ tokens: NO_TOKENS, limits: DEFAULT_LIMITS },
      },
    });
    const { url } = await this.#server.listen();
    this.#port = Number(new URL(url).port);
    return url;
  }

  async hangUp(): Promise<void> {
    await this.#server?.close();
    this.#server = null;
  }

  /** Rows that reached files, in all of them, per second. */
  async ours(databases: number, round: number): Promise<number> {
    await this.#source.sql.query('DELETE FROM versioned');
    const server = await this.listen();
    const files = Array.from({ length: databases }, (_, at) => this.#file(`db${at}`));
    const replicas = await Promise.all(
      files.map((file) => openReplicaWith({ server, file, write: true }, { retryMsMax: 100 })),
    );
    try {
      await Promise.all(replicas.map((replica) => replica.check({ timeoutMs: WAIT_MS_MAX })));
      await this.hangUp();
      for (const [at, replica] of replicas.entries()) await write(replica, rowsOf(at, round));
      const startMs = performance.now();
      await this.listen();
      await Promise.all(replicas.map(sync));
      await Promise.all(replicas.map((replica) => replica.check({ timeoutMs: WAIT_MS_MAX })));
      const elapsedMs = performance.now() - startMs;
      for (const file of files) requireAll(file, 'versioned', databases * rowCount);
      return (databases * databases * rowCount * 1000) / elapsedMs;
    } finally {
      for (const replica of replicas) await replica.close();
      await this.hangUp();
    }
  }

  async least(databases: number, round: number): Promise<number> {
    const { sql } = this.#source;
    await sql.query('DELETE FROM plain');
    const files = Array.from({ length: databases }, (_, at) => this.#file(`plain${at}`));
    const stores = files.map((file) => new DatabaseSync(file));
    for (const store of stores)
      store.exec(
        `PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE plain ${COLUMNS}`,
      );
    const startMs = performance.now();
    for (let at = 0; at < databases; at += 1) {
      const rows = rowsOf(at, round);
      await sql.query(
        'INSERT INTO plain SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::int[])',
        [0, 1, 2, 3].map((place) => rows.map((row) => row[place])),
      );
    }
    for (const store of stores) {
      const { rows } = await sql.query<{
        id: string;
        user_id: string;
        name: string;
        value: number;
      }>('SELECT * FROM plain');
      const insert = store.prepare('INSERT INTO plain VALUES (?, ?, ?, ?)');
      store.exec('BEGIN');
      for (const { id, user_id, name, value } of rows) insert.run(id, user_id, name, value);
      store.exec('COMMIT');
    }
    const elapsedMs = performance.now() - startMs;
    for (const store of stores) store.close();
    for (const file of files) requireAll(file, 'plain', databases * rowCount);
    return (databases * databases * rowCount * 1000) / elapsedMs;
  }

  #file(name: string): string {
    const file = this.#source.folder(`${name}.sqlite`);
    for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
    return file;
  }
}

async function write(replica: WritableReplica, rows: readonly Row[]): Promise<void> {
  await replica.transaction((db) => {
    const insert = db.prepare('INSERT INTO versioned VALUES (?, ?, ?, ?)');
    for (const row of rows) insert.run(...row);
  });
}

/** A try of before the server came may still end in vain. */
async function sync(replica: WritableReplica): Promise<void> {
  const end = performance.now() + WAIT_MS_MAX;
  while (replica.pending > 0) {
    await replica.sync({ timeoutMs: WAIT_MS_MAX }).catch((error: unknown) => {
      if (performance.now() > end) throw error;
    });
  }
}

function requireAll(file: string, table: string, rows: number): void {
  const db = new DatabaseSync(file, { readOnly: true });
  const found = db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
  db.close();
  if (found !== rows) throw new Error(`${file} has ${found} of ${rows} rows`);
}

async function main(): Promise<void> {
  const source = await BenchSource.open();
  await source.sql.query(`CREATE TABLE plain ${COLUMNS}; CREATE TABLE versioned ${COLUMNS}`);
  const session = await PgSession.connect({ url: source.url });
  await enableTwoway(session, { table: 'versioned', rule: '*' });
  await session.end();
  const engine = await openEngine({ url: source.url, dir: source.folder('server') });
  const bed = new Bed(source, engine);
  let round = 0;
  try {
    for (const databases of values.databases.split(',').map(Number)) {
      const sides = [
        { name: 'replicas', run: () => bed.ours(databases, round++) },
        { name: 'least', run: () => bed.least(databases, round++) },
      ] as const;
      const name = `${databases} databases to convergence`;
      print(await compare({ name, unit: 'rows/s in all files', rounds, sides }));
    }
  } finally {
    await engine.close();
    await source.close();
  }
}

await main();
