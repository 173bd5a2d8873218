/**
 * The reader's own tables: made from what a snapshot file lists in `_transicator_tables`, filled from that file,
 * and kept by changes. Named without their schema.
 */
import { quoteName } from '../../core/table.ts';
import type { Sql, SqlStatement } from '../../sqlite/sql.ts';
import { DELETE, INSERT, UPDATE, type WireChange, type WireColumn } from './schema.ts';

type Column = { readonly name: string; readonly type: number; readonly isKey: boolean };

type Table = {
  readonly local: string;
  readonly columns: readonly Column[];
};

/** A change that does not fit what the reader holds: somebody lost or repeated something. */
export class ApplyError extends Error {}

/** A change of a table or column that was made after the snapshot. */
export class LayoutError extends Error {}

type Stored = null | string | bigint | number | Uint8Array;

const BOOL = 16;
const DECLARED: ReadonlyMap<number, string> = new Map([
  [BOOL, 'integer'],
  [17, 'blob'],
  [20, 'integer'],
  [21, 'integer'],
  [23, 'integer'],
  [26, 'integer'],
  // A real column would turn -0 into 0.
  [700, ''],
  [701, ''],
]);

const LISTED_SQL =
  'SELECT tableName, columnName, typid, primaryKey FROM snapshot._transicator_tables';
const REAL_SQL = `SELECT name FROM snapshot.sqlite_master WHERE type = 'table'`;
const OWN_SQL = 'SELECT content FROM reader_tables';

export class LocalTables {
  readonly #sql: Sql;
  readonly #tables = new Map<string, Table>();
  readonly #statements = new Map<string, SqlStatement>();

  private constructor(sql: Sql, tables: readonly Table[]) {
    this.#sql = sql;
    for (const table of tables) this.#tables.set(table.local, table);
  }

  /** As they were when the file was written last; null when it never was. */
  static stored(sql: Sql): LocalTables {
    const row = sql.prepare(OWN_SQL).get();
    return new LocalTables(sql, JSON.parse(String(row?.content ?? '[]')) as Table[]);
  }

  /** Replaces all tables by those of the file that is attached as `snapshot`. Inside a transaction. */
  static replace(sql: Sql): LocalTables {
    for (const { local } of LocalTables.stored(sql).#tables.values()) {
      sql.exec(`DROP TABLE main.${quoteName(local)}`);
    }
    const listed = listedTables(sql);
    for (const [source, table] of listed) copyTable(sql, source, table);
    const tables = [...listed.values()];
    sql.prepare('DELETE FROM reader_tables').run();
    sql.prepare('INSERT INTO reader_tables VALUES (?)').run(JSON.stringify(tables));
    return new LocalTables(sql, tables);
  }

  /** Throws `ApplyError` when a row to insert is there, or one to change is not; `LayoutError`. */
  apply(change: WireChange): void {
    const table = this.#tables.get(localName(change.table));
    if (table === undefined) throw new LayoutError(`there is no table ${change.table}`);
    const { operation, newColumns, oldColumns } = change;
    const stranger = newColumns.find(({ name }) => table.columns.every((own) => own.name !== name));
    if (stranger !== undefined) throw new LayoutError(`${table.local} has no ${stranger.name}`);
    if (operation === INSERT) this.#insert(table, newColumns);
    else if (operation === UPDATE) this.#update(table, newColumns, oldColumns);
    else if (operation === DELETE) this.#delete(table, oldColumns);
    else throw new ApplyError(`unknown operation ${operation}`);
  }

