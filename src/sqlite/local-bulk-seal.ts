/**
 * Sealing of many entries as statements. hot path: what the sealer does row by row in JavaScript (bench/perf/capture.ts:
 * three times slower), for the entries where nothing has to be thought about: the only write of their key, with values
 * whose JSON SQLite prints as we do. All others are left to it; since their keys are others, the order of the two is free.
 */
import { quoteText } from '../core/table.ts';
import type { ValueKind } from '../core/value.ts';
import { OP_DELETED, OP_INSERTED, OP_NOTED, OP_UPDATED } from './local-schema.ts';
import { CAUSAL_LENGTH, type LocalTable, PRESENT, VERSIONS } from './local-table.ts';
import { asNumber, type Sql } from './sql.ts';

/** Longer expressions than these tables need would meet SQLite's limits. */
const COLUMNS_MAX = 100;
/** A change of the key is two. */
export const CHANGES_PER_ENTRY = 2;
const SAFE_MAX = Number.MAX_SAFE_INTEGER;

/** The causal length after an entry, where `cl` is the one before it. */
const NEW_CL = `l.cl + (l.op <> ${OP_UPDATED})`;

/** The transactions of the log, and the entries that the statements leave out. */
const TEMPORARY_SQL = `
  CREATE TEMP TABLE IF NOT EXISTS tidelock_numbers (tx INTEGER PRIMARY KEY, number INTEGER NOT NULL);
  CREATE TEMP TABLE IF NOT EXISTS tidelock_slow (id INTEGER PRIMARY KEY);
  DELETE FROM tidelock_numbers;
  DELETE FROM tidelock_slow`;

/** Gives each transaction of the log a number above `last`. */
export function numberTransactions(sql: Sql, last: number): ReadonlyMap<number, number> {
  sql.exec(TEMPORARY_SQL);
  sql.exec(
    `INSERT INTO tidelock_numbers SELECT tx, ${last} + row_number() OVER (ORDER BY min(id))
     FROM tidelock_log WHERE op <> ${OP_NOTED} GROUP BY tx`,
  );
  const rows = sql.prepare('SELECT tx, number FROM tidelock_numbers ORDER BY number').all();
  return new Map(rows.map(({ tx, number }) => [asNumber(tx), asNumber(number)]));
}

/** Seals what it can of a table's entries; the others are those in `tidelock_slow` then. */
export function sealInBulk(sql: Sql, table: LocalTable): void {
  const statements = new BulkStatements(table, table.hasCompanionRows);
  const { width } = statements;
  if (width > COLUMNS_MAX || sql.prepare(statements.hardSql).get() !== undefined) {
    sql.exec(
      `INSERT INTO tidelock_slow SELECT id FROM tidelock_log WHERE table_number = ${table.number}`,
    );
    return;
  }
  sql.exec(statements.slowSql);
  sql.exec(statements.linesSql);
  // Before the images: what is clean still would count as dirty after them.
  if (table.isDirty) sql.exec(statements.dirtySql);
  const { changes } = sql.prepare(statements.imagesSql).run();
  if (changes > 0) table.becameDirty();
}

