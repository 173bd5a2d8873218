/**
 * Views kept by delta, over a million rows: what a change of 1 and of 1000 rows takes, with history, against the bare limit:
 * a table and hand-written statements for the same aggregates in a file of its own, without history. Both in turn in one run,
 * in processor time. The ratio is that of the bare statements to ours: 1 means equal.
 *
 *   node bench/perf/views.ts [--rounds 5] [--rows 1000000]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import { SqlWorker } from '../../src/engine/sql/worker.ts';
import { bindSelect } from '../../src/sql/bind/query.ts';
import { loadPgParser, parsePg } from '../../src/sql/pg-parser.ts';
import type { Column } from '../../src/sql/types.ts';
import { CollectionStore } from '../../src/sqlite/collections/collection-store.ts';
import { median, processorMs, spread } from './numbers.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    rows: { type: 'string', default: '1000000' },
  },
});
const rows = Number(values.rows);
const rounds = Number(values.rounds);
const GROUPS = 1000;
const CUSTOMERS = rows / 10;
const REGIONS = 50;
/** Changes of one row that make one sample: the clock of the processor is coarse. */
const SINGLES = 100;
const MANY = 1000;
const WARM = 5;
const LOAD_ROWS = 10_000;

const int = (name: string): Column => ({ name, type: 'int4', isNullable: false });
const ORDERS = { item: 'u1', columns: ['id', 'cust', 'grp', 'amount'].map(int) };
const CUSTOMERS_ITEM = { item: 'u2', columns: ['id', 'region'].map(int) };

/** One order: its amount and group change with its version. */
const amounts = new Int32Array(rows);
const order = (id: number): readonly [number, number, number, number] => [
  id,
  id % CUSTOMERS,
  id % GROUPS,
  amounts[id] ?? 0,
];

type Change = { readonly id: number; readonly before: number; readonly after: number };

type View = {
  readonly name: string;
  readonly sql: string;
  /** Tables, filled; then the statements of one change. */
  readonly bareSchema: string;
  readonly bare: (sql: DatabaseSync) => (change: Change) => void;
};

const VIEWS: readonly View[] = [
  {
    name: 'count',
    sql: 'SELECT count(*) FROM orders WHERE amount > 5',
    bareSchema: 'CREATE TABLE result AS SELECT count(*) AS n FROM orders WHERE amount > 5',
    bare: (sql) => {
      const update = sql.prepare('UPDATE result SET n = n + ?');
      return ({ before, after }) => {
        const by = Number(after > 5) - Number(before > 5);
        if (by !== 0) update.run(by);
      };
    },
  },
  {
    name: 'sum and count by group',
    sql: 'SELECT grp, sum(amount), count(*) FROM orders GROUP BY grp',
    bareSchema: `CREATE TABLE result (grp INTEGER PRIMARY KEY, total INTEGER, n INTEGER);
      INSERT INTO result SELECT grp, sum(amount), count(*) FROM orders GROUP BY grp`,
    bare: (sql) => {
      const update = sql.prepare('UPDATE result SET total = total + ? WHERE grp = ?');
      return ({ id, before, after }) => void update.run(after - before, id % GROUPS);
    },
  },
  {
    name: 'join that keeps rows',
    sql: 'SELECT o.id, o.amount, c.region FROM orders o JOIN customers c ON o.cust = c.id',
    bareSchema: `CREATE TABLE result (id INTEGER PRIMARY KEY, amount INTEGER, region INTEGER);
      INSERT INTO result SELECT o.id, o.amount, c.region FROM orders o JOIN customers c ON o.cust = c.id`,
    bare: (sql) => {
      const update = sql.prepare(
        `UPDATE result SET amount = ?, region = (SELECT region FROM customers WHERE id = ?) WHERE id = ?`,
      );
      return ({ id, after }) => void update.run(after, id % CUSTOMERS, id);
    },
  },
  {
    name: 'join and sum by region',
    sql: 'SELECT c.region, sum(o.amount) FROM orders o JOIN customers c ON o.cust = c.id GROUP BY c.region',
    bareSchema: `CREATE TABLE result (region INTEGER PRIMARY KEY, total INTEGER);
      INSERT INTO result SELECT c.region, sum(o.amount) FROM orders o JOIN customers c ON o.cust = c.id GROUP BY c.region`,
    bare: (sql) => {
      const update = sql.prepare(
        'UPDATE result SET total = total + ? WHERE region = (SELECT region FROM customers WHERE id = ?)',
      );
      return ({ id, before, after }) => void update.run(after - before, id % CUSTOMERS);
    },
  },
];

type Side = { readonly change: (changes: readonly Change[]) => void; readonly close: () => void };

/** The same pragmas as `collection-store.ts`. */
function openBare(file: string, view: View): Side {
  const sql = new DatabaseSync(file);
  sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -65536;
    PRAGMA wal_autocheckpoint = 8000;
    DROP TABLE IF EXISTS result; ${view.bareSchema}`);
  const [begin, commit, update] = [
    'BEGIN IMMEDIATE',
    'COMMIT',
    'UPDATE orders SET amount = ? WHERE id = ?',
  ].map((text) => sql.prepare(text)) as [StatementSync, StatementSync, StatementSync];
  const maintain = view.bare(sql);
  const change = (changes: readonly Change[]): void => {
    begin.run();
    for (const one of changes) {
      update.run(one.after, one.id);
      maintain(one);
    }
    commit.run();
  };
  return { change, close: () => sql.close() };
}

function fillBare(file: string): void {
  const sql = new DatabaseSync(file);
  sql.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;
    CREATE TABLE orders (id INTEGER PRIMARY KEY, cust INTEGER, grp INTEGER, amount INTEGER);
    CREATE TABLE customers (id INTEGER PRIMARY KEY, region INTEGER);
    INSERT INTO orders WITH RECURSIVE k (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM k WHERE n < ${rows - 1})
      SELECT n, n % ${CUSTOMERS}, n % ${GROUPS}, 0 FROM k;
    INSERT INTO customers SELECT id, id % ${REGIONS} FROM orders WHERE id < ${CUSTOMERS}`);
  sql.close();
}

