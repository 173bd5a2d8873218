/** The present states of the rows that a run writes: locked, so that they stay true until its end. */
import { cellFromText } from '../../core/value.ts';
import { type ColumnState, deadRow, type RowState, UNKNOWN_ROW } from '../../merge/row-state.ts';
import type { PgRow, PgSession } from '../session.ts';
import type { KeyChange, LocalTransaction, SentColumn } from './changes.ts';
import { canonicalSql, lockRowsSql, readRowsSql, readVersionsSql } from './sql.ts';
import type { UploadColumn, UploadTable } from './tables.ts';

export type StoredRow = {
  /** Only the columns that the run writes. */
  readonly state: RowState;
  /** The row itself is there. */
  readonly exists: boolean;
  /** Under which it is filed, or was at its end; null: nobody sees it. */
  readonly selector: string | null;
  /** The row and its companion contradict each other: somebody wrote between the two looks. */
  readonly isTorn: boolean;
};

/** A row and what one local transaction does to it. */
export type Meeting = { readonly change: KeyChange; readonly stored: StoredRow };

const ABSENT: StoredRow = { state: UNKNOWN_ROW, exists: false, selector: null, isTorn: false };

/**
 * Locks all rows of an upload before its first run: run by run, two uploads could wait for one another. Applications that
 * only queue for one of the rows would be the victims of that.
 */
export async function lockRows(
  session: PgSession,
  transactions: readonly LocalTransaction[],
): Promise<void> {
  for (const [table, changes] of byTable(transactions)) {
    const keys = new Map(changes.map(({ id, key }) => [id, key]));
    const { sql, params } = lockRowsSql(table, [...keys.values()]);
    await session.query(sql, params);
  }
}

/** Reads the rows that these transactions write: two statements for each table. */
export async function readStates(
  session: PgSession,
  transactions: readonly LocalTransaction[],
): Promise<ReadonlyMap<KeyChange, StoredRow>> {
  const stored = new Map<KeyChange, StoredRow>();
  for (const [, changes] of byTable(transactions)) await readTable(session, changes, stored);
  return stored;
}

/** In the order of their names, which is that of all locks. */
function byTable(
  transactions: readonly LocalTransaction[],
): readonly (readonly [UploadTable, KeyChange[]])[] {
  const tables = new Map<UploadTable, KeyChange[]>();
  for (const { changes } of transactions) {
    for (const change of changes) {
      const list = tables.get(change.table);
      if (list === undefined) tables.set(change.table, [change]);
      else list.push(change);
    }
  }
  return [...tables].sort(([a], [b]) => (a.name < b.name ? -1 : 1));
}

async function readTable(
  session: PgSession,
  changes: readonly KeyChange[],
  stored: Map<KeyChange, StoredRow>,
): Promise<void> {
  const [first] = changes;
  if (first === undefined) return;
  const { table } = first;
  const columns = writtenColumns(table, changes);
  const keys = changes.map(({ key }) => key);
  const rowsSql = readRowsSql(table, keys, columns);
  const rows = byNumber(await session.query(rowsSql.sql, rowsSql.params));
  // The second look is after the locks: nobody has written to the companion of a locked row since.
  const versionsSql = readVersionsSql(table, keys);
  const versions = byNumber(await session.query(versionsSql.sql, versionsSql.params));
  changes.forEach((change, index) => {
    const row = rows.get(index);
    const companion = versions.get(index);
    if (row !== undefined || companion !== undefined)
      stored.set(change, storedRow(table, { row, companion, columns }));
    else stored.set(change, ABSENT);
  });
}

function byNumber(rows: readonly PgRow[]): ReadonlyMap<number, PgRow> {
  return new Map(rows.map((row) => [Number(row.n) - 1, row]));
}

function writtenColumns(
  table: UploadTable,
  changes: readonly KeyChange[],
): readonly UploadColumn[] {
  const names = new Set<string>();
  for (const { change } of changes) for (const name of change.columns.keys()) names.add(name);
  return table.columns.filter(
    (column) => column !== null && names.has(column.name),
  ) as UploadColumn[];
}

