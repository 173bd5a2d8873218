import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RowChange } from '../../../src/core/row-change.ts';
import type { TableDef } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import { openReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';
import { emptyReplica, ReplicaModel, sorted, tableOf, temporaryFolder, ts } from './replicas.ts';

/** Few keys, so that changes meet; keys of every form; selectors that rows can share and change. */
const TABLES: readonly TableDef[] = [
  tableOf('public.by_int', ['id|int', 'place', 'count|bigint', 'share|float'], ['id'], 'place'),
  tableOf('public.by_text', ['note', 'code', 'raw|bytes'], ['code']),
  tableOf('public.by_two', ['a|int', 'b', 'flag|bool', 'at|timestamptz'], ['b', 'a'], "'x' || b"),
];

const key = fc.integer({ min: 0, max: 12 });
const place = fc.constantFrom('FR', 'DE');

type Row = { readonly table: string; readonly selector: string; readonly row: readonly Cell[] };

const row: fc.Arbitrary<Row> = fc.oneof(
  fc
    .tuple(key, place, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.double())
    .map(([id, selector, count, share]) => ({
      table: 'public.by_int',
      selector,
      row: [id, selector, narrow(count), Number.isNaN(share) ? 'NaN' : share],
    })),
  fc.tuple(fc.option(fc.string()), key, fc.uint8Array({ maxLength: 5 })).map(([note, id, raw]) => ({
    table: 'public.by_text',
    selector: '*',
    row: [clean(note), `k${id}`, raw],
  })),
  fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 }), fc.boolean())
    .map(([a, b, flag]) => ({
      table: 'public.by_two',
      selector: `x${b}`,
      row: [a, `${b}`, flag ? 1 : 0, null],
    })),
);

function narrow(value: bigint): Cell {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** Postgres has no NUL and no half characters in texts. */
function clean(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '').toWellFormed();
}

/** What may happen, resolved against the rows that are there when it does. */
type Wish =
  | { readonly kind: 'put'; readonly row: Row }
  | { readonly kind: 'delete'; readonly pick: number }
  | { readonly kind: 'change'; readonly pick: number; readonly row: Row }
  | { readonly kind: 'part'; readonly pick: number; readonly row: Row }
  | { readonly kind: 'swap'; readonly pick: number; readonly other: number }
  | { readonly kind: 'truncate'; readonly table: number };

const wish: fc.Arbitrary<Wish> = fc.oneof(
  { weight: 30, arbitrary: row.map((row): Wish => ({ kind: 'put', row })) },
  { weight: 10, arbitrary: fc.nat().map((pick): Wish => ({ kind: 'delete', pick })) },
  {
    weight: 10,
    arbitrary: fc.tuple(fc.nat(), row).map(([pick, row]): Wish => ({ kind: 'change', pick, row })),
  },
  {
    weight: 10,
    arbitrary: fc.tuple(fc.nat(), row).map(([pick, row]): Wish => ({ kind: 'part', pick, row })),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.nat(), fc.nat())
      .map(([pick, other]): Wish => ({ kind: 'swap', pick, other })),
  },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 2 }).map((table): Wish => ({ kind: 'truncate', table })),
  },
);

/** Turns wishes into the lines that a server sends: what Postgres could really have done. */
class Story {
  readonly #rows = new Map<string, Row>();

  tell(wish: Wish): readonly RowChange[] {
    const picked =
      'pick' in wish
        ? [...this.#rows.values()].at(wish.pick % Math.max(1, this.#rows.size))
        : undefined;
    if (wish.kind === 'put') return this.#put(wish.row);
    if (wish.kind === 'truncate') return this.#truncate(TABLES[wish.table]?.name ?? '');
    if (picked === undefined) return [];
    if (wish.kind === 'delete') return this.#delete(picked);
    if (wish.kind === 'swap') return this.#swap(picked, wish.other);
    if (wish.row.table !== picked.table) return [];
    return wish.kind === 'change' ? this.#change(picked, wish.row) : this.#part(picked, wish.row);
  }

  #put(row: Row): readonly RowChange[] {
    const old = this.#rows.get(nameOf(row));
    this.#rows.set(nameOf(row), row);
    if (old === undefined) return [{ type: 'insert', ...row }];
    if (old.selector === row.selector) return [{ type: 'update', ...row }];
    return [
      { type: 'delete', table: old.table, selector: old.selector, key: keyOf(old) },
      { type: 'insert', ...row },
    ];
  }

