/** Looks at the invariants of a file with local writes (L1..L6 of src/sqlite/local-store.ts), from outside. */
import { DatabaseSync } from 'node:sqlite';
import { quoteName } from '../../../src/core/table.ts';
import type { Cell } from '../../../src/core/value.ts';
import {
  baseState,
  type Companion,
  keyText,
  readCompanion,
  readLine,
  rowOf,
  type TwowayTable,
  twowayTable,
  withPending,
} from '../../../src/sqlite/local-rows.ts';
import { readTables } from '../../../src/sqlite/replica-schema.ts';
import type { ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import type { ReplicaTable } from '../../../src/sqlite/replica-table.ts';
import { prepareArrays } from '../../../src/sqlite/sql.ts';
import { sorted } from './replicas.ts';

type Row = readonly Cell[];

/** Every broken invariant, one sentence each. L1 and L2 speak of files whose writes are sealed. */
export async function brokenInvariants(store: ReplicaStore): Promise<readonly string[]> {
  const found = inspect(store.file);
  const stored = JSON.stringify(sorted(store.digests()));
  const scanned = JSON.stringify(sorted(await store.scanDigests()));
  if (stored !== scanned) found.push(`L3: digests ${stored}, but the base has ${scanned}`);
  return found;
}

/** The same without the digests, for files that nobody has open. */
function inspect(file: string): string[] {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    db.exec('BEGIN');
    const tables = readTables(db).map(({ table }) => table);
    const isSealed = db.prepare('SELECT 1 FROM tidelock_log').get() === undefined;
    const rows = isSealed ? tables.flatMap((table) => inspectTable(db, table, tables)) : [];
    return [...rows, ...inspectNumbers(db)];
  } finally {
    db.close();
  }
}

function inspectTable(
  db: DatabaseSync,
  table: ReplicaTable,
  all: readonly ReplicaTable[],
): readonly string[] {
  const twoway = twowayTable(table);
  if (twoway === null) return [];
  const number = db
    .prepare('SELECT number FROM tidelock_local_tables WHERE name = ?')
    .get(table.name)?.number;
  const pending = pendingOf(db, twoway);
  const companions = companionsOf(db, twoway, all);
  const rows = new Map<string, Row>();
  for (const row of readAll(db, table, table.localName)) {
    rows.set(keyText(twoway, table.keyCells(row)), row);
  }
  const found: string[] = [];
  const dirty = new Set<string>();
  const noted = statesOf(db, twoway, number);
  for (const image of readAll(db, table, `tidelock_base_${number}`, ', tidelock_present')) {
    const key = table.keyCells(image);
    const text = keyText(twoway, key);
    dirty.add(text);
    const row = image.at(-1) === 1 ? image.slice(0, -1) : null;
    const base = baseState(twoway, row, companions.get(text) ?? null);
    const changes = (pending.get(text) ?? []).map((line) => readLine(twoway, line));
    const state = withPending(base, changes);
    const places = twoway.definition.twoway.columns;
    const versions = places.map((name) => state.columns.get(name)?.version ?? 1);
    const isFirst = versions.every((version) => version === 1);
    const wanted = `${state.cl} ${isFirst ? null : JSON.stringify(versions)}`;
    if (![wanted, 'null null'].includes(noted.get(text) ?? '')) {
      found.push(`L6: ${table.name} ${text} is noted as ${noted.get(text)}, and is ${wanted}`);
    }
    const expected = show(rowOf(twoway, key, state, state.cl === base.cl ? row : null));
    const actual = show(rows.get(text) ?? null);
    if (actual !== expected) {
      found.push(`L1: ${table.name} ${text} is ${actual}, and base with pending ${expected}`);
    }
  }
  for (const text of new Set([...dirty, ...pending.keys()])) {
    if (dirty.has(text) === pending.has(text)) continue;
    found.push(`L2: ${table.name} ${text} ${dirty.has(text) ? 'has an image only' : 'has none'}`);
  }
  return found;
}

/** What the images say that base and pending make. */
function statesOf(db: DatabaseSync, twoway: TwowayTable, number: unknown): Map<string, string> {
  const states = new Map<string, string>();
  const cells = `, tidelock_cl, tidelock_versions`;
  for (const image of readAll(db, twoway.table, `tidelock_base_${number}`, cells)) {
    const text = keyText(twoway, twoway.table.keyCells(image));
    states.set(text, `${image.at(-2)} ${image.at(-1)}`);
  }
  return states;
}

function inspectNumbers(db: DatabaseSync): readonly string[] {
  const head = db.prepare('SELECT tx, counter, last, settled FROM tidelock_local').get();
  const found: string[] = [];
  if (head?.tx !== head?.counter) found.push(`L4: the gate says ${head?.tx}, not ${head?.counter}`);
  const numbers = db
    .prepare('SELECT number, state FROM tidelock_transactions ORDER BY number')
    .all();
  const first = Number(numbers[0]?.number ?? 0);
  numbers.forEach(({ number, state }, index) => {
    if (number !== first + index) found.push(`L5: ${number} stands at ${first + index}`);
    const isAfterPending = index > 0 && numbers[index - 1]?.state === 'pending';
    if (state === 'uploaded' && isAfterPending) found.push(`L5: ${number} was sent too early`);
  });
  const last = numbers.at(-1)?.number;
  if (last !== undefined && last !== head?.last)
    found.push(`L5: last is ${head?.last}, not ${last}`);
  const orphans = db
    .prepare(
      'SELECT number FROM tidelock_pending WHERE number NOT IN (SELECT number FROM tidelock_transactions)',
    )
    .all();
  if (orphans.length > 0) found.push(`L5: changes of ${orphans.length} unknown transactions`);
  return found;
}

function pendingOf(db: DatabaseSync, { table }: TwowayTable): ReadonlyMap<string, string[]> {
  const rows = db
    .prepare('SELECT key, line FROM tidelock_pending WHERE table_name = ? ORDER BY number, seq')
    .all(table.name);
  const pending = new Map<string, string[]>();
  for (const { key, line } of rows) {
    pending.set(String(key), [...(pending.get(String(key)) ?? []), String(line)]);
  }
  return pending;
}

function companionsOf(
  db: DatabaseSync,
  twoway: TwowayTable,
  all: readonly ReplicaTable[],
): ReadonlyMap<string, Companion> {
  const companions = new Map<string, Companion>();
  const layout = all.find((table) => table.name === twoway.definition.twoway.versions);
  if (layout === undefined) return companions;
  for (const row of readAll(db, layout, layout.localName)) {
    companions.set(keyText(twoway, layout.keyCells(row)), readCompanion(layout, row));
  }
  return companions;
}

/** Rows of a table with the layout of `table`, whose name may be another. */
export function readAll(
  db: DatabaseSync,
  table: ReplicaTable,
  name: string,
  more = '',
): readonly Row[] {
  const text = `SELECT ${table.cellsSql}${more} FROM ${quoteName(name)}`;
  return prepareArrays(db, text)
    .all()
    .map((row) => table.restore(row));
}

/** A row as text that can be compared. */
export function show(row: Row | null): string {
  if (row === null) return 'absent';
  return `[${row.map(showCell).join(', ')}]`;
}

function showCell(cell: Cell): string {
  if (cell instanceof Uint8Array) return `x'${Buffer.from(cell).toString('hex')}'`;
  if (Object.is(cell, -0)) return '-0';
  return typeof cell === 'string' ? JSON.stringify(cell) : String(cell);
}
