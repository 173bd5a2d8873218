/** One planned transaction: begins, perhaps sends pieces while it is open, and ends one way or the other. */
import type { Observer } from './evidence.ts';
import type { Change, TransactionAction } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import type { Scheduler } from './scheduler.ts';
import type { OpenLarge, Piece } from './wal.ts';
import { changesOf } from './world-changes.ts';

type Context = {
  readonly postgres: SimPostgres;
  readonly scheduler: Scheduler;
  readonly observer: Observer;
  readonly note: (what: string) => void;
};

type SentPiece = { readonly piece: Piece; readonly isLost: boolean };

export class Writer {
  readonly #action: TransactionAction;
  readonly #context: Context;
  #xid = 0;
  #beganAt = 0;
  /** The run of Postgres that it belongs to: the next one may use its id again. */
  #serverStart = '';
  #open: OpenLarge | null = null;
  readonly #sent: SentPiece[] = [];

  constructor(action: TransactionAction, context: Context) {
    this.#action = action;
    this.#context = context;
  }

  begin(): void {
    const { postgres, scheduler, note } = this.#context;
    const { openMs, name, pieces } = this.#action;
    if (!postgres.isUp) {
      note('a writer found no Postgres');
      return;
    }
    this.#xid = postgres.begin();
    this.#serverStart = postgres.serverStart;
    this.#beganAt = scheduler.now;
    for (let index = 0; index < pieces; index += 1) {
      const delayMs = Math.floor((openMs * (index + 1)) / (pieces + 1));
      scheduler.after(delayMs, `writer: ${name} piece ${index}`, () => this.#piece(index));
    }
    scheduler.after(openMs, `writer: ${name} ends`, () => this.#end());
  }

  get #isRunning(): boolean {
    const { postgres } = this.#context;
    return postgres.serverStart === this.#serverStart && postgres.isRunning(this.#xid);
  }

  #piece(index: number): void {
    const { postgres } = this.#context;
    const { changes, pieces, lostPiece } = this.#action;
    if (!this.#isRunning) return;
    this.#open ??= postgres.beginLarge(this.#xid);
    const share = Math.ceil(changes.length / pieces);
    const part = changes.slice(index * share, (index + 1) * share);
    const isLost = index === lostPiece;
    const subxid = isLost ? postgres.newSubxid() : this.#xid;
    const piece = postgres.piece(this.#open, subxid, part);
    this.#sent.push({ piece, isLost });
    if (!isLost) return;
    postgres.losePiece(this.#open, subxid);
    this.#context.note('a savepoint was taken back');
    this.#tell('/savepoint', postgres.nameOf(subxid), changesOf(piece.changes), false);
  }

  #end(): void {
    const { postgres, note } = this.#context;
    const { changes, visibleMs, isRolledBack } = this.#action;
    if (!this.#isRunning) {
      note('a crash of Postgres took a transaction');
      return;
    }
    const xid = postgres.nameOf(this.#xid);
    if (isRolledBack) {
      const lost = this.#open === null ? this.#wouldBe(changes) : this.#kept();
      postgres.rollback(this.#xid, this.#open);
      this.#tell('', xid, lost, false);
      return;
    }
    const committed =
      this.#open === null
        ? postgres.commit(this.#xid, changes, visibleMs)
        : postgres.commitLarge(this.#open, this.#keptPieces(), visibleMs);
    if (this.#open !== null) note('large transactions');
    for (const { alteration } of committed?.changes ?? []) {
      if (alteration !== undefined) note(`alter ${alteration.how}`);
    }
    if (committed !== null) this.#tell('', xid, changesOf(committed.changes), true);
  }

  #keptPieces(): readonly Piece[] {
    return this.#sent.filter(({ isLost }) => !isLost).map(({ piece }) => piece);
  }

  #kept(): ReturnType<typeof changesOf> {
    return this.#keptPieces().flatMap(({ changes }) => changesOf(changes));
  }

  #wouldBe(changes: readonly Change[]): ReturnType<typeof changesOf> {
    const { postgres } = this.#context;
    const rows = changes.filter(({ kind }) => kind !== 'alter');
    return changesOf(rows.flatMap((change) => postgres.wouldDo(change)));
  }

  #tell(
    suffix: string,
    txid: string,
    changes: ReturnType<typeof changesOf>,
    isCommitted: boolean,
  ): void {
    const tx = `${this.#action.name}${suffix}`;
    this.#context.observer.written({ t: this.#beganAt, tx, txid, changes }, { isCommitted });
  }
}
