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
  const isSameRow = table.columns.map(isSameColumn).join(' AND ');
  const only = (here: string, there: string): string =>
    `FROM ${here} a WHERE NOT EXISTS (SELECT 1 FROM ${there} b WHERE ${isSameKey})`;
  const sources = [
    ['missing', only(right, mine)],
    ['extra', only(mine, right)],
    ['different', `FROM ${mine} a JOIN ${right} b ON ${isSameKey} WHERE NOT (${isSameRow})`],
  ] as const;
  const rows: RowDifference[] = [];
  let count = 0;
  for (const [kind, from] of sources) {
    const total = asNumber(sql.prepare(`SELECT count(*) AS n ${from}`).get()?.n);
    count += total;
    if (total === 0 || rows.length >= limit) continue;
    const pairs = selectPairs(sql, {
      table,
      from,
      isBoth: kind === 'different',
      limit: limit - rows.length,
    });
    for (const [replica, reference] of pairs) rows.push(describe(table, kind, replica, reference));
  }
  return { rows, count };
}

/** The same stored value, not only an equal one: 1 and 1.0 have other digests, as have 0.0 and -0.0. */
function isSameColumn(name: string): string {
  return `(a.${name} IS b.${name} AND typeof(a.${name}) = typeof(b.${name}) AND (typeof(a.${name}) <> 'real' OR quote(a.${name}) = quote(b.${name})))`;
}

function selectPairs(
  sql: Sql,
  query: {
    readonly table: ReplicaTable;
    readonly from: string;
    readonly isBoth: boolean;
    readonly limit: number;
  },
): readonly (readonly [Cell[], Cell[]])[] {
  const { table, from, isBoth, limit } = query;
  const a = table.columns.map((name) => `a.${name}`);
  const b = isBoth ? table.columns.map((name) => `b.${name}`) : [];
  const order = table.keyColumns.map((name) => `a.${name}`).join();
  const statement = prepareArrays(
    sql,
    `SELECT ${[...a, ...b].join()} ${from} ORDER BY ${order} LIMIT ${limit}`,
  );
  statement.setReadBigInts(true);
  return (statement.all() as unknown as Cell[][]).map((row) => {
    const left = row.slice(0, a.length);
    return [left, isBoth ? row.slice(a.length) : left];
  });
}

function describe(
  table: ReplicaTable,
  kind: RowDifference['kind'],
  replica: readonly Cell[],
  reference: readonly Cell[],
): RowDifference {
  const key = table.keyPositions.map((position) => replica[position] ?? null);
  if (kind !== 'different') return { table: table.name, kind, key, columns: [] };
  const columns = table.definition.columns.flatMap(({ name }, index) => {
    const [ours, theirs] = [replica[index] ?? null, reference[index] ?? null];
    return isSameValue(ours, theirs) ? [] : [{ name, replica: ours, reference: theirs }];
  });
  return { table: table.name, kind, key, columns };
}

function isSameValue(a: Cell, b: Cell): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0;
  return Object.is(a, b);
}