type Found = {
  readonly row: PgRow | undefined;
  readonly companion: PgRow | undefined;
  readonly columns: readonly UploadColumn[];
};

function storedRow(table: UploadTable, { row, companion, columns }: Found): StoredRow {
  const cl = companion === undefined ? 1 : Number(companion.cl);
  const isAlive = cl % 2 === 1;
  if (row === undefined) {
    const selector = companion?.selector ?? null;
    return { state: deadRow(isAlive ? cl + 1 : cl), exists: false, selector, isTorn: isAlive };
  }
  const versions = versionsOf(companion?.versions ?? null);
  const states = new Map<string, ColumnState>();
  const places = placesOf(table);
  columns.forEach(({ name, kind }, index) => {
    const text = row[`c${index}`] ?? null;
    const version = versions[places.get(name) ?? -1] ?? 1;
    states.set(name, { version, value: text === null ? null : cellFromText(kind, text) });
  });
  const state = { cl: isAlive ? cl : cl + 1, columns: states };
  return { state, exists: true, selector: row.selector ?? null, isTorn: !isAlive };
}

const PLACES = new WeakMap<UploadTable, ReadonlyMap<string, number>>();

/** Place of each column that is there. */
export function placesOf(table: UploadTable): ReadonlyMap<string, number> {
  const known = PLACES.get(table);
  if (known !== undefined) return known;
  const places = new Map<string, number>();
  table.columns.forEach((column, place) => {
    if (column !== null) places.set(column.name, place);
  });
  PLACES.set(table, places);
  return places;
}

function versionsOf(text: string | null): readonly (number | undefined)[] {
  if (text === null || text === '{}') return [];
  return text
    .slice(1, -1)
    .split(',')
    .map((version) => (version === 'NULL' ? undefined : Number(version)));
}

/**
 * The changes with the values of columns in which equal versions meet as Postgres prints them: only so do two
 * spellings of one value compare as equal. One statement for each such column. Rows that the writer does not see are left
 * out: a value that Postgres cannot read would tell their versions.
 */
export async function withCanonicalTies(
  session: PgSession,
  meetings: readonly Meeting[],
  isSeen: (meeting: Meeting) => boolean,
): Promise<readonly Meeting[]> {
  const ties = new Map<UploadColumn, SentColumn[]>();
  for (const { change, stored } of meetings.filter(isSeen)) {
    if (change.change.cl !== stored.state.cl) continue;
    for (const [name, sent] of change.change.columns) {
      const column = columnNamed(change.table, name);
      const isTie = stored.state.columns.get(name)?.version === sent.version;
      if (!isTie || column === undefined || column.isLiteral || sent.text === null) continue;
      const others = ties.get(column);
      if (others === undefined) ties.set(column, [sent]);
      else others.push(sent);
    }
  }
  if (ties.size === 0) return meetings;
  const canonical = new Map<SentColumn, SentColumn>();
  for (const [column, sent] of ties) {
    const { sql, params } = canonicalSql(
      column,
      sent.map(({ text }) => text),
    );
    const rows = await session.query(sql, params);
    sent.forEach((one, index) => {
      const text = rows[index]?.text ?? null;
      const value = text === null ? null : cellFromText(column.kind, text);
      canonical.set(one, { ...one, value });
    });
  }
  return meetings.map((meeting) => ({ ...meeting, change: replaced(meeting.change, canonical) }));
}

function replaced(change: KeyChange, canonical: ReadonlyMap<SentColumn, SentColumn>): KeyChange {
  const columns = new Map<string, SentColumn>();
  for (const [name, sent] of change.change.columns) columns.set(name, canonical.get(sent) ?? sent);
  return { ...change, change: { cl: change.change.cl, columns } };
}

export function columnNamed(table: UploadTable, name: string): UploadColumn | undefined {
  return table.columns[placesOf(table).get(name) ?? -1] ?? undefined;
}