class BulkStatements {
  readonly width: number;
  readonly #table: LocalTable;
  readonly #hasCompanion: boolean;
  /** Columns outside the key by place: name of the new cell and the old one in the log; null: dropped. */
  readonly #cells: readonly ({
    readonly now: string;
    readonly old: string;
    readonly kind: ValueKind;
  } | null)[];
  readonly #key: readonly {
    readonly cell: string;
    readonly old: string;
    readonly kind: ValueKind;
  }[];

  constructor(table: LocalTable, hasCompanion: boolean) {
    const { definition, table: layout } = table.twoway;
    const { columns } = layout.definition;
    const width = columns.length;
    const cell = (position: number): { now: string; old: string; kind: ValueKind } => ({
      now: `l.c${position}`,
      old: `l.c${position + width}`,
      kind: columns[position]?.kind ?? 'text',
    });
    this.#table = table;
    this.#hasCompanion = hasCompanion;
    this.width = width;
    this.#cells = definition.twoway.columns.map((name) => {
      const position = columns.findIndex((column) => column.name === name);
      return position < 0 ? null : cell(position);
    });
    this.#key = layout.keyPositions.map((position) => {
      const { now, old, kind } = cell(position);
      return { cell: now, old, kind };
    });
  }

  /** Finds an entry after which nothing is simple any more: a row in the way, another key. */
  get hardSql(): string {
    const moved = this.#key.map(({ cell, old }) => `${cell} IS NOT ${old}`).join(' OR ');
    return `SELECT 1 FROM tidelock_log l WHERE ${this.#isOurs}
      AND (op = ${OP_NOTED} OR (op = ${OP_UPDATED} AND (${moved}))) LIMIT 1`;
  }

  /** Marks every entry of a key that has several, or one that is not simple. */
  get slowSql(): string {
    const key = this.#key.map(({ cell }) => cell).join(', ');
    return `INSERT INTO tidelock_slow SELECT l.id FROM tidelock_log l WHERE ${this.#isOurs} AND (${key}) IN (
      SELECT ${key} FROM tidelock_log l WHERE ${this.#isOurs} GROUP BY ${key} HAVING count(*) > 1
      UNION ALL SELECT ${key} FROM ${this.#entries} WHERE ${this.#isOurs} AND (${this.#isHard}))`;
  }

  get linesSql(): string {
    const { definition } = this.#table.twoway;
    const name = quoteText(definition.name);
    const head = `${quoteText(`${JSON.stringify(definition.name)},`)} || `;
    const places = [...this.#cells.keys()];
    const values = this.#cells.map((cell) =>
      cell === null ? `'null'` : jsonSql(cell.now, cell.kind),
    );
    const writes = places.map((place) => this.#writeSql(place));
    const line = `CASE op
      WHEN ${OP_INSERTED} THEN '["i",' || ${head}(cl + 1) || ',' || key || ',[' || ${joined(values)} || ']]'
      WHEN ${OP_DELETED} THEN '["d",' || ${head}(cl + 1) || ',' || key || ']'
      ELSE '["u",' || ${head}cl || ',' || key || ',[' || substr(${writes.join(' || ') || `''`}, 2) || ']]' END`;
    return `INSERT INTO tidelock_pending SELECT number, id * ${CHANGES_PER_ENTRY}, ${name}, key, ${line} FROM (${this.#statesSql}) l
      JOIN tidelock_numbers n ON n.tx = l.tx ORDER BY id`;
  }

  /** What dirty keys have become. */
  get dirtySql(): string {
    const { baseName, twoway } = this.#table;
    const on = twoway.table.keyColumns
      .map((name, index) => `${baseName}.${name} = ${this.#key[index]?.cell}`)
      .join(' AND ');
    return `UPDATE ${baseName} SET ${CAUSAL_LENGTH} = ${NEW_CL}, ${VERSIONS} = ${this.#newVersionsSql}
      FROM (${this.#statesSql}) l WHERE l.is_dirty AND ${on}`;
  }

  /** Images of clean keys. */
  get imagesSql(): string {
    const { table } = this.#table.twoway;
    const keyColumns = table.keyPositions;
    const cells = table.columns.map((_, position) =>
      keyColumns.includes(position)
        ? `c${position}`
        : `CASE op WHEN ${OP_DELETED} THEN c${position} WHEN ${OP_UPDATED} THEN c${position + this.width} END`,
    );
    const present = `op <> ${OP_INSERTED}`;
    const names = [...table.columns, PRESENT, CAUSAL_LENGTH, VERSIONS].join(', ');
    return `INSERT INTO ${this.#table.baseName} (${names})
      SELECT ${[...cells, present, NEW_CL, this.#newVersionsSql].join(', ')} FROM (${this.#statesSql}) l
      WHERE NOT l.is_dirty`;
  }

  get #isOurs(): string {
    return `l.table_number = ${this.#table.number}`;
  }

  /** Entries with the state of dirty keys (b), and the companion (v). */
  get #entries(): string {
    const { keyColumns } = this.#table.twoway.table;
    const on = (alias: string, columns: readonly string[]): string =>
      this.#key.map(({ cell }, index) => `${alias}.${columns[index]} = ${cell}`).join(' AND ');
    const base = ` LEFT JOIN ${this.#table.baseName} b ON ${on('b', keyColumns)}`;
    const { companion } = this.#table;
    const versions =
      companion === null || !this.#hasCompanion
        ? ''
        : ` LEFT JOIN ${companion.quoted} v ON ${on('v', companion.keyColumns)}`;
    return `tidelock_log l${this.#table.isDirty ? base : ''}${versions}`;
  }

  get #isHard(): string {
    const key = this.#key.map(({ cell, kind }) => isForeignSql(cell, kind));
    const known = this.#cells.filter((cell) => cell !== null);
    const inserted = known.map(({ now, kind }) => isForeignSql(now, kind));
    // SQLite holds -0.0 equal to 0.0, the merge does not.
    const updated = known.map(
      ({ now, old, kind }) =>
        `(${isForeignSql(now, kind)} AND ${now} IS NOT ${old}) OR (typeof(${now}) = 'real' AND ${now} = 0)`,
    );
    const dirty = `b.${PRESENT} IS NOT NULL AND (b.${CAUSAL_LENGTH} IS NULL OR b.${CAUSAL_LENGTH} % 2 = (l.op = ${OP_INSERTED}))`;
    return [
      ...key,
      `l.op = ${OP_INSERTED} AND (${anyOf(inserted)})`,
      `l.op = ${OP_UPDATED} AND (${anyOf(updated)})`,
      ...(this.#table.isDirty ? [dirty] : []),
    ].join(' OR ');
  }

  /** The entries to seal, with the causal length and the versions (JSON by place) that each found; whether it was dirty. */
  get #statesSql(): string {
    const key = `'[' || ${joined(this.#key.map(({ cell, kind }) => jsonSql(cell, kind)))} || ']'`;
    const [cl, versions] =
      this.#hasCompanion && this.#table.companion !== null
        ? [
            `CASE WHEN l.op = ${OP_INSERTED} THEN coalesce(v.tidelock_cl - v.tidelock_cl % 2, 0)
             ELSE coalesce(v.tidelock_cl + (v.tidelock_cl % 2 = 0), 1) END`,
            `CASE v.tidelock_cl % 2 WHEN 1 THEN
             replace(replace(replace(v.tidelock_versions, '{', '['), '}', ']'), 'NULL', '1') END`,
          ]
        : [`(l.op <> ${OP_INSERTED})`, 'NULL'];
    const state = this.#table.isDirty
      ? `coalesce(b.${CAUSAL_LENGTH}, ${cl}) AS cl,
         CASE WHEN b.${PRESENT} IS NULL THEN ${versions} ELSE b.${VERSIONS} END AS versions,
         b.${PRESENT} IS NOT NULL AS is_dirty`
      : `${cl} AS cl, ${versions} AS versions, false AS is_dirty`;
    const differs = this.#cells.flatMap((cell) =>
      cell === null ? [] : [`${cell.now} IS NOT ${cell.old}`],
    );
    return `SELECT l.*, ${key} AS key, ${state} FROM ${this.#entries}
      WHERE ${this.#isOurs} AND l.id NOT IN (SELECT id FROM tidelock_slow)
      AND (l.op <> ${OP_UPDATED} OR ${anyOf(differs)})`;
  }

  #versionSql(place: number): string {
    if (this.#cells[place] === null) return '1'; // dropped: nobody counts it
    return `coalesce(json_extract(l.versions, '$[${place}]'), 1)`;
  }

  #writeSql(place: number): string {
    const cell = this.#cells[place];
    if (cell === null || cell === undefined) return `''`;
    const { now, old, kind } = cell;
    return `CASE WHEN ${now} IS NOT ${old} THEN ',[${place},' || (${this.#versionSql(place)} + 1) || ',' || ${jsonSql(now, kind)} || ']' ELSE '' END`;
  }

  get #newVersionsSql(): string {
    const versions = this.#cells.map((cell, place) =>
      cell === null
        ? this.#versionSql(place)
        : `(${this.#versionSql(place)} + (${cell.now} IS NOT ${cell.old}))`,
    );
    return `CASE l.op WHEN ${OP_UPDATED} THEN '[' || ${joined(versions)} || ']' END`;
  }
}

