/**
 * The reference: the oracle's transactions applied in commit order to plain maps. Knows every row of every
 * selector at one position; history.ts keeps what it was like at every other.
 */
import type { EvidenceRow, EvidenceTable, OracleEvent } from '../evidence.ts';

/** The selector of rows that go to every replica. */
export const EVERYONE = '*';

export type ModelRow = { readonly row: EvidenceRow; readonly selector: string };

/** What one change did to one row. */
export type Transition = {
  readonly table: EvidenceTable;
  /** As `keyOf` makes it. */
  readonly key: string;
  readonly before: ModelRow | null;
  readonly after: ModelRow | null;
};

type Change = OracleEvent['changes'][number];

/** The row's key as one text, the same for every source of it. */
export function keyOf(table: EvidenceTable, row: EvidenceRow): string {
  return keyText(table.key.map((column) => row[column] ?? null));
}

export function keyText(values: readonly (string | null)[]): string {
  const [only] = values;
  return values.length === 1 && only !== null && only !== undefined ? only : JSON.stringify(values);
}

export class Model {
  /** As they are at the present commit. */
  readonly #tables: Map<string, EvidenceTable>;
  readonly #rows: ReadonlyMap<string, Map<string, ModelRow>>;
  readonly #flaws: string[] = [];

  constructor(tables: readonly EvidenceTable[]) {
    this.#tables = new Map(tables.map((table) => [table.name, table]));
    this.#rows = new Map(tables.map(({ name }) => [name, new Map()]));
  }

  /** Where the oracle contradicts itself: then nothing can be judged by it. At most a few. */
  get flaws(): readonly string[] {
    return this.#flaws;
  }

  rows(table: string): ReadonlyMap<string, ModelRow> {
    return this.#rows.get(table) ?? new Map();
  }

  /** Applies one transaction; what it did to each row, in its order. */
  apply(event: OracleEvent): readonly Transition[] {
    return event.changes.flatMap((change) => {
      const table = this.#tables.get(change.table);
      const rows = this.#rows.get(change.table);
      if (table === undefined || rows === undefined) return [];
      if (change.op === 'truncate') return truncate(table, rows);
      if (change.op === 'alter') {
        this.#tables.set(table.name, { ...table, columns: change.columns ?? table.columns });
        return [];
      }
      return this.#change(change, { table, rows, at: event.ts });
    });
  }

  #change(
    change: Change,
    place: {
      readonly table: EvidenceTable;
      readonly rows: Map<string, ModelRow>;
      readonly at: string;
    },
  ): readonly Transition[] {
    const { table, rows, at } = place;
    const { old, row, op } = change;
    const oldKey = keyOf(table, (op === 'insert' ? row : (old ?? row)) ?? {});
    const before = rows.get(oldKey) ?? null;
    const name = `${table.name} ${oldKey} at ${at}`;
    if ((op === 'insert') === (before !== null)) {
      this.#flaw(`the oracle has an ${op} of ${name}, which ${before ? 'exists' : 'is not there'}`);
    }
    if (before !== null && old !== null && differs(before.row, old)) {
      this.#flaw(`the oracle's old row of ${name} is not the one before`);
    }
    rows.delete(oldKey);
    if (row === null) return [{ table, key: oldKey, before, after: null }];
    const full = completed(table, row, before?.row ?? null);
    const after = { row: full, selector: selectorOf(table, full) };
    const key = keyOf(table, full);
    rows.set(key, after);
    if (key === oldKey) return [{ table, key, before, after }];
    return [
      { table, key: oldKey, before, after: null },
      { table, key, before: null, after },
    ];
  }

  #flaw(text: string): void {
    if (this.#flaws.length < 5) this.#flaws.push(text);
  }
}

function truncate(table: EvidenceTable, rows: Map<string, ModelRow>): readonly Transition[] {
  const gone = [...rows].map(([key, before]) => ({ table, key, before, after: null }));
  rows.clear();
  return gone;
}

/** `part` may be the identity's columns only. */
function differs(row: EvidenceRow, part: EvidenceRow): boolean {
  return Object.entries(part).some(([column, value]) => row[column] !== value);
}

/** Columns that the oracle left out are as they were. */
function completed(
  table: EvidenceTable,
  row: EvidenceRow,
  before: EvidenceRow | null,
): EvidenceRow {
  const full: Record<string, string | null> = {};
  for (const { name } of table.columns)
    full[name] = row[name] ?? (name in row ? null : (before?.[name] ?? null));
  return full;
}

function selectorOf(table: EvidenceTable, row: EvidenceRow): string {
  return table.selector === null ? EVERYONE : (row[table.selector] ?? '');
}
