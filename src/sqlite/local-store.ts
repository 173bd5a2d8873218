/**
 * Local writes of one replica file: what surrounds every transaction of the follower, and nothing of the network.
 *
 *   begin --> sealed, gate closed --> changes (dirty keys are lifted first) --> finish: merged, gate open --> COMMIT
 *
 * Invariants outside of a transaction (test/unit/sqlite/local-inspector.ts looks at them):
 *   L1  the row of a dirty key is merge(base image, its pending changes)
 *   L2  a key is dirty exactly when it has pending changes
 *   L3  base images and the rows of clean keys are what the digests say
 *   L4  the gate is open
 *   L5  numbers have no gaps; a pending change belongs to a transaction that was not yet answered or not yet dropped
 *   L6  an image says what base and pending make: causal length and versions, or nothing
 */
import type { Ts } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import { LocalPending, type Refusal } from './local-pending.ts';
import { keyCellsOf, type TwowayTable, twowayTable } from './local-rows.ts';
import {
  captureTriggers,
  createLocalSchema,
  createTriggers,
  dropTriggers,
  guardTriggers,
  setTriggers,
  type Trigger,
  widenLog,
} from './local-schema.ts';
import { Sealer } from './local-seal.ts';
import { baseLayout, baseTableName, LocalTable } from './local-table.ts';
import type { ReplicaCatalog } from './replica-catalog.ts';
import { writeWrittenFormat } from './replica-schema.ts';
import type { ReplicaTable } from './replica-table.ts';
import { asNumber, asText, type Sql, type SqlStatement } from './sql.ts';
import type { WriteGuard } from './table-writer.ts';
import { UniqueIndexes } from './unique-indexes.ts';

/**
 * Changes of one table, applied together, from which on it is cheaper to take its triggers away meanwhile: a closed
 * gate costs half a microsecond a row (bench/perf/capture.ts).
 */
const UNTRIGGERED_ROWS = 1500;

/** So many entries are sealed by statements (local-bulk-seal.ts). */
const BULK_ENTRIES_MIN = 200;

const NONCE_CHARS = 16;

export type LocalOptions = {
  /** A fresh UUID. */
  readonly newId: () => string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** So many entries of the log are worth statements of their own; default 200. */
  readonly bulkEntriesMin?: number | undefined;
};

/** Where the base stands. */
export type BasePlace = { readonly timeline: string; readonly position: Ts };

export class LocalStore {
  readonly pending: LocalPending;
  readonly #sql: Sql;
  readonly #catalog: ReplicaCatalog;
  readonly #options: LocalOptions;
  readonly #open: SqlStatement;
  readonly #close: SqlStatement;
  readonly #hasLog: SqlStatement;
  readonly #uniqueIndexes: UniqueIndexes;
  /** By name in Postgres. */
  #tables = new Map<string, LocalTable>();
  /** Main tables by the name of their companion. */
  #byCompanion = new Map<string, string>();
  /** Tables whose definition changes in this transaction. */
  readonly #redefined = new Set<string>();
  /** Names in the file of tables that have no triggers now, and what those were. */
  readonly #untriggered = new Map<string, readonly Trigger[]>();
  #head = { counter: 0, last: 0 };
  #mayHaveUploaded = true;

