/** hot path: rows of one read as the lines of both modes, made once however many readers get them. */
import { cellToJsonText, type ValueKind } from '../core/value.ts';
import type { LockstepRelation, RelationRow } from '../postgres/lockstep-relation.ts';
import { type LockstepMode, type LockstepSince, rowLine } from '../protocol/lockstep.ts';

/** One row, as far as it has to be known to decide who gets it. */
export type RowLine = {
  /** Infinity for ids beyond 2^53, which no transaction has. */
  readonly txid: number;
  /** What the line says: where a reader resumes that has processed it. */
  readonly since: LockstepSince;
  readonly line: string;
};

/**
 * Lines of rows that come in the order of their transaction ids. A reader may store a line's `since` when it has
 * processed the line:
 *   lockstep: min(txid, xmin), because below xmin everything has ended;
 *   strict: behind the last row of a transaction the next id, before it the transaction's own. So the last
 *   row of a piece is held back until the next one tells.
 */
export class LineMaker {
  readonly #prefixes: readonly string[];
  readonly #kinds: readonly ValueKind[];
  /** Numbers are printed as they are. */
  readonly #isWhole: readonly boolean[];
  readonly #mode: LockstepMode;
  readonly #xmin: LockstepSince;
  #held: RelationRow | null = null;

  constructor(relation: LockstepRelation, mode: LockstepMode, xmin: LockstepSince) {
    this.#prefixes = relation.data.map(
      ({ name }, index) => `${index === 0 ? '' : ','}${JSON.stringify(name)}:`,
    );
    this.#kinds = relation.data.map(({ kind }) => kind);
    this.#isWhole = this.#kinds.map((kind) => kind === 'int' || kind === 'bigint');
    this.#mode = mode;
    this.#xmin = xmin;
  }

  lines(rows: readonly RelationRow[]): readonly RowLine[] {
    if (this.#mode === 'lockstep') {
      return rows.map((row) => this.#line(row, Math.min(idOf(row), xminOf(row, this.#xmin))));
    }
    const out: RowLine[] = [];
    for (const row of rows) {
      if (this.#held !== null) out.push(this.#strictLine(this.#held, row.txid !== this.#held.txid));
      this.#held = row;
    }
    return out;
  }

  /** What was held back. */
  end(): readonly RowLine[] {
    const held = this.#held;
    this.#held = null;
    return held === null ? [] : [this.#strictLine(held, true)];
  }

  #strictLine(row: RelationRow, isLast: boolean): RowLine {
    return this.#line(row, isLast ? idOf(row) + 1 : idOf(row));
  }

  #line(row: RelationRow, since: LockstepSince): RowLine {
    const line = rowLine({
      txid: typeof row.txid === 'number' ? `${row.txid}` : cellToJsonText('bigint', row.txid),
      currentXmin: xminOf(row, this.#xmin),
      since,
      isDeleted: row.isDeleted,
      data: this.#data(row),
    });
    return { txid: idOf(row), since, line };
  }

  #data({ data }: RelationRow): string {
    let text = '{';
    for (let index = 0; index < this.#prefixes.length; index += 1) {
      text += this.#prefixes[index];
      const cell = data[index] ?? null;
      if (typeof cell === 'string') text += JSON.stringify(cell);
      else if (typeof cell === 'number' && this.#isWhole[index]) text += cell;
      else text += cellToJsonText(this.#kinds[index] ?? 'text', cell);
    }
    return `${text}}`;
  }
}

function idOf({ txid }: RelationRow): number {
  return typeof txid === 'number' ? txid : Number.POSITIVE_INFINITY;
}

/** The view's own `current_xmin` when it has one, unless it is later than the snapshot's: that would lose rows. */
function xminOf({ currentXmin }: RelationRow, xmin: LockstepSince): LockstepSince {
  return currentXmin === null ? xmin : Math.min(currentXmin, xmin);
}
