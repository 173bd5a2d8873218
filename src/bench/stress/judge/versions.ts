/** The life of single rows: every version that was committed, by which transaction, and those rolled back. */
import { parseLsn } from '../../../core/lsn.ts';
import type { EvidenceRow, EvidenceTable, OpEvent, OracleEvent } from '../evidence.ts';
import { Model, type ModelRow, type Transition } from './model.ts';
import { isSameRow } from './rows.ts';
import type { Streams } from './streams.ts';

export type Commit = {
  readonly ts: string;
  readonly position: number;
  readonly txid: bigint;
  /** The highest transaction id that had committed before. */
  readonly txidBefore: bigint;
  readonly transitions: readonly Transition[];
};

export type Version = { readonly commit: Commit; readonly after: ModelRow | null };

export class Lives {
  readonly #versions = new Map<string, Version[]>();
  readonly #rolledBack = new Map<string, { readonly tx: string; readonly row: EvidenceRow }[]>();

  /** Committed versions, in commit order. */
  versions(table: string, key: string): readonly Version[] {
    return this.#versions.get(rowName(table, key)) ?? [];
  }

  /** `rowName` of all rows that a transaction changed together with one of these. */
  get siblings(): readonly string[] {
    const commits = new Set([...this.#versions.values()].flat().map(({ commit }) => commit));
    const transitions = [...commits].flatMap((commit) => commit.transitions);
    return [...new Set(transitions.map(({ table, key }) => rowName(table.name, key)))];
  }

  /** The last version at or before the position. */
  versionAt(table: string, key: string, position: number): Version | undefined {
    return this.versions(table, key).findLast(({ commit }) => commit.position <= position);
  }

  /** The transaction that wrote this row and did not commit. */
  rolledBackBy(table: string, key: string, row: EvidenceRow): string | undefined {
    const tried = this.#rolledBack.get(rowName(table, key)) ?? [];
    return tried.find((attempt) => isSameRow(attempt.row, row))?.tx;
  }

  static async read(
    streams: Streams,
    tables: readonly EvidenceTable[],
    /** `rowName` of the rows in question. */
    names: ReadonlySet<string>,
  ): Promise<Lives> {
    const lives = new Lives();
    const model = new Model(tables);
    let txidBefore = 0n;
    await streams.each<OracleEvent>('oracle', (event) => {
      const txid = BigInt(event.txid);
      const transitions = model.apply(event);
      const position = parseLsn(event.ts, 'ts');
      const commit = { ts: event.ts, position, txid, txidBefore, transitions };
      if (txid > txidBefore) txidBefore = txid;
      for (const { table, key, after } of transitions) {
        const name = rowName(table.name, key);
        if (names.has(name)) push(lives.#versions, name, { commit, after });
      }
    });
    await lives.#readRolledBack(streams, names);
    return lives;
  }

  async #readRolledBack(streams: Streams, names: ReadonlySet<string>): Promise<void> {
    const open = new Map<string, readonly { readonly name: string; readonly row: EvidenceRow }[]>();
    await streams.each<OpEvent>('op', (event) => {
      if (event.kind === 'invoke') {
        const rows = event.changes.flatMap(({ table, key, row }) => {
          const name = rowName(table, key);
          return row !== null && names.has(name) ? [{ name, row }] : [];
        });
        if (rows.length > 0) open.set(event.tx, rows);
      } else if (event.kind === 'ok') {
        open.delete(event.tx);
      } else if (event.kind === 'fail') {
        for (const { name, row } of open.get(event.tx) ?? [])
          push(this.#rolledBack, name, { tx: event.tx, row });
      }
    });
  }
}

export function rowName(table: string, key: string): string {
  return `${table}\u0000${key}`;
}

function push<T>(lists: Map<string, T[]>, name: string, entry: T): void {
  const list = lists.get(name);
  if (list === undefined) lists.set(name, [entry]);
  else list.push(entry);
}
