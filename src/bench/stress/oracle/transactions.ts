/** From the plugin's lines to committed transactions as evidence. */
import { TidelockError } from '../../../core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn } from '../../../core/lsn.ts';
import { fromPostgres } from '../canonical.ts';
import type { ColumnKind, EvidenceRow, EvidenceTable, OracleEvent } from '../evidence.ts';
import { type PluginLine, type PluginTuple, parsePluginLine } from './parser.ts';

type Change = OracleEvent['changes'][number];
type Kinds = ReadonlyMap<string, ColumnKind>;

const XID_RANGE = 2 ** 32;

export class TransactionReader {
  readonly #tables: ReadonlyMap<string, Kinds>;
  readonly #startedAt: number;
  #changes: Change[] | null = null;
  #last: Lsn = LSN_ZERO;

  constructor(tables: readonly EvidenceTable[], startedAt: number) {
    this.#startedAt = startedAt;
    this.#tables = new Map(
      tables.map(({ name, columns }) => [
        name,
        new Map(columns.map((column) => [column.name, column.kind])),
      ]),
    );
  }

  /** End of the last transaction that was read. */
  get last(): Lsn {
    return this.#last;
  }

  /**
   * Takes one line at `lsn` (of a COMMIT: the end of its record). Returns the transaction that it ends, unless
   * that was read before or touches none of the tables.
   */
  take(
    text: string,
    lsn: Lsn,
    now: { readonly nextTxid: number; readonly t: number },
  ): OracleEvent | null {
    const line = parsePluginLine(text);
    if (line.kind === 'begin') {
      this.#changes = [];
      return null;
    }
    if (this.#changes === null) throw outside(text);
    if (line.kind !== 'commit') {
      this.#changes.push(...this.#changesOf(line));
      return null;
    }
    const changes = this.#changes;
    this.#changes = null;
    if (lsn <= this.#last) return null;
    this.#last = lsn;
    if (changes.length === 0) return null;
    return {
      t: now.t,
      ts: formatLsn(lsn),
      txid: String(widen(line.xid, now.nextTxid)),
      committedAt: (line.micros ?? 0) / 1000 - this.#startedAt,
      changes,
    };
  }

  #changesOf(line: Exclude<PluginLine, { kind: 'begin' | 'commit' }>): readonly Change[] {
    if (line.kind === 'message') return [];
    if (line.kind === 'truncate') {
      return line.tables
        .filter((table) => this.#tables.has(table))
        .map((table) => ({ table, op: 'truncate', old: null, row: null }));
    }
    const { table, op } = line;
    const kinds = this.#tables.get(table);
    if (kinds === undefined) return [];
    const old = line.old === null ? null : rowOf(line.old, kinds, null);
    const row = line.row === null ? null : rowOf(line.row, kinds, old);
    return [{ table, op, old, row }];
  }
}

/** An unchanged value comes from the old row; where that has none either, the column is left out. */
function rowOf(tuple: PluginTuple, kinds: Kinds, old: EvidenceRow | null): EvidenceRow {
  const row: Record<string, string | null> = {};
  for (const [column, value] of tuple) {
    if (value.kind === 'null') row[column] = null;
    else if (value.kind === 'text')
      row[column] = fromPostgres(kinds.get(column) ?? 'text', value.text);
    else if (old?.[column] !== undefined) row[column] = old[column];
  }
  return row;
}

/** The 64-bit id that ends in these 32 bits and is the nearest to the next one, which was asked a moment before. */
function widen(xid: number, nextTxid: number): number {
  const wide = nextTxid - (nextTxid % XID_RANGE) + xid;
  if (wide - nextTxid > XID_RANGE / 2) return wide - XID_RANGE;
  return nextTxid - wide > XID_RANGE / 2 ? wide + XID_RANGE : wide;
}

function outside(text: string): TidelockError {
  const message = `test_decoding printed a line outside of a transaction: ${text.slice(0, 80)}`;
  return new TidelockError({ code: 'PROTOCOL', message });
}