  #delete(row: Row): readonly RowChange[] {
    this.#rows.delete(nameOf(row));
    return [{ type: 'delete', table: row.table, selector: row.selector, key: keyOf(row) }];
  }

  /** A key change, unless the new key is taken. */
  #change(old: Row, row: Row): readonly RowChange[] {
    if (nameOf(old) === nameOf(row) || this.#rows.has(nameOf(row))) return [];
    this.#rows.delete(nameOf(old));
    this.#rows.set(nameOf(row), row);
    if (old.selector === row.selector) return [{ type: 'update', ...row, key: keyOf(old) }];
    return [
      { type: 'delete', table: old.table, selector: old.selector, key: keyOf(old) },
      { type: 'insert', ...row },
    ];
  }

  /** An update that leaves out the last column, as an unchanged large value is. */
  #part(old: Row, row: Row): readonly RowChange[] {
    const isMoved = old.selector !== row.selector;
    const isTaken = nameOf(old) !== nameOf(row) && this.#rows.has(nameOf(row));
    if (isMoved || isTaken) return [];
    const last = old.row.length - 1;
    const merged = { ...row, row: [...row.row.slice(0, last), old.row[last] ?? null] };
    this.#rows.delete(nameOf(old));
    this.#rows.set(nameOf(merged), merged);
    const cols = row.row.slice(0, last).map((_, position) => position);
    const change = {
      type: 'update',
      table: row.table,
      selector: row.selector,
      cols,
      row: row.row.slice(0, last),
    } as const;
    return [nameOf(old) === nameOf(row) ? change : { ...change, key: keyOf(old) }];
  }

  /** Two rows exchange their keys by way of a third key. */
  #swap(a: Row, pick: number): readonly RowChange[] {
    const others = [...this.#rows.values()].filter(
      (row) => row.table === a.table && row.selector === a.selector,
    );
    const b = others.at(pick % others.length);
    if (b === undefined || b === a || a.table !== 'public.by_text') return [];
    const [cellA, cellB] = [keyOf(a)[0] ?? null, keyOf(b)[0] ?? null];
    const move = (row: Row, to: Cell) => ({
      ...row,
      row: [row.row[0] ?? null, to, row.row[2] ?? null],
    });
    this.#rows.set(nameOf(a), move(b, cellA));
    this.#rows.set(nameOf(b), move(a, cellB));
    return [
      { type: 'update', ...move(a, 'between'), key: [cellA] },
      { type: 'update', ...move(b, cellA), key: [cellB] },
      { type: 'update', ...move(a, cellB), key: ['between'] },
    ];
  }

  #truncate(table: string): readonly RowChange[] {
    for (const [name, row] of this.#rows) if (row.table === table) this.#rows.delete(name);
    return [{ type: 'truncate', table }];
  }
}

function keyOf(row: Row): readonly Cell[] {
  const table = TABLES.find(({ name }) => name === row.table);
  return (table?.key ?? []).map((name) => {
    return row.row[table?.columns.findIndex((column) => column.name === name) ?? 0] ?? null;
  });
}

function nameOf(row: Row): string {
  return [row.table, ...keyOf(row)].join('\0');
}

const history = fc.array(fc.array(wish, { maxLength: 60, size: 'max' }), { maxLength: 8 });

