/** Copies of replica files to look at, and what is different between two of them, row by row. */
import { existsSync } from 'node:fs';
import { TidelockError } from '../core/errors.ts';
import { quoteText } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import { ReplicaCatalog } from './replica-catalog.ts';
import { replicaOpenFailure, replicaWriteFailure } from './replica-errors.ts';
import { checkReplicaFormat } from './replica-schema.ts';
import type { ReplicaTable } from './replica-table.ts';
import { asNumber, openSql, prepareArrays, type Sql } from './sql.ts';

const BUSY_WAIT_MS = 5000;

/**
 * Writes a copy of one state of `file` to `target`, which must not exist; writers of `file` go on meanwhile.
 * Throws `REPLICA_UNFIT` when there is no replica at `file`, `REPLICA_WRITE_FAILED` when there is no room.
 */
export function copyReplica(file: string, target: string): void {
  if (!existsSync(file)) {
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `there is no file ${file}`,
      hint: 'name the file that `tidelock replicate --db` writes',
    });
  }
  let sql: Sql | undefined;
  try {
    sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    checkReplicaFormat(sql, file);
  } catch (error) {
    sql?.close();
    throw replicaOpenFailure(error, file);
  }
  try {
    sql.exec(`VACUUM INTO ${quoteText(target)}`);
  } catch (error) {
    throw replicaWriteFailure(error, target);
  } finally {
    sql.close();
  }
}

/** One row that the two files do not have alike. */
export type RowDifference = {
  readonly table: string;
  /** `missing`: only the reference has it. `extra`: only the replica has it. */
  readonly kind: 'missing' | 'extra' | 'different';
  readonly key: readonly Cell[];
  /** Columns that differ, with both values; empty unless `different`. */
  readonly columns: readonly {
    readonly name: string;
    readonly replica: Cell;
    readonly reference: Cell;
  }[];
};

export type ReplicaComparison = {
  /** At most `limit`, spread over the kinds and tables in order. */
  readonly rows: readonly RowDifference[];
  /** How many there are in all. */
  readonly count: number;
};

/** Compares two replicas with the same definitions; `reference` is the one that is right. */
export function compareReplicas(options: {
  readonly file: string;
  readonly reference: string;
  readonly limit: number;
}): ReplicaComparison {
  const sql = openSql(options.file, { timeoutMs: BUSY_WAIT_MS });
  try {
    sql.exec(`ATTACH DATABASE ${quoteText(options.reference)} AS reference`);
    const rows: RowDifference[] = [];
    let count = 0;
    for (const { table } of new ReplicaCatalog(sql).all()) {
      const found = compareTable(sql, table, options.limit - rows.length);
      rows.push(...found.rows);
      count += found.count;
    }
    return { rows, count };
  } finally {
    sql.close();
  }
}

function compareTable(sql: Sql, table: ReplicaTable, limit: number): ReplicaComparison {
  const mine = `main.${table.quoted}`;
  const right = `reference.${table.quoted}`;
  const isSameKey = table.keyColumns.map((name) => `a.${name} IS b.${name}`).join(' AND ');
  const only = (here: string, there: string): string =>
    `FROM ${here} a WHERE NOT EXISTS (SELECT 1 FROM ${there} b WHERE ${isSameKey})`;
  const missing = onlyThere(sql, { table, kind: 'missing', from: only(right, mine), limit });
  const extra = onlyThere(sql, {
    ...{ table, kind: 'extra', from: only(mine, right) },
    limit: limit - missing.rows.length,
  });
  const both = `FROM ${mine} a JOIN ${right} b ON ${isSameKey} WHERE ${mayDiffer(table)}`;
  const different = inBoth(sql, {
    ...{ table, from: both },
    limit: limit - missing.rows.length - extra.rows.length,
  });
  return {
    rows: [...missing.rows, ...extra.rows, ...different.rows],
    count: missing.count + extra.count + different.count,
  };
}

/** Rows that are not the same for sure: for SQL 1 and 1.0 are, and 0.0 and -0.0, but not for a digest. */
function mayDiffer(table: ReplicaTable): string {
  const conditions = table.columns.map((name, index) => {
    const isFloat = table.definition.columns[index]?.kind === 'float';
    const differs = `a.${name} IS NOT b.${name} OR typeof(a.${name}) <> typeof(b.${name})`;
    return isFloat ? `${differs} OR a.${name} = 0` : differs;
  });
  return conditions.join(' OR ');
}

/** Rows that one of the two has alone. */
function onlyThere(
  sql: Sql,
  query: {
    readonly table: ReplicaTable;
    readonly kind: 'missing' | 'extra';
    readonly from: string;
    readonly limit: number;
  },
): ReplicaComparison {
  const { table, kind, from, limit } = query;
  const count = asNumber(sql.prepare(`SELECT count(*) AS n ${from}`).get()?.n);
  if (count === 0 || limit <= 0) return { rows: [], count };
  const key = table.keyColumns.map((name) => `a.${name}`).join();
  const keys = selectCells(sql, `SELECT ${key} ${from} ORDER BY ${key} LIMIT ${limit}`);
  const rows = Array.from(keys, (cells) => ({ table: table.name, kind, key: cells, columns: [] }));
  return { rows, count };
}

/** Rows that both have, with other values. */
function inBoth(
  sql: Sql,
  query: { readonly table: ReplicaTable; readonly from: string; readonly limit: number },
): ReplicaComparison {
  const { table, from, limit } = query;
  const sides = ['a', 'b'].flatMap((side) => table.columns.map((name) => `${side}.${name}`));
  const order = table.keyColumns.map((name) => `a.${name}`).join();
  const rows: RowDifference[] = [];
  let count = 0;
  for (const cells of selectCells(sql, `SELECT ${sides.join()} ${from} ORDER BY ${order}`)) {
    const difference = describe(table, cells);
    if (difference === null) continue;
    count += 1;
    if (rows.length < limit) rows.push(difference);
  }
  return { rows, count };
}

function selectCells(sql: Sql, text: string): Iterable<readonly Cell[]> {
  const statement = prepareArrays(sql, text);
  statement.setReadBigInts(true);
  return statement.iterate() as unknown as Iterable<readonly Cell[]>;
}

/** `cells`: the replica's row, then the reference's. Null when they are alike. */
function describe(table: ReplicaTable, cells: readonly Cell[]): RowDifference | null {
  const width = table.columns.length;
  const columns = table.definition.columns.flatMap(({ name }, index) => {
    const [replica, reference] = [cells[index] ?? null, cells[width + index] ?? null];
    return isSameValue(replica, reference) ? [] : [{ name, replica, reference }];
  });
  if (columns.length === 0) return null;
  const key = table.keyPositions.map((position) => cells[position] ?? null);
  return { table: table.name, kind: 'different', key, columns };
}

function isSameValue(a: Cell, b: Cell): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return Object.is(a, b);
}
