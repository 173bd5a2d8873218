/**
 * The writers' own log against the oracle: what a writer was told is committed must be there, with exactly its
 * rows, what was rolled back must not. Two witnesses that do not know of each other.
 */
import { createHash } from 'node:crypto';
import { hashOf, lineOf } from '../canonical.ts';
import type { EvidenceTable, OpEvent, OracleEvent } from '../evidence.ts';
import type { Findings } from './findings.ts';
import { keyOf } from './model.ts';

type Written = {
  readonly tx: string;
  readonly process: string;
  readonly invokedAt: number;
  readonly txid: string | null;
  readonly changes: number;
  /** Of the rows as the transaction leaves them. */
  readonly digest: string;
  outcome: 'open' | 'ok' | 'fail' | 'info';
  reason: string;
  isSeen: boolean;
};

/** Row hashes of what was rolled back that are kept. */
const ROLLED_BACK_MAX = 2_000_000;

export class Writers {
  readonly #tables: ReadonlyMap<string, EvidenceTable>;
  readonly #findings: Findings;
  readonly #byTx = new Map<string, Written>();
  readonly #byTxid = new Map<string, Written[]>();
  /** Hash of a row that was rolled back -> by which transaction. */
  readonly #rolledBack = new Map<bigint, string>();
  /** Of transactions that are still open: their rows. */
  readonly #hashes = new Map<string, readonly bigint[]>();

  constructor(tables: readonly EvidenceTable[], findings: Findings) {
    this.#tables = new Map(tables.map((table) => [table.name, table]));
    this.#findings = findings;
  }

  takeOp(event: OpEvent): void {
    if (event.kind === 'invoke') {
      this.#invoke(event);
      return;
    }
    const written = this.#byTx.get(event.tx);
    if (written === undefined) {
      this.#contradiction(event.t, `${event.tx} ended (${event.kind}) without having begun`);
      return;
    }
    written.outcome = event.kind;
    written.reason = event.kind === 'ok' ? '' : event.reason;
    if (event.kind === 'info') return;
    const hashes = this.#hashes.get(event.tx) ?? [];
    this.#hashes.delete(event.tx);
    if (event.kind === 'ok') return;
    this.#findings.check('P3');
    if (this.#rolledBack.size > ROLLED_BACK_MAX) return;
    for (const hash of hashes) this.#rolledBack.set(hash, event.tx);
  }

  /** When the transaction was begun, if a writer of ours began it. */
  takeOracle(event: OracleEvent): number | null {
    for (const { table, row } of event.changes) {
      // Written again by somebody who committed it: then it says nothing.
      if (row !== null && this.#rolledBack.size > 0) this.#rolledBack.delete(hashOf(table, row));
    }
    const candidates = this.#byTxid.get(event.txid) ?? [];
    const written = candidates.find(({ outcome, isSeen }) => outcome === 'ok' && !isSeen);
    if (written === undefined) {
      const [wrong] = candidates;
      if (wrong !== undefined) {
        const text = `the oracle has transaction ${event.txid} at ${event.ts}, but ${wrong.tx} ended with ${wrong.outcome} (${wrong.reason})`;
        this.#contradiction(event.t, text);
      }
      return null;
    }
    written.isSeen = true;
    this.#findings.check('P31');
    if (written.digest !== digestOf(this.#finalRows(event.changes))) {
      const text = `the oracle's transaction ${event.txid} at ${event.ts} has other rows than ${written.tx} wrote`;
      this.#contradiction(event.t, text);
    }
    return written.invokedAt;
  }

  /** After both streams. */
  finish(t: number): void {
    for (const { tx, outcome, isSeen, changes, txid } of this.#byTx.values()) {
      if (outcome === 'ok' && !isSeen && changes > 0) {
        this.#contradiction(
          t,
          `${tx} (transaction ${txid}) was committed, but the oracle has no such transaction`,
        );
      }
      if (outcome === 'info') {
        this.#contradiction(t, `what became of ${tx} was never found out`);
      }
    }
  }

  /** The transaction that wrote exactly this row and did not commit. */
  rolledBackBy(table: string, row: Parameters<typeof hashOf>[1]): string | undefined {
    return this.#rolledBack.size === 0 ? undefined : this.#rolledBack.get(hashOf(table, row));
  }

  #invoke(event: OpEvent & { readonly kind: 'invoke' }): void {
    const { tx, process, t, txid, changes } = event;
    const rows = this.#finalRows(changes);
    const written: Written = {
      ...{ tx, process, invokedAt: t, txid, changes: changes.length },
      ...{ digest: digestOf(rows), outcome: 'open', reason: 'it was not ended', isSeen: false },
    };
    this.#byTx.set(tx, written);
    if (txid !== null) this.#byTxid.set(txid, [...(this.#byTxid.get(txid) ?? []), written]);
    const hashes = changes.flatMap(({ table, row }) => (row === null ? [] : [hashOf(table, row)]));
    this.#hashes.set(tx, hashes);
  }

  /** Each row as the changes leave it; the lines are sorted, so that statements may be split and joined. */
  #finalRows(
    changes: (OpEvent & { kind: 'invoke' })['changes'] | OracleEvent['changes'],
  ): string[] {
    const rows = new Map<string, string>();
    for (const change of changes) {
      const { table, row } = change;
      const known = this.#tables.get(table);
      const key =
        'key' in change
          ? change.key
          : known === undefined
            ? ''
            : keyOf(known, row ?? change.old ?? {});
      rows.set(`${table} ${key}`, row === null ? 'gone' : lineOf(table, row));
    }
    return [...rows].map(([name, line]) => `${name} ${line}`).sort();
  }

  #contradiction(t: number, sentence: string): void {
    this.#findings.add({ property: 'P31', t, sentence, rows: [] });
  }
}

function digestOf(lines: readonly string[]): string {
  const hash = createHash('sha256');
  for (const line of lines) hash.update(line).update('\n');
  return hash.digest('base64');
}