class Ours {
  readonly #store: CollectionStore;
  readonly #worker: SqlWorker;
  #time = 1;

  constructor(file: string) {
    this.#store = CollectionStore.open(file);
    this.#worker = new SqlWorker({ store: this.#store, tell: () => undefined });
    for (const [index, { item, columns }] of [ORDERS, CUSTOMERS_ITEM].entries()) {
      this.#worker.handle({ kind: 'createTable', id: item, columns, key: [0], since: 0 });
      const count = index === 0 ? rows : CUSTOMERS;
      for (let from = 0; from < count; from += LOAD_ROWS) {
        const length = Math.min(LOAD_ROWS, count - from);
        const deltas = Array.from({ length }, (_, at) => ({
          row: index === 0 ? order(from + at) : [from + at, (from + at) % REGIONS],
          diff: 1,
        }));
        this.#insert([{ id: item, deltas }]);
      }
    }
  }

  open({ sql }: View): Side {
    const statement = parsePg(sql).stmts?.[0]?.stmt;
    if (statement === undefined || !('SelectStmt' in statement)) throw new Error(sql);
    const query = bindSelect(statement.SelectStmt, ({ parts }) =>
      parts[0] === 'orders' ? ORDERS : CUSTOMERS_ITEM,
    );
    this.#worker.handle({ kind: 'createView', id: 'u9', view: 'u8', query, asOf: this.#time });
    if (!this.#store.has('u9')) throw new Error(`not kept: ${sql}`);
    return {
      change: (changes) => this.#change(changes),
      close: () => this.#worker.handle({ kind: 'drop', ids: ['u9'] }),
    };
  }

  close(): void {
    this.#worker.close();
    this.#store.close();
  }

  #change(changes: readonly Change[]): void {
    const deltas = changes.flatMap(({ id, before, after }) => {
      const [, cust, grp] = order(id);
      return [
        { row: [id, cust, grp, before], diff: -1 },
        { row: [id, cust, grp, after], diff: 1 },
      ];
    });
    this.#insert([{ id: 'u1', deltas }]);
    const since = Math.max(0, this.#time - 100);
    const ids = ['u1', 'u2', 'u9'];
    if (this.#time % 100 !== 0) return;
    this.#worker.handle({ kind: 'allowCompaction', since: ids.map((id) => ({ id, since })) });
  }

  #insert(updates: Parameters<typeof insertOf>[1]): void {
    this.#worker.handle(insertOf(this.#time, updates));
    this.#time += 1;
    this.#worker.handle({ kind: 'advanceTables', to: this.#time });
  }
}

type Insert = Extract<Parameters<SqlWorker['handle']>[0], { kind: 'insert' }>;

function insertOf(time: number, updates: Insert['updates']): Insert {
  return { kind: 'insert', time, updates };
}

/** Different orders each, spread over the table; both sides get the same. */
function changesOf(count: number, seed: number): Change[] {
  return Array.from({ length: count }, (_, index) => {
    const id = ((seed * MANY + index) * 7_919) % rows;
    const before = amounts[id] ?? 0;
    return { id, before, after: (before + 3) % 11 };
  });
}

function measure(view: View, sides: readonly [Side, Side], seeds: () => number): void {
  for (const count of [1, MANY]) {
    const repeat = count === 1 ? SINGLES : 1;
    const samples: [number[], number[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      // The first round warms up, and is not counted.
      const length = round === 0 ? repeat * WARM : repeat;
      const batches = Array.from({ length }, () => {
        const batch = changesOf(count, seeds());
        for (const { id, after } of batch) amounts[id] = after;
        return batch;
      });
      const turns = round % 2 === 0 ? [0, 1] : [1, 0];
      for (const side of turns as (0 | 1)[]) {
        const took = processorMs(() => {
          for (const batch of batches) sides[side].change(batch);
        });
        if (round > 0) samples[side].push(took / repeat);
      }
    }
    const [ours, bare] = samples;
    const ratios = ours.map((ms, index) => (bare[index] ?? Number.NaN) / ms);
    process.stderr.write(
      `${spread(ratios)}  ${view.name}, ${count} row(s): ${median(ours).toFixed(3)} ms, bare ${median(bare).toFixed(3)} ms\n`,
    );
    const facts = { bench: 'views', view: view.name, rows: count, of: rows };
    process.stdout.write(
      `${JSON.stringify({ ...facts, oursMs: ours, bareMs: bare, ratio: median(ratios) })}\n`,
    );
  }
}

function memory(): string {
  const { heapUsed, rss } = process.memoryUsage();
  return `heap ${Math.round(heapUsed / 2 ** 20)} MiB, resident ${Math.round(rss / 2 ** 20)} MiB`;
}

await loadPgParser();
const folder = mkdtempSync(join(tmpdir(), 'tidelock-views-'));
try {
  const bareFile = join(folder, 'bare.db');
  fillBare(bareFile);
  const ours = new Ours(join(folder, 'ours.db'));
  process.stderr.write(`${rows} rows: ${memory()}\n`);
  let seed = 0;
  for (const view of VIEWS) {
    const sides = [ours.open(view), openBare(bareFile, view)] as const;
    measure(view, sides, () => seed++);
    for (const side of sides) side.close();
    process.stderr.write(`  ${memory()}\n`);
  }
  ours.close();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
