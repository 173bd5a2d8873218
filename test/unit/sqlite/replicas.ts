/** Tables, files and a model for tests of replicas. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Digest } from '../../../src/core/digest.ts';
import { type Ts, toLsn } from '../../../src/core/lsn.ts';
import type { RowChange } from '../../../src/core/row-change.ts';
import { RowHasher } from '../../../src/core/row-hasher.ts';
import { parseSelectorRule } from '../../../src/core/selector.ts';
import { keyPositions, type TableDef } from '../../../src/core/table.ts';
import type { Cell, ValueKind } from '../../../src/core/value.ts';
import type { ReplicaDigest } from '../../../src/sqlite/digest-book.ts';
import { openReplicaStore, type ReplicaStore } from '../../../src/sqlite/replica-store.ts';
import { createSnapshotFile } from '../../../src/sqlite/snapshot-file.ts';

export const ts = (value: number): Ts => toLsn(value);

/** A folder that is removed when the scope ends. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'tidelock-sqlite-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** `columns`: `name kind`; the selector defaults to everyone. */
export function tableOf(
  name: string,
  columns: readonly string[],
  key: readonly string[],
  selector = '*',
): TableDef {
  return {
    name,
    columns: columns.map((text) => {
      const [column = '', kind = 'text'] = text.split('|');
      return { name: column, type: kind, kind: kind as ValueKind };
    }),
    key,
    indexes: [],
    selector: parseSelectorRule(selector),
  };
}

/** A replica file at position 100 without rows. */
export function emptyReplica(file: string, tables: readonly TableDef[]): ReplicaStore {
  createSnapshotFile({ file, tables }).finish({
    timeline: 't1',
    position: ts(100),
    selectors: ['FR', 'DE'],
  });
  return openReplicaStore({ file });
}

/** Applies changes as one transaction. */
export function commit(store: ReplicaStore, position: number, changes: readonly RowChange[]) {
  const transaction = store.begin();
  try {
    transaction.apply(changes);
    return transaction.commit(ts(position));
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

type ModelRow = { readonly selector: string; readonly row: readonly Cell[] };

/** What a replica must hold: rows by key, the plain way. */
export class ReplicaModel {
  readonly #tables = new Map<string, { definition: TableDef; rows: Map<string, ModelRow> }>();

  constructor(tables: readonly TableDef[]) {
    for (const definition of tables) {
      this.#tables.set(definition.name, { definition, rows: new Map() });
    }
  }

  apply(changes: readonly RowChange[]): void {
    for (const change of changes) this.#apply(change);
  }

  rows(table: string): readonly (readonly Cell[])[] {
    return [...(this.#tables.get(table)?.rows.values() ?? [])].map(({ row }) => row);
  }

  /** Every row with its table and selector, in the order of arrival. */
  entries(): readonly (ModelRow & { readonly table: string })[] {
    return [...this.#tables].flatMap(([table, { rows }]) => {
      return [...rows.values()].map((row) => ({ table, ...row }));
    });
  }

  digests(): readonly ReplicaDigest[] {
    const result: ReplicaDigest[] = [];
    for (const { definition, rows } of this.#tables.values()) {
      const hasher = new RowHasher(definition);
      const digests = new Map<string, Digest>();
      for (const { selector, row } of rows.values()) {
        const digest = digests.get(selector) ?? new Digest();
        digest.add(hasher.hash(row));
        digests.set(selector, digest);
      }
      for (const [selector, { hex, rows: count }] of digests) {
        result.push({ table: definition.name, selector, digest: hex, rows: count });
      }
    }
    return result;
  }

  #apply(change: RowChange): void {
    if (change.type === 'table' || change.type === 'resync' || change.type === 'drop') {
      throw new Error('not in the model');
    }
    const table = this.#tables.get(change.table);
    if (table === undefined) throw new Error(`no table ${change.table}`);
    const { definition, rows } = table;
    const nameOf = (key: readonly Cell[]) => key.map((cell) => `${cell}`).join('\0');
    const keyOf = (row: readonly Cell[]) =>
      keyPositions(definition).map((position) => row[position] ?? null);
    switch (change.type) {
      case 'truncate':
        rows.clear();
        return;
      case 'delete':
        rows.delete(nameOf(change.key));
        return;
      case 'insert':
        rows.set(nameOf(keyOf(change.row)), { selector: change.selector, row: change.row });
        return;
      default: {
        const { cols, key } = change;
        let { row } = change;
        if (cols !== undefined) {
          const old = rows.get(nameOf(key ?? keyOf(this.#widen(change.row, cols, definition))));
          row = (old?.row ?? []).map((cell, position) => {
            const index = cols.indexOf(position);
            return index < 0 ? cell : (change.row[index] ?? null);
          });
        }
        if (key !== undefined) rows.delete(nameOf(key));
        rows.set(nameOf(keyOf(row)), { selector: change.selector, row });
      }
    }
  }

  #widen(cells: readonly Cell[], cols: readonly number[], definition: TableDef): readonly Cell[] {
    return definition.columns.map((_, position) => cells[cols.indexOf(position)] ?? null);
  }
}

/** Digests in one order, to compare lists of them. */
export function sorted(digests: readonly ReplicaDigest[]): readonly ReplicaDigest[] {
  const name = (entry: ReplicaDigest) => `${entry.table}\0${entry.selector}`;
  return digests.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
}
