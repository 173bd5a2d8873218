/** Postgres as far as local writes go: rows with versions, a history of commits, and the merge of uploads. */
import type { RowChange } from '../../../src/core/row-change.ts';
import type { TableDef, TwowayDef } from '../../../src/core/table.ts';
import type { UploadChange, UploadValue } from '../../../src/core/upload.ts';
import { type Cell, cellFromJson, type ValueKind } from '../../../src/core/value.ts';
import { deleteChange, insertChange, updateChange } from '../../../src/merge/local-change.ts';
import {
  type ColumnState,
  deadRow,
  isAlive,
  merge,
  type RowState,
  UNKNOWN_ROW,
} from '../../../src/merge/row-state.ts';
import { readUpload } from '../../../src/protocol/upload-reader.ts';
import { tableOf, ts } from './replicas.ts';

export type Twoway = TableDef & { readonly twoway: TwowayDef };

type Row = readonly Cell[];
type Entry = { readonly key: Row; state: RowState; hasCompanion: boolean };

/** `columns` and `key` as for `tableOf`; all columns outside the key can be written. */
export function twowayOf(name: string, columns: readonly string[], key: readonly string[]): Twoway {
  const table = tableOf(name, columns, key);
  const values = table.columns
    .map((column) => column.name)
    .filter((column) => !key.includes(column));
  return { ...table, twoway: { versions: `tidelock.versions_${name}`, columns: values } };
}

export function companionOf(table: Twoway): TableDef {
  const keys = table.key.map((name) => {
    const column = table.columns.find((each) => each.name === name);
    return `${name}|${column?.kind}`;
  });
  const columns = [...keys, 'tidelock_cl|bigint', 'tidelock_versions'];
  return tableOf(table.twoway.versions, columns, table.key);
}

export type Commit = { readonly position: number; readonly changes: readonly RowChange[] };

/** What the server knows of one site. */
type Site = { last: number; nonce: string; readonly rejected: Map<number, string> };

export type Answer = {
  readonly accepted: number;
  readonly timeline: string;
  readonly position: ReturnType<typeof ts>;
  readonly rejected: readonly { number: number; code: string; message: string }[];
};

export class ModelSource {
  readonly timeline = 't1';
  position = 100;
  readonly tables: readonly Twoway[];
  /** Commits that no replica has applied yet. */
  readonly commits: Commit[] = [];
  /** The changes of all rejected transactions, as they came. */
  readonly rejected: UploadChange[] = [];
  readonly #rows = new Map<string, Map<string, Entry>>();
  readonly #sites = new Map<string, Site>();

  constructor(tables: readonly Twoway[]) {
    this.tables = tables;
    for (const { name } of tables) this.#rows.set(name, new Map());
  }

  /** All tables with their companions, for a replica. */
  get definitions(): readonly TableDef[] {
    return this.tables.flatMap((table) => [table, companionOf(table)]);
  }

  /** A write of somebody else; null values: the row is deleted. */
  write(name: string, key: Row, values: ReadonlyMap<string, Cell> | null): void {
    const entry = this.#entry(name, key);
    const change =
      values === null
        ? deleteChange(entry.state)
        : isAlive(entry.state)
          ? updateChange(entry.state, values)
          : insertChange(entry.state, values);
    if (change === null) return;
    this.#commit(this.#merge(this.#table(name), entry, change));
  }

  /** Every living row of a table, with its companion's. */
  snapshot(): readonly RowChange[] {
    return this.tables.flatMap((table) =>
      [...(this.#rows.get(table.name)?.values() ?? [])].flatMap((entry) => {
        const changes: RowChange[] = [];
        if (isAlive(entry.state)) changes.push(insert(table.name, rowOf(table, entry)));
        if (entry.hasCompanion)
          changes.push(insert(table.twoway.versions, companionRow(table, entry)));
        return changes;
      }),
    );
  }

