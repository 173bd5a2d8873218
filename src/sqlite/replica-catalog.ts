/**
 * The tables of one replica file, and how they follow changed definitions. All changes happen inside the
 * caller's transaction; after a rollback call `reload`.
 */
import { quoteName, type TableDef } from '../core/table.ts';
import { cellFromJson } from '../core/value.ts';
import {
  deleteTable,
  readTables,
  type StoredTable,
  type TableState,
  takenNames,
  writeTable,
} from './replica-schema.ts';
import { freeName, localTableName, ReplicaTable } from './replica-table.ts';
import { asText, type Sql } from './sql.ts';
import { columnSql, howItDiffers } from './table-evolution.ts';

/**
 * What a definition did to the file. `filled`: rows got a new value, so their digests are void.
 * `resyncing`: the rows cannot follow; the table stands still until it is replaced.
 */
export type DefinitionEffect = 'none' | 'created' | 'extended' | 'filled' | 'resyncing';

export class ReplicaCatalog {
  readonly #sql: Sql;
  #tables = new Map<string, StoredTable>();
  #list: readonly StoredTable[] = [];

  constructor(sql: Sql) {
    this.#sql = sql;
    this.reload();
  }

  /** Reads what is stored. */
  reload(): void {
    this.#tables = new Map(readTables(this.#sql).map((stored) => [stored.table.name, stored]));
    this.#list = [...this.#tables.values()];
  }

  get(name: string): StoredTable | undefined {
    return this.#tables.get(name);
  }

  all(): readonly StoredTable[] {
    return this.#list;
  }

  /** Creates a table and, unless they come later, its indexes. */
  create(definition: TableDef, indexes: 'withIndexes' | 'withoutIndexes'): ReplicaTable {
    const table = new ReplicaTable(
      definition,
      localTableName(definition.name, takenNames(this.#sql)),
    );
    this.#sql.exec(table.createSql());
    if (indexes === 'withIndexes') this.createIndexes(table);
    this.#store({ table, state: 'live' });
    return table;
  }

  createIndexes(table: ReplicaTable): void {
    const taken = takenNames(this.#sql);
    for (const index of table.definition.indexes) {
      const name = freeName(`${table.localName}.${index.name}`, taken);
      taken.add(name.toLowerCase());
      this.#sql.exec(table.indexSql(index, name));
    }
  }

  /** Follows a definition that came with the stream. */
  evolve(definition: TableDef): DefinitionEffect {
    const stored = this.#tables.get(definition.name);
    if (stored === undefined) {
      this.create(definition, 'withIndexes');
      return 'created';
    }
    if (stored.state === 'resyncing') return 'none';
    switch (howItDiffers(stored.table.definition, definition)) {
      case 'same':
        return 'none';
      case 'extended':
        return this.#extend(stored.table, definition);
      default:
        this.setState(definition.name, 'resyncing');
        return 'resyncing';
    }
  }

  setState(name: string, state: TableState): void {
    const stored = this.#tables.get(name);
    if (stored !== undefined && stored.state !== state) this.#store({ ...stored, state });
  }

  /**
   * Gives a table any new definition. Columns of the same name keep their values; with another key, no row
   * is kept. Returns the table, whose digests are void.
   */
  rebuild(definition: TableDef): ReplicaTable {
    const old = this.#tables.get(definition.name);
    if (old === undefined) return this.create(definition, 'withIndexes');
    const table = new ReplicaTable(definition, old.table.localName);
    const temporary = freeName(`${table.localName} (new)`, takenNames(this.#sql));
    this.#sql.exec(table.createSql(temporary));
    if (old.table.definition.key.join('\0') === definition.key.join('\0')) {
      const kept = new Map(
        old.table.definition.columns.map((column, index) => [
          column.name,
          old.table.columns[index],
        ]),
      );
      const common = definition.columns.flatMap((column, index) => {
        const from = kept.get(column.name);
        return from === undefined ? [] : [{ from, to: table.columns[index] }];
      });
      this.#sql.exec(
        `INSERT INTO ${quoteName(temporary)} (${common.map(({ to }) => to).join()})
         SELECT ${common.map(({ from }) => from).join()} FROM ${old.table.quoted}`,
      );
    }
    this.#sql.exec(`DROP TABLE ${old.table.quoted}`);
    this.#sql.exec(`ALTER TABLE ${quoteName(temporary)} RENAME TO ${table.quoted}`);
    this.createIndexes(table);
    this.#store({ table, state: 'live' });
    return table;
  }

  drop(name: string): void {
    const stored = this.#tables.get(name);
    if (stored === undefined) return;
    this.#sql.exec(`DROP TABLE ${stored.table.quoted}`);
    deleteTable(this.#sql, name);
    this.#tables.delete(name);
    this.#list = [...this.#tables.values()];
  }

  #extend(old: ReplicaTable, definition: TableDef): DefinitionEffect {
    const table = new ReplicaTable(definition, old.localName);
    const fills: string[] = [];
    const values: ReturnType<typeof cellFromJson>[] = [];
    for (let index = old.columns.length; index < table.columns.length; index += 1) {
      const column = definition.columns[index];
      const name = table.columns[index] ?? '';
      if (column === undefined) continue;
      this.#sql.exec(`ALTER TABLE ${table.quoted} ADD COLUMN ${columnSql(name, column.kind)}`);
      if (column.missing === undefined || column.missing === null) continue;
      fills.push(`${name} = ?`);
      values.push(cellFromJson(column.kind, column.missing));
    }
    this.#dropIndexes(old);
    this.createIndexes(table);
    if (fills.length > 0) {
      this.#sql.prepare(`UPDATE ${table.quoted} SET ${fills.join()}`).run(...values);
    }
    this.#store({ table, state: 'live' });
    return fills.length > 0 ? 'filled' : 'extended';
  }

  #dropIndexes(table: ReplicaTable): void {
    const rows = this.#sql
      .prepare(
        `SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql NOTNULL`,
      )
      .all(table.localName);
    for (const row of rows) this.#sql.exec(`DROP INDEX ${quoteName(asText(row.name))}`);
  }

  #store(stored: StoredTable): void {
    writeTable(this.#sql, stored);
    this.#tables.set(stored.table.name, stored);
    this.#list = [...this.#tables.values()];
  }
}