  /** The file must capture already (`enableLocalWrites`). */
  constructor(sql: Sql, catalog: ReplicaCatalog, options: LocalOptions) {
    this.#sql = sql;
    this.#catalog = catalog;
    this.#options = options;
    this.pending = new LocalPending(sql);
    this.#open = sql.prepare('UPDATE tidelock_local SET tx = ?, counter = ?, last = ?');
    this.#close = sql.prepare(
      `UPDATE tidelock_local SET tx = NULL
       RETURNING counter, last, EXISTS (SELECT 1 FROM tidelock_log) AS found`,
    );
    this.#hasLog = sql.prepare('SELECT EXISTS (SELECT 1 FROM tidelock_log) AS found');
    this.#uniqueIndexes = new UniqueIndexes(sql);
    this.#load();
  }

  get hasLog(): boolean {
    return this.#hasLog.get()?.found === 1;
  }

  get tables(): Iterable<LocalTable> {
    return this.#tables.values();
  }

  /** What programs made of the file that loses writes; each once. */
  cautions(): readonly string[] {
    return this.#uniqueIndexes.news([...this.#tables.values()].map(({ twoway }) => twoway.table));
  }

  /** First thing in a write transaction: what programs wrote so far is sealed, from here on nothing is captured. */
  begin(): void {
    const { counter, last, found } = this.#close.get() ?? {};
    this.#head = { counter: asNumber(counter), last: asNumber(last) };
    if (found === 0) return;
    const sealer = new Sealer(this.#sql, {
      pending: this.pending,
      tables: this.#tables.values(),
      newNonce: () => this.#options.newId().replaceAll('-', '').slice(0, NONCE_CHARS),
      last: this.#head.last,
      bulkEntriesMin: this.#options.bulkEntriesMin ?? BULK_ENTRIES_MIN,
    });
    this.#head = { counter: this.#head.counter + 1, last: sealer.seal() };
  }

  /** Last thing before the commit that brings the base to `place`. */
  finish(place: BasePlace): void {
    this.#redefine();
    this.#dropIncluded(place);
    for (const table of this.#tables.values()) if (table.isLifted) table.settle();
    for (const triggers of this.#untriggered.values()) createTriggers(this.#sql, triggers);
    const { counter, last } = this.#head;
    this.#open.run(counter, counter, last);
  }

  /** The transaction was committed. */
  committed(): void {
    this.#untriggered.clear();
    this.#redefined.clear();
  }

  /** The transaction was rolled back: everything as stored. The catalog was reloaded before. */
  reverted(): void {
    this.#untriggered.clear();
    this.#redefined.clear();
    this.#mayHaveUploaded = true;
    this.#load();
  }

  /** These changes come next. */
  expect(changes: readonly RowChange[]): void {
    if (changes.length < UNTRIGGERED_ROWS) return;
    const counts = new Map<string, number>();
    for (const { type, table } of changes) {
      if (type === 'table') return; // its triggers come anew with the definition
      counts.set(table, (counts.get(table) ?? 0) + 1);
    }
    for (const [name, count] of counts) {
      const table = this.#catalog.get(name)?.table;
      if (table !== undefined && count >= UNTRIGGERED_ROWS) this.#untrigger(table);
    }
  }

  /** What a writer of a table's rows has to tell before it writes. */
  guard(table: ReplicaTable): WriteGuard {
    const name = this.#byCompanion.get(table.name) ?? table.name;
    const local = (): LocalTable | undefined => this.#tables.get(name);
    return {
      get isDirty() {
        return local()?.isDirty ?? false;
      },
      lift: (keys) => local()?.lift(keys),
      liftAll: () => local()?.liftAll(),
    };
  }

  /** Before a difference snapshot: the whole file is the base. */
  liftAll(): void {
    for (const table of this.#tables.values()) table.liftAll();
  }

  /** Before a table gets another definition, or goes. */
  beforeDefinition(name: string): void {
    for (const each of [name, this.#byCompanion.get(name)]) {
      if (each === undefined) continue;
      this.#tables.get(each)?.liftAll();
      this.#redefined.add(each);
    }
    this.#redefined.add(name);
    const table = this.#catalog.get(name)?.table;
    if (table === undefined) return;
    this.#untriggered.delete(table.localName);
    setTriggers(this.#sql, table.localName, []);
  }

  /** Takes a transaction's changes back and keeps them among the rejected. Its number stays, without content. */
  refuse(number: number, refusal: Refusal): void {
    this.#liftTransaction(number);
    this.pending.refuse(number, refusal, new Date(this.#options.now()).toISOString());
  }

  /** The server's answer came: accepted transactions wait for the position. */
  accept(accepted: number, place: BasePlace): void {
    this.pending.accept(accepted, place.timeline, place.position);
    this.#mayHaveUploaded = true;
  }

  /** Another name, other numbers. Inside a transaction. */
  renew(): void {
    const { counter, last } = this.#head;
    this.#head = { counter, last: last - this.pending.renumber(this.#options.newId(), last) };
  }

  /** Brings triggers and tables of ours in line with all definitions. Inside a transaction. */
  install(): void {
    for (const { table } of this.#catalog.all()) this.#install(table);
    this.#load();
  }

  #liftTransaction(number: number): void {
    const keys = new Map<string, (readonly Cell[])[]>();
    for (const { table, key } of this.pending.keysOf(number)) {
      const local = this.#tables.get(table);
      if (local === undefined) continue;
      const list = keys.get(table) ?? [];
      list.push(keyCellsOf(local.twoway, key));
      keys.set(table, list);
    }
    for (const [table, list] of keys) this.#tables.get(table)?.lift(list);
  }

  /** Accepted transactions that the base has by now are over. */
  #dropIncluded({ timeline, position }: BasePlace): void {
    if (!this.#mayHaveUploaded) return;
    const first = this.pending.firstUploaded();
    if (first !== null && first !== timeline) this.pending.forgetAnswers();
    this.#mayHaveUploaded = first === timeline;
    if (first !== timeline || this.#isStandingStill()) return;
    for (const number of this.pending.uploadedUpTo(position)) {
      this.#liftTransaction(number);
      this.pending.remove(number);
    }
  }

  /** A table that waits to be fetched anew is not at the file's position. */
  #isStandingStill(): boolean {
    return this.#catalog.all().some(({ table, state }) => {
      const isOurs = this.#tables.has(table.name) || this.#byCompanion.has(table.name);
      return isOurs && state === 'resyncing';
    });
  }

  /** Definitions changed: layouts follow, and what cannot be written any more is rejected. */
  #redefine(): void {
    if (this.#redefined.size === 0) return;
    for (const name of this.#redefined) {
      const old = this.#tables.get(name)?.twoway;
      const table = this.#catalog.get(name)?.table;
      const twoway = table === undefined ? null : twowayTable(table);
      if (old !== undefined) this.#retire(old, twoway);
      if (table !== undefined) this.#install(table);
    }
    const lifted = [...this.#tables.values()].filter((table) => {
      return table.isLifted && !this.#redefined.has(table.name);
    });
    this.#load();
    for (const table of lifted) this.#tables.set(table.name, table);
    for (const name of this.#redefined) this.#tables.get(name)?.liftAll();
  }

  #retire(old: TwowayTable, next: TwowayTable | null): void {
    const { name } = old.table;
    const why = whyNotWritable(old.definition, next?.definition ?? null);
    if (why !== null) {
      for (const number of this.pending.numbersOf(name)) {
        this.refuse(number, { code: 'NOT_TWOWAY', message: `table ${name} ${why}` });
      }
      this.pending.forgetTable(name);
    }
    const number = numberOf(this.#sql, name);
    this.#sql.exec(`DROP TABLE ${baseTableName(number)}`);
    if (next === null) {
      this.#sql.prepare('DELETE FROM tidelock_local_tables WHERE number = ?').run(number);
    }
  }

  #install(table: ReplicaTable): void {
    const twoway = twowayTable(table);
    if (twoway !== null) {
      const number = this.#numberFor(table.name);
      const text = baseLayout(table, number)
        .createSql()
        .replace('CREATE TABLE', 'CREATE TABLE IF NOT EXISTS');
      this.#sql.exec(text);
      widenLog(this.#sql, table.columns.length);
    }
    setTriggers(this.#sql, table.localName, this.#triggersOf(table));
  }

  #triggersOf(table: ReplicaTable): readonly Trigger[] {
    return twowayTable(table) === null
      ? guardTriggers(table.localName, 'its table in Postgres is not two-way')
      : captureTriggers(table, numberOf(this.#sql, table.name));
  }

  #untrigger(table: ReplicaTable): void {
    if (this.#untriggered.has(table.localName) || this.#redefined.has(table.name)) return;
    const triggers = this.#triggersOf(table);
    this.#untriggered.set(table.localName, triggers);
    dropTriggers(this.#sql, triggers);
  }

  #numberFor(name: string): number {
    this.#sql
      .prepare(
        `INSERT OR IGNORE INTO tidelock_local_tables
         VALUES ((SELECT coalesce(max(number), 0) + 1 FROM tidelock_local_tables), ?)`,
      )
      .run(name);
    return numberOf(this.#sql, name);
  }

  #load(): void {
    const numbers = this.#sql.prepare('SELECT number, name FROM tidelock_local_tables').all();
    this.#tables = new Map();
    this.#byCompanion = new Map();
    for (const row of numbers) {
      const name = asText(row.name);
      const table = this.#catalog.get(name)?.table;
      const twoway = table === undefined ? null : twowayTable(table);
      if (twoway === null) continue;
      const companion = this.#catalog.get(twoway.definition.twoway.versions)?.table ?? null;
      const number = asNumber(row.number);
      this.#tables.set(name, new LocalTable(this.#sql, { number, twoway, companion }));
      this.#byCompanion.set(twoway.definition.twoway.versions, name);
    }
  }
}

/** Makes a replica capture local writes; harmless where it does. One transaction. */
export function enableLocalWrites(
  sql: Sql,
  catalog: ReplicaCatalog,
  options: LocalOptions & { readonly place: BasePlace },
): LocalStore {
  createLocalSchema(sql, options.newId());
  const store = new LocalStore(sql, catalog, options);
  store.begin();
  store.install();
  writeWrittenFormat(sql);
  store.finish(options.place);
  store.committed();
  return store;
}

function numberOf(sql: Sql, name: string): number {
  const row = sql.prepare('SELECT number FROM tidelock_local_tables WHERE name = ?').get(name);
  return asNumber(row?.number);
}

/** Why pending changes of the old definition cannot be sent any more; null when they can. */
function whyNotWritable(old: TableDef, next: TableDef | null): string | null {
  if (next === null) return 'is not two-way any more';
  return old.key.join('\0') === next.key.join('\0') ? null : 'has another primary key now';
}
