/**
 * The file of a replica that writes: its base, and the local writes that the base does not have yet. Every method is one
 * transaction that survives the process. What becomes of rows is decided by the product's merge.
 */
import type {
  LocalAnswer,
  LocalCounts,
  LocalRejection,
  LocalUpload,
  LocalWrites,
} from '../../client/store.ts';
import type { Lsn } from '../../core/lsn.ts';
import { LSN_ZERO } from '../../core/lsn.ts';
import { deleteChange, insertChange, updateChange } from '../../merge/local-change.ts';
import { isAlive, merge, type RowState, UNKNOWN_ROW } from '../../merge/row-state.ts';
import { encodeChange, encodeTransaction } from '../../protocol/upload.ts';
import { type Change, NOTES } from './table.ts';

type Sealed = {
  readonly number: number;
  readonly nonce: string;
  readonly changes: readonly Change[];
  /** Where Postgres stood when it had it; null: there is no answer. */
  at: number | null;
};

export type Write = {
  readonly kind: 'put' | 'delete' | 'replace';
  readonly key: string;
  readonly a: string;
  readonly b: bigint;
};

export class SiteDisk implements LocalWrites {
  readonly isBlocked = false;
  readonly user = '';
  readonly site: string;
  last = 0;
  settled = 0;
  position: Lsn = LSN_ZERO;
  readonly #base = new Map<string, RowState>();
  #raw: (readonly Change[])[] = [];
  #sealed: Sealed[] = [];
  /** A local transaction is thrown away when its answer comes, not when the base has it: a planted bug. */
  readonly #isHasty: boolean;

  constructor(site: string, isHasty: boolean) {
    this.site = site;
    this.#isHasty = isHasty;
  }

  get included(): number {
    return (this.#sealed[0]?.number ?? this.last + 1) - 1;
  }

  get counts(): LocalCounts {
    const pending = this.last - this.settled;
    return { pending, uploaded: this.settled - this.included, rejected: 0 };
  }

  /** Everything that was written here has its answer, and the base has it. */
  get isQuiet(): boolean {
    return this.#raw.length === 0 && this.#sealed.length === 0;
  }

  /** Every row as a reader sees it: the base with the local writes on top. */
  view(): Map<string, RowState> {
    const rows = new Map(this.#base);
    for (const { key, state } of this.#local()) {
      rows.set(key, merge(rows.get(key) ?? UNKNOWN_ROW, state));
    }
    return rows;
  }

  /** One local transaction; what it changed. */
  write(writes: readonly Write[]): readonly Change[] {
    const rows = this.view();
    const changes: Change[] = [];
    for (const write of writes) {
      const state = changeBy(rows.get(write.key) ?? UNKNOWN_ROW, write);
      if (state === null) continue;
      changes.push({ key: write.key, state });
      rows.set(write.key, merge(rows.get(write.key) ?? UNKNOWN_ROW, state));
    }
    if (changes.length > 0) this.#raw.push(changes);
    return changes;
  }

  /** The base moves on. */
  take(position: Lsn, rows: readonly Change[]): void {
    if (position < this.position) return;
    this.position = position;
    for (const { key, state } of rows) this.#base.set(key, state);
    this.#sealed = this.#sealed.filter(({ at }) => at === null || at > position);
  }

  seal(): boolean {
    const isAny = this.#raw.length > 0;
    for (const changes of this.#raw) {
      this.last += 1;
      const nonce = `nonce-${this.site.slice(-4)}-${this.last}`;
      this.#sealed.push({ number: this.last, nonce, changes, at: null });
    }
    this.#raw = [];
    return isAny;
  }

  nextUpload(after: number, bytesMax: number): LocalUpload | null {
    const lines: string[] = [];
    const taken: number[] = [];
    let bytes = 0;
    let count = 0;
    for (const { number, nonce, changes } of this.#sealed) {
      if (number <= after) continue;
      const texts = changes.map(({ key, state }) => encodeChange(NOTES, [key], state));
      bytes += texts.join('').length;
      if (taken.length > 0 && bytes > bytesMax) break;
      taken.push(number);
      count += changes.length;
      lines.push(encodeTransaction(number, nonce), ...texts);
    }
    const [first] = taken;
    const last = taken.at(-1);
    if (first === undefined || last === undefined) return null;
    return { first, last, transactions: taken.length, changes: count, lines };
  }

  settle({ accepted, position }: LocalAnswer): readonly LocalRejection[] {
    for (const sealed of this.#sealed) {
      if (sealed.number <= accepted) sealed.at ??= position;
    }
    this.settled = Math.max(this.settled, Math.min(accepted, this.last));
    const isDone = ({ at }: Sealed): boolean =>
      at !== null && (this.#isHasty || at <= this.position);
    this.#sealed = this.#sealed.filter((sealed) => !isDone(sealed));
    return [];
  }

  claim(): void {}

  cautions(): readonly string[] {
    return [];
  }

  park(): void {
    throw new Error('nothing here is too large');
  }

  rejections(): readonly LocalRejection[] {
    return [];
  }

  forgetRejections(): void {}

  renewSite(): void {
    throw new Error('no file here was copied');
  }

  *#local(): Iterable<Change> {
    for (const { changes } of this.#sealed) yield* changes;
    for (const changes of this.#raw) yield* changes;
  }
}

/** What the write adds; null when it changes nothing. */
export function changeBy(state: RowState, { kind, a, b }: Write): RowState | null {
  const values = new Map<string, string | bigint>([
    ['a', a],
    ['b', b],
  ]);
  if (kind === 'delete') return deleteChange(state);
  if (kind === 'replace' || !isAlive(state)) return insertChange(state, values);
  return updateChange(state, values);
}