  #insert(table: Table, columns: readonly WireColumn[]): void {
    const names = columns.map(({ name }) => quoteName(name)).join(', ');
    const marks = columns.map(() => '?').join(', ');
    const text = `INSERT INTO ${quoteName(table.local)} (${names}) VALUES (${marks}) ON CONFLICT DO NOTHING`;
    this.#one(
      text,
      columns.map(toStored),
      `insert of a row of ${table.local} that is there already`,
    );
  }

  #update(table: Table, columns: readonly WireColumn[], old: readonly WireColumn[]): void {
    const { where, key } = this.#key(table, old.length > 0 ? old : columns);
    const sets = columns.map(({ name }) => `${quoteName(name)} = ?`).join(', ');
    const text = `UPDATE ${quoteName(table.local)} SET ${sets} WHERE ${where}`;
    this.#one(text, [...columns.map(toStored), ...key], `update of no row of ${table.local}`);
  }

  #delete(table: Table, old: readonly WireColumn[]): void {
    const { where, key } = this.#key(table, old);
    const text = `DELETE FROM ${quoteName(table.local)} WHERE ${where}`;
    this.#one(text, key, `delete of no row of ${table.local}`);
  }

  #key(table: Table, row: readonly WireColumn[]): { where: string; key: readonly Stored[] } {
    const keys = table.columns.filter(({ isKey }) => isKey);
    const key = keys.map(({ name }) => {
      const column = row.find((one) => one.name === name);
      if (column === undefined) throw new ApplyError(`${table.local}: no key column ${name}`);
      return toStored(column);
    });
    return { where: keys.map(({ name }) => `${quoteName(name)} = ?`).join(' AND '), key };
  }

  #one(text: string, values: readonly Stored[], otherwise: string): void {
    let statement = this.#statements.get(text);
    if (statement === undefined) {
      statement = this.#sql.prepare(text);
      this.#statements.set(text, statement);
    }
    const { changes } = statement.run(...values);
    if (Number(changes) !== 1) throw new ApplyError(otherwise);
  }
}

/** The real tables of the snapshot file, by the name that it gives them. Views of old conventions are left out. */
function listedTables(sql: Sql): ReadonlyMap<string, Table> {
  const real = new Set(
    sql
      .prepare(REAL_SQL)
      .all()
      .map(({ name }) => String(name)),
  );
  const listed = new Map<string, { local: string; columns: Column[] }>();
  for (const { tableName, columnName, typid, primaryKey } of sql.prepare(LISTED_SQL).all()) {
    const source = String(tableName);
    if (!real.has(source)) continue;
    const table = listed.get(source) ?? { local: localName(source), columns: [] };
    const isKey = ['1', 'true', 't'].includes(String(primaryKey));
    table.columns.push({ name: String(columnName), type: Number(typid), isKey });
    listed.set(source, table);
  }
  return listed;
}

function copyTable(sql: Sql, source: string, { local, columns }: Table): void {
  const defined = columns.map(
    ({ name, type }) => `${quoteName(name)} ${DECLARED.get(type) ?? 'text'}`,
  );
  const keys = columns.filter(({ isKey }) => isKey).map(({ name }) => quoteName(name));
  const key = keys.length === 0 ? [] : [`PRIMARY KEY (${keys.join(', ')})`];
  sql.exec(`CREATE TABLE main.${quoteName(local)} (${[...defined, ...key].join(', ')})`);
  const values = columns.map(({ name, type }) =>
    type === BOOL
      ? `CASE WHEN ${quoteName(name)} IN ('t', 'true', 1) THEN 1
      WHEN ${quoteName(name)} IN ('f', 'false', 0) THEN 0 END`
      : quoteName(name),
  );
  sql.exec(
    `INSERT INTO main.${quoteName(local)} SELECT ${values.join(', ')} FROM snapshot.${quoteName(source)}`,
  );
}

/** `public.city`, `public_city` and `city` are one table. */
function localName(name: string): string {
  const dot = name.indexOf('.');
  if (dot < 0) return name.replace(/^public_/, '');
  const [schema, table] = [name.slice(0, dot), name.slice(dot + 1)].map(unquoted);
  return schema === 'public' ? (table ?? '') : `${schema}_${table}`;
}

/** Names come quoted where Postgres would quote them. */
function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function toStored({ value }: WireColumn): Stored {
  return typeof value === 'boolean' ? Number(value) : value;
}
