/** Rows in words, and what a replica showed, row by row. */
import type { EvidenceRow, EvidenceTable, ReadEvent } from '../evidence.ts';
import type { Incident } from './checker.ts';
import { keyText, type Model, type ModelRow } from './model.ts';
import type { Streams } from './streams.ts';

/** Rows of one incident that are looked into. */
const DIFFERENCES_MAX = 200;
const VALUE_CHARS = 32;

/** Table -> key -> row. */
export type ShownRows = ReadonlyMap<string, ReadonlyMap<string, EvidenceRow>>;

export type Difference = {
  readonly table: EvidenceTable;
  readonly key: string;
  /** As the model has it, null: it should not be there. */
  readonly want: ModelRow | null;
  readonly got: EvidenceRow | null;
};

/** What the reads in question showed, from the deltas of their sessions; none where they were not recorded. */
export async function shownRows(
  streams: Streams,
  incidents: readonly Incident[],
): Promise<ReadonlyMap<Incident, ShownRows>> {
  const wanted = new Map(
    incidents.filter(({ kind }) => kind === 'read').map((incident) => [incident.index, incident]),
  );
  const replicas = new Set([...wanted.values()].map(({ replica }) => replica));
  const sessions = new Map<string, Map<string, Map<string, EvidenceRow>> | null>();
  const shown = new Map<Incident, ShownRows>();
  await streams.each<ReadEvent>('read', (event, index) => {
    if (!replicas.has(event.replica)) return;
    const key = JSON.stringify([event.replica, event.session]);
    const before = sessions.get(key);
    const rows = event.delta === undefined || before === null ? null : (before ?? new Map());
    sessions.set(key, rows);
    if (rows === null) return;
    for (const change of event.delta ?? []) follow(rows, change);
    const incident = wanted.get(index);
    if (incident === undefined) return;
    shown.set(incident, new Map([...rows].map(([table, byKey]) => [table, new Map(byKey)])));
  });
  return shown;
}

function follow(
  rows: Map<string, Map<string, EvidenceRow>>,
  { table, key, row }: NonNullable<ReadEvent['delta']>[number],
): void {
  const byKey = rows.get(table) ?? new Map<string, EvidenceRow>();
  rows.set(table, byKey);
  if (row === null) byKey.delete(keyText(key));
  else byKey.set(keyText(key), row);
}

/** How the rows shown differ from those of the model that belong to the selectors. */
export function differencesOf(
  shown: ShownRows,
  model: Model,
  options: {
    readonly tables: readonly EvidenceTable[];
    readonly isHeld: (selector: string) => boolean;
  },
): readonly Difference[] {
  const differences: Difference[] = [];
  for (const table of options.tables) {
    const got = shown.get(table.name) ?? new Map<string, EvidenceRow>();
    const want = model.rows(table.name);
    const keys = new Set([...want.keys(), ...got.keys()]);
    for (const key of keys) {
      if (differences.length >= DIFFERENCES_MAX) return differences;
      const all = want.get(key) ?? null;
      const held = all !== null && options.isHeld(all.selector) ? all : null;
      const row = got.get(key) ?? null;
      if (!isSameRow(held?.row ?? null, row))
        differences.push({ table, key, want: held, got: row });
    }
  }
  return differences;
}

export function isSameRow(a: EvidenceRow | null, b: EvidenceRow | null): boolean {
  if (a === null || b === null) return a === b;
  const columns = Object.keys(a);
  if (columns.length !== Object.keys(b).length) return false;
  return columns.every((column) => a[column] === b[column]);
}

/** The columns in which the row differs from the other, or all; long values cut. */
export function rowWords(row: EvidenceRow, other: EvidenceRow | null): string {
  const columns = Object.keys(row).filter(
    (column) => other === null || other[column] !== row[column],
  );
  return columns.map((column) => `${column} = ${valueWords(row[column])}`).join(', ');
}

function valueWords(value: string | null | undefined): string {
  if (value === null) return 'NULL';
  if (value === undefined) return 'nothing';
  if (value === '') return "''";
  return value.length > VALUE_CHARS
    ? `${value.slice(0, VALUE_CHARS)}… (${value.length} characters)`
    : value;
}
