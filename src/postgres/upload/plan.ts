/** Decides, for one row and one change of it, what is written: pure. The merge is that of merge/. */
import { EVERYONE } from '../../core/selector.ts';
import { isAlive, merge, type RowState } from '../../merge/row-state.ts';
import { type KeyChange, Refusal, type SentColumn } from './changes.ts';
import type { Correction } from './sql.ts';
import { columnNamed, type Meeting, placesOf, type StoredRow } from './states.ts';
import type { UploadColumn } from './tables.ts';

/** As whom an upload is applied. */
export type Writer = {
  /** `tidelock.auth_userid()` of the policies; empty without a token. */
  readonly userid: string;
  /** `tidelock.claim(name)`: the token's claims. */
  readonly claims: Readonly<Record<string, unknown>>;
  /** What the writer may read. */
  readonly selectors: ReadonlySet<string> | 'any';
};

/** How far a version may be ahead of the server's: more is no history of honest writes. */
const VERSION_LEAD_MAX = 1_000_000;

export type RowWrite = {
  readonly kind: 'insert' | 'update' | 'delete';
  readonly change: KeyChange;
  /** Written columns besides the key, by place. */
  readonly columns: readonly UploadColumn[];
};

export type RowPlan = {
  readonly write: RowWrite | null;
  /** What the companion has to say, where the triggers may say something else. */
  readonly correction: (Correction & { readonly isAlive: boolean }) | null;
};

const NOTHING: RowPlan = { write: null, correction: null };

/** Throws `Refusal`. */
export function planRow(meeting: Meeting, writer: Writer): RowPlan {
  const { change, stored } = meeting;
  if (!isSeen(meeting, writer)) return planUnseen(change, stored);
  requireVersions(change, stored.state);
  if (isUpdateOfUnknown(change, stored.state)) {
    throw refusal(change, 'ROW_MISSING', 'the row is not in Postgres: its insert was refused');
  }
  const merged = merge(stored.state, change.change);
  if (merged === stored.state) return NOTHING;
  if (isAlive(merged))
    return stored.exists ? planUpdate(change, stored, merged) : planInsert(change, stored, merged);
  if (stored.exists) return planDelete(change, stored, merged);
  // A row that the server never saw has ended before it began: there is nothing to remember.
  return stored.state.cl === 0 ? NOTHING : { write: null, correction: ended(change, merged) };
}

/** A row that the writer cannot see: that it exists is told only to who wants its key. */
function planUnseen(change: KeyChange, { exists }: StoredRow): RowPlan {
  if (change.isInsert) throw refusal(change, 'KEY_TAKEN', 'the key is taken');
  if (!exists) return NOTHING;
  if (change.table.hasPolicies) throw refusal(change, 'DENIED', 'the user may not write this row');
  throw refusal(change, 'FORBIDDEN_SELECTOR', 'the token does not cover this row');
}

/** False for a row, alive or deleted, that the writer may not read: then no refusal tells what is in it. */
export function isSeen({ change, stored }: Meeting, { selectors }: Writer): boolean {
  const { selectorSql, mayBeEveryone } = change.table;
  const { selector, state } = stored;
  if (state.cl === 0 || selectorSql === null || selectors === 'any') return true;
  if (selector === null) return false;
  return selectors.has(selector) || (mayBeEveryone && selector === EVERYONE);
}

function isUpdateOfUnknown({ change, isInsert }: KeyChange, state: RowState): boolean {
  return isAlive(change) && !isInsert && change.cl > state.cl;
}

function requireVersions(change: KeyChange, state: RowState): void {
  if (change.change.cl > state.cl + VERSION_LEAD_MAX) {
    throw refusal(change, 'BAD_VERSION', `causal length ${change.change.cl} is too far ahead`);
  }
  for (const [name, { version }] of change.change.columns) {
    const present = change.change.cl === state.cl ? (state.columns.get(name)?.version ?? 0) : 0;
    if (version <= present + VERSION_LEAD_MAX) continue;
    throw refusal(change, 'BAD_VERSION', `version ${version} of column ${name} is too far ahead`);
  }
}

function planInsert(change: KeyChange, { state }: StoredRow, merged: RowState): RowPlan {
  const isGiven = (column: UploadColumn | null): column is UploadColumn =>
    column !== null && !(column.isIdentity && isNull(change, column.name));
  const columns = change.table.columns.slice(0, change.places).filter(isGiven);
  const isFirstWrite = [...merged.columns.values()].every(({ version }) => version === 1);
  const isExpected = isFirstWrite && merged.cl === state.cl + 1;
  const correction = isExpected ? null : { ...whole(change, merged), isAlive: true };
  return { write: { kind: 'insert', change, columns }, correction };
}

function isNull({ change }: KeyChange, name: string): boolean {
  return (change.columns.get(name)?.text ?? null) === null;
}

function planUpdate(change: KeyChange, { state }: StoredRow, merged: RowState): RowPlan {
  const names = [...merged.columns].flatMap(([name, column]) =>
    column === state.columns.get(name) ? [] : [name],
  );
  const columns = change.table.columns.filter(
    (column) => column !== null && names.includes(column.name),
  ) as UploadColumn[];
  const write: RowWrite | null = columns.length > 0 ? { kind: 'update', change, columns } : null;
  if (merged.cl !== state.cl) {
    return { write, correction: { ...whole(change, merged), isAlive: true } };
  }
  const isExpected = columns.every(({ name }) => isCounted(change, name, state));
  if (isExpected) return { write, correction: null };
  return { write, correction: { ...partly(change, merged, names), isAlive: true } };
}

/** True when the triggers will surely count this column exactly as the merge does. */
function isCounted({ change, table }: KeyChange, name: string, state: RowState): boolean {
  const sent = change.columns.get(name);
  const present = state.columns.get(name);
  if (sent === undefined || present === undefined) return false;
  if (sent.version !== present.version + 1) return false;
  return columnNamed(table, name)?.isLiteral === true && differs(sent, present.value);
}

/** Cells of one literal type differ exactly when their texts do. */
function differs(sent: SentColumn, present: unknown): boolean {
  if (sent.value === null || present === null) return sent.value !== present;
  return (
    typeof sent.value === typeof present && typeof present !== 'object' && sent.value !== present
  );
}

function planDelete(change: KeyChange, { state }: StoredRow, merged: RowState): RowPlan {
  const write: RowWrite = { kind: 'delete', change, columns: [] };
  return { write, correction: merged.cl === state.cl + 1 ? null : ended(change, merged) };
}

function ended({ key }: KeyChange, { cl }: RowState): RowPlan['correction'] {
  return { key, cl, versions: [], isWhole: true, isAlive: false };
}

function whole({ key, table }: KeyChange, { cl, columns }: RowState): Correction {
  const versions = table.columns.map((column) =>
    column === null ? null : (columns.get(column.name)?.version ?? null),
  );
  return { key, cl, versions, isWhole: true };
}

function partly(
  { key, table }: KeyChange,
  { cl, columns }: RowState,
  names: readonly string[],
): Correction {
  const versions: (number | null)[] = table.columns.map(() => null);
  for (const name of names) {
    const place = placesOf(table).get(name);
    if (place !== undefined) versions[place] = columns.get(name)?.version ?? null;
  }
  return { key, cl, versions, isWhole: false };
}

function refusal(change: KeyChange, code: Refusal['code'], message: string): Refusal {
  return new Refusal(code, message, { table: change.table.name, key: change.sentKey });
}