function contentOf(file: string, table: TableDef): readonly unknown[] {
  const sql = new DatabaseSync(file, { readOnly: true });
  try {
    const statement = sql.prepare(`SELECT * FROM "${table.name.slice('public.'.length)}"`);
    statement.setReadBigInts(true);
    return statement
      .all()
      .map((row) => Object.values(row).map(printed))
      .sort();
  } finally {
    sql.close();
  }
}

/** Numbers and bigints of the same value print the same; -0 and 0 do not. */
function printed(cell: unknown): string {
  if (cell instanceof Uint8Array) return `bytes ${[...cell]}`;
  if (typeof cell === 'bigint') return `number ${cell}`;
  return Object.is(cell, -0) ? 'number -0' : `${typeof cell} ${cell}`;
}

test('P1 P22: any changes in any batches give the rows and digests of a plain model', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (batches) => {
      using folder = temporaryFolder();
      const file = join(folder.path, 'replica.db');
      const store = emptyReplica(file, TABLES);
      const model = new ReplicaModel(TABLES);
      const story = new Story();
      let position = 100;
      for (const batch of batches) {
        const changes = batch.flatMap((wish) => story.tell(wish));
        const transaction = store.begin();
        transaction.apply(changes);
        transaction.commit(ts(++position));
        model.apply(changes);
        expect(sorted(store.digests())).toEqual(sorted(model.digests()));
        expect(sorted(await store.scanDigests())).toEqual(sorted(model.digests()));
      }
      store.close();
      for (const table of TABLES) {
        const expected = model
          .rows(table.name)
          .map((row) => row.map(printed))
          .sort();
        expect(contentOf(file, table)).toEqual(expected);
      }
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('P7: a snapshot file and the rest equal a full replay', async () => {
  await fc.assert(
    fc.asyncProperty(history, fc.nat(8), async (batches, cut) => {
      using folder = temporaryFolder();
      const file = join(folder.path, 'replica.db');
      const before = new ReplicaModel(TABLES);
      const all = new ReplicaModel(TABLES);
      const story = new Story();
      const changes = batches.map((batch) => batch.flatMap((wish) => story.tell(wish)));
      for (const batch of changes.slice(0, cut)) before.apply(batch);
      for (const batch of changes) all.apply(batch);
      const snapshot = createSnapshotFile({ file, tables: TABLES });
      for (const row of before.entries()) snapshot.row(row.table, row.selector, row.row);
      const late = changes.slice(cut, cut + 1);
      for (const batch of late) snapshot.applyLate(batch);
      snapshot.finish({ timeline: 't1', position: ts(100), selectors: [] });
      const store = openReplicaStore({ file });
      for (const batch of changes.slice(cut + 1)) {
        const transaction = store.begin();
        transaction.apply(batch);
        transaction.commit(ts(101));
      }
      expect(sorted(store.digests())).toEqual(sorted(all.digests()));
      expect(sorted(await store.scanDigests())).toEqual(sorted(all.digests()));
      store.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);

test('P2: transactions that come again change nothing', async () => {
  const withoutParts = history.map((batches) => {
    return batches.map((batch) => batch.filter((wish) => wish.kind !== 'part'));
  });
  await fc.assert(
    fc.asyncProperty(withoutParts, fc.nat(8), async (batches, cut) => {
      using folder = temporaryFolder();
      const store = emptyReplica(join(folder.path, 'replica.db'), TABLES);
      const model = new ReplicaModel(TABLES);
      const story = new Story();
      const changes = batches.map((batch) => batch.flatMap((wish) => story.tell(wish)));
      for (const batch of changes) model.apply(batch);
      for (const batch of [...changes, ...changes.slice(cut)]) {
        const transaction = store.begin();
        transaction.apply(batch);
        transaction.commit(ts(101));
      }
      expect(sorted(store.digests())).toEqual(sorted(model.digests()));
      expect(sorted(await store.scanDigests())).toEqual(sorted(model.digests()));
      store.close();
    }),
    { numRuns: 60 },
  );
}, 60_000);
