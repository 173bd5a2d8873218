/**
 * Reads a replica's file as a stranger would: plain SQL, a connection of its own, the bench's own digest.
 * One scan is one read transaction; it gives way between slices, so that the replica is written meanwhile.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { asNumber, asText, openSql, type Sql } from '../../sqlite/sql.ts';
import { fromSqlite, hashOf, RowSum } from './canonical.ts';
import type { ApplyEvent, EvidenceRow, EvidenceTable, ReadEvent } from './evidence.ts';
import { RECORD_TABLE } from './schema.ts';

const BUSY_WAIT_MS = 5000;
/** Rows between two turns of the event loop. */
const SLICE_ROWS = 250;

const DIGESTS_SQL = 'SELECT table_name AS "table", selector, digest, rows FROM tidelock_digests';

/** What one read transaction saw. */
export type Scan = Pick<ReadEvent, 'ts' | 'digest' | 'rows' | 'sums'> & {
  readonly delta: NonNullable<ReadEvent['delta']>;
  /** Ids and groups of all "end" records. */
  readonly ends: readonly (readonly [id: number, group: number])[];
};

/** The product's own words about the file. */
export type StoredState = { readonly ts: string; readonly digests: ApplyEvent['digests'] };

export class ReplicaScan {
  /** For scans, which stay open over turns of the event loop. */
  readonly #sql: Sql;
  /** For short looks at what is true now. */
  readonly #present: Sql;
  readonly #tables: readonly EvidenceTable[];
  readonly #positionSql: string;
  /** Hash of every row as last read, by table and key. */
  #known = new Map<string, bigint>();

  constructor(file: string, tables: readonly EvidenceTable[], positionSql: string) {
    this.#sql = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    this.#present = openSql(file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    this.#tables = tables;
    this.#positionSql = positionSql;
  }

  position(): string {
    return this.#positionIn(this.#present);
  }

  /** Position and stored digests in one read transaction. */
  stored(hasDigests: boolean): StoredState {
    this.#present.exec('BEGIN');
    try {
      const ts = this.position();
      if (!hasDigests) return { ts, digests: [] };
      const digests = this.#present
        .prepare(DIGESTS_SQL)
        .all()
        .map((row) => ({
          ...{ table: asText(row.table), selector: asText(row.selector) },
          ...{ digest: asText(row.digest), rows: asNumber(row.rows) },
        }));
      return { ts, digests };
    } finally {
      this.#present.exec('COMMIT');
    }
  }

  /** "End" records, with their groups. */
  ends(): Scan['ends'] {
    if (!this.#tables.some(({ name }) => name === RECORD_TABLE)) return [];
    const rows = this.#present.prepare('SELECT id, grp FROM stress_table WHERE last').all();
    return rows.map(({ id, grp }) => [Number(id), Number(grp)] as const);
  }

  /** A full scan in one read transaction. */
  async scan(): Promise<Scan> {
    this.#sql.exec('BEGIN');
    try {
      return await this.#scan();
    } finally {
      this.#sql.exec('COMMIT');
    }
  }

  close(): void {
    this.#sql.close();
    this.#present.close();
  }

  #positionIn(sql: Sql): string {
    return String(sql.prepare(this.#positionSql).get()?.position ?? '');
  }

  async #scan(): Promise<Scan> {
    const ts = this.#positionIn(this.#sql);
    const seen: Seen = {
      sum: new RowSum(),
      sums: new Map(),
      delta: [],
      known: new Map(),
      ends: [],
    };
    let count = 0;
    for (const table of this.#tables) {
      for (const values of this.#sql.prepare(selectOf(table)).iterate()) {
        this.#take(table, values as Readonly<Record<string, unknown>>, seen);
        count += 1;
        if (count % SLICE_ROWS === 0) await turn();
      }
    }
    for (const [key] of this.#known) {
      if (seen.known.has(key)) continue;
      const [table = '', ...rest] = JSON.parse(key) as string[];
      seen.delta.push({ table, key: rest, row: null });
    }
    this.#known = seen.known;
    const { sum, sums, delta, ends } = seen;
    const texts = Object.fromEntries([...sums].map(([name, value]) => [name, `${value}`]));
    return { ts, digest: sum.digest, rows: sum.rows, sums: texts, delta, ends };
  }

  #take(table: EvidenceTable, values: Readonly<Record<string, unknown>>, seen: Seen): void {
    const row = rowOf(table, values);
    const hash = hashOf(table.name, row);
    seen.sum.add(hash);
    const key = JSON.stringify([table.name, ...table.key.map((column) => row[column])]);
    seen.known.set(key, hash);
    if (this.#known.get(key) !== hash) {
      const keys = table.key.map((column) => row[column] ?? null);
      seen.delta.push({ table: table.name, key: keys, row });
    }
    if (table.balance !== null) {
      const selector = table.selector === null ? '*' : (row[table.selector] ?? '');
      const sum = seen.sums.get(selector) ?? 0n;
      seen.sums.set(selector, sum + BigInt(row[table.balance] ?? '0'));
    }
    if (row.last === 'true') seen.ends.push([Number(row.id), Number(row.grp)]);
  }
}

type Seen = {
  readonly sum: RowSum;
  readonly sums: Map<string, bigint>;
  readonly delta: { table: string; key: readonly (string | null)[]; row: EvidenceRow | null }[];
  readonly known: Map<string, bigint>;
  readonly ends: (readonly [number, number])[];
};

/** Replicas name their tables without the schema. */
export function localNameOf({ name }: EvidenceTable): string {
  return name.slice(name.indexOf('.') + 1);
}

export function selectOf(table: EvidenceTable): string {
  // As texts: numbers of 64 bits are more than a JavaScript number can be.
  const columns = table.columns.map(({ name, kind }) =>
    kind === 'bigint' ? `CAST("${name}" AS TEXT) AS "${name}"` : `"${name}"`,
  );
  return `SELECT ${columns.join(', ')} FROM "${localNameOf(table)}"`;
}

/** A row of a replica in canonical text. */
export function rowOf(
  table: EvidenceTable,
  values: Readonly<Record<string, unknown>>,
): EvidenceRow {
  return Object.fromEntries(
    table.columns.map(({ name, kind }) => {
      const value = values[name];
      return [name, value === null || value === undefined ? null : fromSqlite(kind, value)];
    }),
  );
}
