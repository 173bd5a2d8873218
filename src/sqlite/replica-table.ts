/** One replicated table as a replica's SQLite file has it: names, SQL texts, keys and selectors of rows. */
import { EVERYONE } from '../core/selector.ts';
import { compileExpression, selectorSql } from '../core/selector-expression.ts';
import {
  type IndexDef,
  keyPositions,
  quoteName,
  quoteText,
  replicaTableName,
  type TableDef,
} from '../core/table.ts';
import { type Cell, sqliteTypeOf, type ValueKind } from '../core/value.ts';

const SAFE_MAX = Number.MAX_SAFE_INTEGER;

/** A key as something that a Map can look up. Equal for keys that SQLite holds equal. */
export type RowKey = number | bigint | string;

export class ReplicaTable {
  readonly definition: TableDef;
  /** The name in the file, unquoted. */
  readonly localName: string;
  /** Quoted names, in column order and in key order. */
  readonly columns: readonly string[];
  readonly keyColumns: readonly string[];
  readonly keyPositions: readonly number[];
  /**
   * All columns in order, as a list to select; rows must go through `restore`. Integers that a number
   * cannot hold come as text, because Node would refuse them otherwise.
   */
  readonly cellsSql: string;
  readonly #bigints: readonly number[];
  /** SQL that gives a row's selector. */
  readonly selectorSql: string;
  /** The selector of a row, or null when it reaches nobody. Cells in column order. */
  readonly selectorOf: (row: readonly Cell[]) => string | null;

  constructor(definition: TableDef, localName: string) {
    this.definition = definition;
    this.localName = localName;
    this.columns = localColumns(definition).map(quoteName);
    this.keyPositions = keyPositions(definition);
    this.keyColumns = this.keyPositions.map((position) => this.columns[position] ?? '');
    this.#bigints = [...definition.columns.keys()].filter((position) => {
      return definition.columns[position]?.kind === 'bigint';
    });
    this.cellsSql = this.#readColumns().join();
    this.selectorSql = selectorSqlOf(definition, this.columns);
    this.selectorOf = compileSelector(definition);
  }

  get name(): string {
    return this.definition.name;
  }

  /**
   * The column that is SQLite's own row id: a single integer key, which takes half the space and twice the
   * speed. Null for other keys.
   */
  get rowIdPosition(): number | null {
    const [position = -1] = this.keyPositions;
    const kind = this.definition.columns[position]?.kind;
    const isRowId = this.keyPositions.length === 1 && (kind === 'int' || kind === 'bigint');
    return isRowId ? position : null;
  }

  /** Selects every row, see `cellsSql`. */
  get selectSql(): string {
    return `SELECT ${this.cellsSql} FROM ${this.quoted}`;
  }

  /** The quoted name in the file. */
  get quoted(): string {
    return quoteName(this.localName);
  }

  /** The cells of a row of `cellsSql`, read as an array. */
  restore(row: unknown): Cell[] {
    const cells = row as Cell[];
    for (const position of this.#bigints) {
      const cell = cells[position];
      if (typeof cell === 'string') cells[position] = BigInt(cell);
    }
    return cells;
  }

  /** The key's cells of a row. */
  keyCells(row: readonly Cell[]): readonly Cell[] {
    return this.keyPositions.map((position) => row[position] ?? null);
  }

  /** The key of a row, to look it up. */
  keyOfRow(row: readonly Cell[]): RowKey {
    const [first = 0] = this.keyPositions;
    if (this.keyPositions.length === 1) return simpleKey(row[first] ?? null);
    return joinKey(this.keyCells(row));
  }

  /** The same for a key's cells. */
  keyOf(key: readonly Cell[]): RowKey {
    return key.length === 1 ? simpleKey(key[0] ?? null) : joinKey(key);
  }

  /** The statement that creates the table. */
  createSql(localName: string = this.localName): string {
    const columns = this.definition.columns.map((column, index) => {
      const name = this.columns[index] ?? '';
      const type = sqliteTypeOf(column.kind);
      return index === this.rowIdPosition
        ? `${name} INTEGER PRIMARY KEY`
        : `${name} ${type}`.trimEnd();
    });
    if (this.rowIdPosition === null) columns.push(`PRIMARY KEY (${this.keyColumns.join(', ')})`);
    return `CREATE TABLE ${quoteName(localName)} (${columns.join(', ')})`;
  }

  /** The statement that creates one of its indexes, never unique: order inside a transaction is not kept. */
  indexSql(index: IndexDef, localName: string): string {
    const names = index.columns.map((name) => {
      const position = this.definition.columns.findIndex((column) => column.name === name);
      return this.columns[position] ?? quoteName(name);
    });
    return `CREATE INDEX ${quoteName(localName)} ON ${this.quoted} (${names.join(', ')})`;
  }

  #readColumns(): readonly string[] {
    return this.columns.map((name, position) => {
      if (!this.#bigints.includes(position)) return name;
      return `CASE WHEN ${name} BETWEEN ${-SAFE_MAX} AND ${SAFE_MAX} THEN ${name} ELSE CAST(${name} AS TEXT) END`;
    });
  }
}