  rows(table: Twoway): readonly Row[] {
    return [...(this.#rows.get(table.name)?.values() ?? [])]
      .filter(({ state }) => isAlive(state))
      .map((entry) => rowOf(table, entry));
  }

  /** `refuses` is asked once for every transaction. */
  upload(site: string, lines: readonly string[], refuses: () => boolean): Answer {
    const head = ['site', site, { protocol: 1, timeline: 't1', position: '0/0', settled: 0 }];
    const { transactions } = readUpload([JSON.stringify(head), ...lines].join('\n'));
    const known = this.#site(site);
    const changes: RowChange[] = [];
    for (const { number, nonce, changes: written } of transactions) {
      if (number <= known.last) {
        if (number === known.last && nonce !== known.nonce) throw new Error('SITE_CLONED');
        continue;
      }
      if (number !== known.last + 1) throw new Error(`UPLOAD_GAP: ${number} after ${known.last}`);
      known.last = number;
      known.nonce = nonce;
      const code = refuses() ? 'DENIED' : this.#missing(written);
      if (code === null) changes.push(...this.#take(written));
      else {
        known.rejected.set(number, code);
        this.rejected.push(...written);
      }
    }
    this.#commit(changes);
    return {
      accepted: known.last,
      timeline: this.timeline,
      position: ts(this.position),
      rejected: [...known.rejected].map(([number, code]) => ({ number, code, message: 'no' })),
    };
  }

  #site(site: string): Site {
    const known = this.#sites.get(site) ?? { last: 0, nonce: '', rejected: new Map() };
    this.#sites.set(site, known);
    return known;
  }

  #missing(written: readonly UploadChange[]): string | null {
    const lives = new Map<string, number>();
    for (const change of written) {
      const [op, name, cl] = change;
      const key = this.#key(name, change[3]);
      const text = `${name} ${keyName(key)}`;
      const life = lives.get(text) ?? this.#entry(name, key).state.cl;
      if (op === 'u' && cl > life) return 'ROW_MISSING';
      lives.set(text, Math.max(life, cl));
    }
    return null;
  }

  #take(written: readonly UploadChange[]): readonly RowChange[] {
    return written.flatMap((change) => {
      const table = this.#table(change[1]);
      const entry = this.#entry(table.name, this.#key(table.name, change[3]));
      return this.#merge(table, entry, stateOf(table, change));
    });
  }

  #merge(table: Twoway, entry: Entry, change: RowState): readonly RowChange[] {
    const before = entry.state;
    const hadCompanion = entry.hasCompanion;
    const oldRow = isAlive(before) ? rowOf(table, entry) : null;
    entry.state = merge(before, change);
    if (entry.state === before) return [];
    entry.hasCompanion ||= !isPlain(entry.state);
    const changes: RowChange[] = [];
    if (isAlive(entry.state)) {
      const row = rowOf(table, entry);
      changes.push(oldRow === null ? insert(table.name, row) : update(table.name, row));
    } else if (oldRow !== null) {
      changes.push({ type: 'delete', table: table.name, selector: '*', key: entry.key });
    }
    if (entry.hasCompanion) {
      const row = companionRow(table, entry);
      const { versions } = table.twoway;
      changes.push(hadCompanion ? update(versions, row) : insert(versions, row));
    }
    return changes;
  }

  #commit(changes: readonly RowChange[]): void {
    this.position += 10;
    this.commits.push({ position: this.position, changes });
  }

  #table(name: string): Twoway {
    const table = this.tables.find((each) => each.name === name);
    if (table === undefined) throw new Error(`no table ${name}`);
    return table;
  }

  #entry(name: string, key: Row): Entry {
    const rows = this.#rows.get(name) ?? new Map<string, Entry>();
    const entry = rows.get(keyName(key)) ?? { key, state: UNKNOWN_ROW, hasCompanion: false };
    rows.set(keyName(key), entry);
    return entry;
  }

  #key(name: string, values: readonly UploadValue[]): Row {
    const table = this.#table(name);
    return table.key.map((column, index) => cellOf(table, column, values[index] ?? null));
  }
}

function keyName(key: Row): string {
  return key.map(String).join('\0');
}

function insert(table: string, row: Row): RowChange {
  return { type: 'insert', table, selector: '*', row };
}

function update(table: string, row: Row): RowChange {
  return { type: 'update', table, selector: '*', row };
}

/** Needs no companion row: all versions are 1 and it is the first life. */
function isPlain(state: RowState): boolean {
  return state.cl === 1 && [...state.columns.values()].every(({ version }) => version === 1);
}

function rowOf(table: Twoway, { key, state }: Entry): Row {
  return table.columns.map(({ name }) => {
    const index = table.key.indexOf(name);
    return index >= 0 ? (key[index] ?? null) : (state.columns.get(name)?.value ?? null);
  });
}

function companionRow(table: Twoway, { key, state }: Entry): Row {
  const versions = table.twoway.columns.map((name) => state.columns.get(name)?.version ?? 1);
  const isAllOne = versions.every((version) => version === 1);
  return [...key, state.cl, isAllOne ? null : `{${versions.join()}}`];
}

function stateOf(table: Twoway, change: UploadChange): RowState {
  const columns = new Map<string, ColumnState>();
  const put = (place: number, version: number, value: UploadValue): void => {
    const name = table.twoway.columns[place] ?? '';
    columns.set(name, { version, value: cellOf(table, name, value) });
  };
  if (change[0] === 'd') return deadRow(change[2]);
  if (change[0] === 'i') change[4].forEach((value, place) => void put(place, 1, value));
  else for (const [place, version, value] of change[4]) put(place, version, value);
  return { cl: change[2], columns };
}

function cellOf(table: Twoway, name: string, value: UploadValue): Cell {
  const kind: ValueKind = table.columns.find((column) => column.name === name)?.kind ?? 'text';
  if (value !== null && typeof value === 'object') throw new Error(`${name}: not of its kind`);
  return cellFromJson(kind, value);
}
