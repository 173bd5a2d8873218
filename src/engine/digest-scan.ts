/** Digests of Postgres at one position: a full scan, with late transactions put in their place. */
import { bucketOf } from '../core/bucket.ts';
import { Digest } from '../core/digest.ts';
import type { RowChange } from '../core/row-change.ts';
import { RowHasher } from '../core/row-hasher.ts';
import { readableSelectors } from '../core/selector.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import type { Cell } from '../core/value.ts';
import type { DigestEntry } from '../protocol/feed.ts';
import type { DigestAnswer } from './api.ts';
import type { ExactSnapshot } from './exact-snapshot.ts';

type Rows = { readonly rows: readonly (readonly Cell[])[]; readonly selectors: readonly string[] };

type TouchedRow = { selector: string; row: Cell[] } | null;

/** Digests of one table, summed while its rows come by. */
export class TableScan {
  readonly table: TableDef;
  readonly bySelector = new Map<string, Digest>();
  readonly buckets: readonly Digest[];
  readonly #hasher: RowHasher;
  readonly #key: readonly number[];
  /** Rows that late transactions touch, by key: their final state counts, not the scanned one. */
  readonly #touched = new Map<string, TouchedRow>();

  constructor(table: TableDef, bucketCount: number) {
    this.table = table;
    this.#hasher = new RowHasher(table);
    this.#key = keyPositions(table);
    this.buckets = Array.from({ length: bucketCount }, () => new Digest());
  }

  /** Call for every late change, before the rows. */
  expect(change: RowChange): void {
    for (const key of this.#keysOf(change)) this.#touched.set(key, null);
  }

  add({ rows, selectors }: Rows): void {
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index] ?? [];
      const selector = selectors[index] ?? '';
      if (this.#touched.size > 0) {
        const key = this.#keyOf(row);
        if (this.#touched.has(key)) {
          this.#touched.set(key, { selector, row: [...row] });
          continue;
        }
      }
      this.#count(selector, row);
    }
  }

  /** Call for every late change, in order, after the rows. */
  apply(change: RowChange): void {
    switch (change.type) {
      case 'truncate':
        this.#clear();
        return;
      case 'delete':
        this.#touched.set(textOf(change.key), null);
        return;
      case 'insert':
        this.#touched.set(this.#keyOf(change.row), {
          selector: change.selector,
          row: [...change.row],
        });
        return;
      case 'update':
        this.#update(change);
        return;
      default:
    }
  }

  /** Adds the touched rows. Call once, last. */
  finish(): void {
    for (const touched of this.#touched.values()) {
      if (touched !== null) this.#count(touched.selector, touched.row);
    }
    this.#touched.clear();
  }

  #update(change: RowChange & { type: 'update' }): void {
    const columns = change.cols ?? this.table.columns.map((_, index) => index);
    const oldKey = change.key === undefined ? this.#partialKey(change) : textOf(change.key);
    const row = [...(this.#touched.get(oldKey)?.row ?? [])];
    columns.forEach((column, index) => {
      row[column] = change.row[index] ?? null;
    });
    this.#touched.set(oldKey, null);
    this.#touched.set(this.#keyOf(row), { selector: change.selector, row });
  }

  #clear(): void {
    this.bySelector.clear();
    for (const bucket of this.buckets) {
      bucket.words.fill(0);
      bucket.rows = 0;
    }
    for (const key of this.#touched.keys()) this.#touched.set(key, null);
  }

  #count(selector: string, row: readonly Cell[]): void {
    const hash = this.#hasher.hash(row);
    let digest = this.bySelector.get(selector);
    if (digest === undefined) {
      digest = new Digest();
      this.bySelector.set(selector, digest);
    }
    digest.add(hash);
    if (this.buckets.length > 0) {
      const key = this.#key.map((position) => row[position] ?? null);
      this.buckets[bucketOf(key, this.buckets.length)]?.add(hash);
    }
  }

  #keysOf(change: RowChange): readonly string[] {
    if (change.type === 'insert') return [this.#keyOf(change.row)];
    if (change.type === 'delete') return [textOf(change.key)];
    if (change.type !== 'update') return [];
    const now = this.#partialKey(change);
    return change.key === undefined ? [now] : [textOf(change.key), now];
  }

  #partialKey(change: RowChange & { type: 'update' }): string {
    const { cols, row } = change;
    if (cols === undefined) return this.#keyOf(row);
    return textOf(this.#key.map((position) => row[cols.indexOf(position)] ?? null));
  }

  #keyOf(row: readonly Cell[]): string {
    return textOf(this.#key.map((position) => row[position] ?? null));
  }
}

type ScanRequest = { readonly selectors: readonly string[]; readonly signal: AbortSignal };

/** A scan of `table` that knows which rows late transactions touch. */
export function startScan(
  snapshot: ExactSnapshot,
  table: TableDef,
  bucketCount: number,
): TableScan {
  const scan = new TableScan(table, bucketCount);
  for (const change of lateChangesOf(snapshot, table)) scan.expect(change);
  return scan;
}

/** Ends a scan that has seen all rows: late transactions on top. */
export function endScan(snapshot: ExactSnapshot, scan: TableScan): void {
  for (const change of lateChangesOf(snapshot, scan.table)) scan.apply(change);
  scan.finish();
}

/** One table, whole. */
export async function scanTable(
  snapshot: ExactSnapshot,
  table: TableDef,
  request: ScanRequest & { readonly bucketCount: number },
): Promise<TableScan> {
  const scan = startScan(snapshot, table, request.bucketCount);
  for await (const chunk of snapshot.rows(table, request.selectors)) {
    request.signal.throwIfAborted();
    scan.add(chunk);
  }
  endScan(snapshot, scan);
  return scan;
}

/** All tables of a snapshot, late transactions included. */
export async function scanDigests(
  snapshot: ExactSnapshot,
  request: ScanRequest & { readonly bucketCount?: number | undefined },
): Promise<DigestAnswer> {
  const digests: DigestEntry[] = [];
  const buckets: Record<string, { digest: string; rows: number }[]> = {};
  for (const table of snapshot.tables) {
    const bucketCount = request.bucketCount ?? 0;
    const scan = await scanTable(snapshot, table, { ...request, bucketCount });
    digests.push(...entriesOf(scan, request.selectors));
    buckets[table.name] = scan.buckets.map(({ hex, rows }) => ({ digest: hex, rows }));
  }
  const { ts, timeline } = snapshot;
  return request.bucketCount === undefined
    ? { timeline, ts, digests }
    : { timeline, ts, digests, buckets };
}

/** One entry per table and requested selector, also when it has no rows. */
export function entriesOf(scan: TableScan, selectors: readonly string[]): DigestEntry[] {
  return readableSelectors(scan.table.selector, selectors).map((selector) => {
    const digest = scan.bySelector.get(selector) ?? new Digest();
    return { table: scan.table.name, selector, digest: digest.hex, rows: digest.rows };
  });
}

function* lateChangesOf(snapshot: ExactSnapshot, table: TableDef): Iterable<RowChange> {
  for (const changes of snapshot.lateChanges()) {
    for (const change of changes) {
      if (change.type !== 'table' && change.table === table.name) yield change;
    }
  }
}

function textOf(key: readonly Cell[]): string {
  return JSON.stringify(key.map((cell) => (cell instanceof Uint8Array ? [...cell] : String(cell))));
}