/** A name in the file for `wanted` that is not in `taken` (lower case), however its letters are cased. */
export function freeName(wanted: string, taken: ReadonlySet<string>): string {
  const isReserved = /^(sqlite_|tidelock_)/i.test(wanted);
  const base = isReserved ? `public.${wanted}` : wanted;
  let name = base;
  for (let count = 2; taken.has(name.toLowerCase()); count += 1) name = `${base}_${count}`;
  return name;
}

/** The name a table gets in a file in which `taken` (lower case) are given away. */
export function localTableName(table: string, taken: ReadonlySet<string>): string {
  return freeName(replicaTableName(table), taken);
}

/** SQLite's names ignore case, so that `Order` and `order` of one table need different names. */
function localColumns(definition: TableDef): readonly string[] {
  const taken = new Set<string>();
  return definition.columns.map(({ name }) => {
    let local = name;
    for (let count = 2; taken.has(local.toLowerCase()); count += 1) local = `${name}_${count}`;
    taken.add(local.toLowerCase());
    return local;
  });
}

function simpleKey(cell: Cell): RowKey {
  if (typeof cell === 'string' || typeof cell === 'number' || typeof cell === 'bigint') return cell;
  return joinKey([cell]);
}

function joinKey(key: readonly Cell[]): string {
  let text = '';
  for (const cell of key) {
    const part = cell instanceof Uint8Array ? Buffer.from(cell).toString('latin1') : String(cell);
    text += `${part.length}:${part}`;
  }
  return text;
}

function compileSelector(definition: TableDef): (row: readonly Cell[]) => string | null {
  const rule = definition.selector;
  if (rule.kind === 'everyone') return () => EVERYONE;
  return compileExpression(rule.expression, (name) => {
    const position = definition.columns.findIndex((column) => column.name === name);
    const kind = definition.columns[position]?.kind ?? 'text';
    return (row: readonly Cell[]) => textOf(kind, row[position] ?? null);
  });
}

/** The text that Postgres prints for a cell, as far as selectors go. */
function textOf(kind: ValueKind, cell: Cell): string | null {
  if (cell === null) return null;
  if (kind === 'bool') return cell === 0 ? 'f' : 't';
  if (kind === 'timestamptz') return String(cell).replace(/\+00:00$/, '+00');
  if (cell instanceof Uint8Array) return `\\x${Buffer.from(cell).toString('hex')}`;
  return String(cell);
}

function selectorSqlOf(definition: TableDef, columns: readonly string[]): string {
  if (definition.selector.kind === 'everyone') return quoteText(EVERYONE);
  const positionOf = (name: string): number =>
    definition.columns.findIndex((column) => column.name === name);
  const plain = (name: string): string => columns[positionOf(name)] ?? 'NULL';
  return selectorSql(definition.selector.expression, {
    text: (name) => sqlTextOf(definition.columns[positionOf(name)]?.kind ?? 'text', plain(name)),
    plain,
    flag: (name) => `(${plain(name)} = 1)`,
  });
}

function sqlTextOf(kind: ValueKind, column: string): string {
  switch (kind) {
    case 'text':
      return column;
    case 'bool':
      return `CASE ${column} WHEN 0 THEN 'f' WHEN 1 THEN 't' END`;
    case 'timestamptz':
      return `CASE WHEN ${column} LIKE '%+00:00' THEN substr(${column}, 1, length(${column}) - 3) ELSE ${column} END`;
    case 'bytes':
      return `'\\x' || lower(hex(${column}))`;
    default:
      return `CAST(${column} AS TEXT)`;
  }
}