/** As `encodeValue` prints it. */
function jsonSql(cell: string, kind: ValueKind): string {
  if (kind !== 'bool') return `json_quote(${cell})`;
  return `CASE typeof(${cell}) WHEN 'integer' THEN iif(${cell}, 'true', 'false') ELSE json_quote(${cell}) END`;
}

/** True for cells that `jsonSql` would not print as we do. */
function isForeignSql(cell: string, kind: ValueKind): string {
  switch (kind) {
    case 'bytes':
      return `${cell} IS NOT NULL`;
    case 'bool':
      return `(typeof(${cell}) IN ('real', 'blob') OR (typeof(${cell}) = 'integer' AND ${cell} NOT IN (0, 1)))`;
    case 'int':
    case 'bigint':
      return `(typeof(${cell}) IN ('real', 'blob') OR (typeof(${cell}) = 'integer' AND ${cell} NOT BETWEEN ${-SAFE_MAX} AND ${SAFE_MAX}))`;
    default:
      return `typeof(${cell}) NOT IN ('null', 'text')`;
  }
}

function joined(parts: readonly string[]): string {
  return parts.length === 0 ? `''` : parts.join(` || ',' || `);
}

function anyOf(conditions: readonly string[]): string {
  return conditions.length === 0 ? 'false' : `(${conditions.join(' OR ')})`;
}
