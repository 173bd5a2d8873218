/**
 * The receiver of Transicator's own stress program, in everything that its reference says of it: it takes the
 * snapshot's tables by the text after the last dot, names them without quotes, applies change by change, each by
 * itself, prints what fails and goes on, and asks next time for what follows the last change that it could apply.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { getChanges, loadSnapshot } from '../../../src/bench/transicator/api.ts';
import type { WireChange, WireColumn } from '../../../src/bench/transicator/schema.ts';

export type OldReceiverOptions = {
  readonly server: string;
  readonly selector: string;
  readonly file: string;
  /** A change with `last` set was applied. */
  readonly onLast: () => void;
};

const PAUSE_MS = 2000;
const BLOCK_S = 5;

type Table = {
  readonly columns: string[];
  readonly keys: string[];
  statements?: { insert: StatementSync; update: StatementSync; delete: StatementSync };
};

export class OldReceiver {
  /** Everything that it would print. */
  readonly printed: string[] = [];
  applied = 0;
  polls = 0;
  readonly #options: OldReceiverOptions;
  readonly #tables = new Map<string, Table>();
  #db: DatabaseSync | null = null;
  #snapshot = '';
  #last = '';
  #isEnding = false;
  #isKilled = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: OldReceiverOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
    this.#running.catch(() => undefined); // told by `end`
  }

  /** Resolves after the first poll from now on that brings nothing. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  /** Gives up at once. */
  async kill(): Promise<void> {
    this.#isKilled = true;
    await this.end().catch(() => undefined);
  }

  async #run(): Promise<void> {
    await this.#load();
    while (!this.#isKilled) {
      const changes = await this.#poll();
      if (changes === null) {
        await sleep(PAUSE_MS);
        continue;
      }
      for (const change of changes) this.#take(change);
      if (this.#isEnding && changes.length === 0) break;
    }
    this.#db?.close();
  }

  async #load(): Promise<void> {
    const { server, selector, file } = this.#options;
    rmSync(file, { force: true });
    await loadSnapshot({ server, scopes: [selector] }, file);
    this.#db = new DatabaseSync(file);
    const db = this.#db;
    const row = db.prepare(`SELECT value FROM _transicator_metadata WHERE key = 'snapshot'`).get();
    this.#snapshot = String(row?.value);
    const listed = db.prepare('SELECT tableName, columnName, primaryKey FROM _transicator_tables');
    for (const { tableName, columnName, primaryKey } of listed.all()) {
      const table = this.#table(afterLastDot(String(tableName)));
      table.columns.push(String(columnName));
      if (isTrue(primaryKey)) table.keys.push(String(columnName));
    }
    for (const [name, table] of this.#tables) prepare(db, name, table);
  }

  #table(name: string): Table {
    const table = this.#tables.get(name) ?? { columns: [], keys: [] };
    this.#tables.set(name, table);
    return table;
  }

  async #poll(): Promise<readonly WireChange[] | null> {
    const { server, selector } = this.#options;
    this.polls += 1;
    try {
      const { changes } = await getChanges({
        ...{ server, scopes: [selector], snapshot: this.#snapshot },
        ...{ blockS: BLOCK_S, since: this.#last },
      });
      return changes;
    } catch (error) {
      this.printed.push(`Error getting changes: ${String(error)}. Retrying`);
      return null;
    }
  }

  #take(change: WireChange): void {
    try {
      this.#apply(change);
      this.#last = change.sequence;
      this.applied += 1;
      if (change.newColumns.some(({ name, value }) => name === 'last' && value === true)) {
        this.#options.onLast();
      }
    } catch (error) {
      const kind = ['', 'Insert', 'Update', 'Delete'][change.operation];
      this.printed.push(`Error handling ${kind}: ${String(error)}`);
    }
  }

  #apply(change: WireChange): void {
    const name = afterLastDot(change.table);
    const table = this.#tables.get(name);
    if (table?.statements === undefined) throw new Error(`Change for uknown table ${name}`);
    const { statements, columns, keys } = table;
    const rest = columns.filter((column) => !keys.includes(column));
    const now = byName(change.newColumns);
    const old = change.oldColumns.length > 0 ? byName(change.oldColumns) : now;
    const pick = (row: Row, names: readonly string[]): SQLInputValue[] =>
      names.map((column) => row.get(column) ?? null);
    if (change.operation === 1) statements.insert.run(...pick(now, columns));
    else if (change.operation === 2) statements.update.run(...pick(now, rest), ...pick(old, keys));
    else statements.delete.run(...pick(old, keys));
  }
}

type Row = ReadonlyMap<string, SQLInputValue>;

function byName(columns: readonly WireColumn[]): Row {
  return new Map(
    columns.map(({ name, value }) => [name, typeof value === 'boolean' ? Number(value) : value]),
  );
}

function prepare(db: DatabaseSync, name: string, table: Table): void {
  const { columns, keys } = table;
  const rest = columns.filter((column) => !keys.includes(column));
  const marks = columns.map(() => '?').join(',');
  const where = keys.map((key) => `${key} = ?`).join(' and ');
  const sets = rest.map((column) => `${column} = ?`).join(', ');
  table.statements = {
    insert: db.prepare(`insert into ${name} (${columns.join(', ')}) values (${marks})`),
    update: db.prepare(`update ${name} set ${sets} where ${where}`),
    delete: db.prepare(`delete from ${name} where ${where}`),
  };
}

function afterLastDot(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** As its driver scans a boolean; anything else ends it. */
function isTrue(value: unknown): boolean {
  const text = String(value);
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw new Error(`Can't select: ${text} is no boolean`);
}
