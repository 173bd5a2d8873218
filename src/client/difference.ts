/**
 * Takes the lines of a difference snapshot into ONE storage transaction: readers of the file see the old
 * state until it commits, then the new one.
 *
 *   head (hello, table*) -> rows (replace, row*) -> late (changes of late transactions) -> completed
 */
import { TidelockError } from '../core/errors.ts';
import { formatLsn } from '../core/lsn.ts';
import type { RowChange } from '../core/row-change.ts';
import type { TableDef } from '../core/table.ts';
import { ChangeDecoder, malformed, parseTable } from '../protocol/change-decoder.ts';
import { type DigestEntry, PROTOCOL_VERSION } from '../protocol/feed.ts';
import type { RawLine } from '../protocol/lines.ts';
import { parsePosition } from './applier.ts';
import type { CrashHook } from './crash-points.ts';
import { differencesOf } from './digest-history.ts';
import { errorFromWire } from './errors.ts';
import type { ReplicaStore, ResyncCounts, ResyncTransaction } from './store.ts';

export type DifferenceOptions = {
  readonly store: ReplicaStore;
  readonly server: string;
  readonly selectors: readonly string[];
  readonly bucketCount: number;
  readonly crashPoint: CrashHook;
};

/** The log of views is of no cluster of Postgres: `system-generation-start`. */
const isOfViews = (timeline: string): boolean => timeline.startsWith('views-');

export class DifferenceApplier {
  readonly #options: DifferenceOptions;
  readonly #tables: TableDef[] = [];
  #timeline: string | null = null;
  #transaction: ResyncTransaction | null = null;
  #decoder: ChangeDecoder | null = null;
  /** Rows and late changes of the present chunk, in order. */
  #rows: RowChange[] = [];
  #late: RowChange[] = [];
  #counts: ResyncCounts | null = null;

  constructor(options: DifferenceOptions) {
    this.#options = options;
  }

  /** Set when the snapshot is complete and committed. */
  get counts(): ResyncCounts | null {
    return this.#counts;
  }

  /** Throws `PROTOCOL`, `NOT_READY` (older than what is held), what the server reports; then `abandon`. */
  take(lines: readonly RawLine[]): void {
    for (const line of lines) this.#line(line);
    this.#flush();
  }

  abandon(): void {
    const transaction = this.#transaction;
    this.#transaction = null;
    if (this.#counts === null) transaction?.rollback();
  }

  #line(line: RawLine): void {
    if (this.#counts !== null) throw malformed(line, 'it comes after the end of the snapshot');
    switch (line.type) {
      case 'hello':
        this.#hello(line);
        return;
      case 'table':
        if (this.#transaction === null) this.#tables.push(parseTable(line));
        else this.#change(line, this.#late);
        return;
      case 'replace':
        this.#replace(line);
        return;
      case 'row':
        if (this.#late.length > 0) throw malformed(line, 'it comes after a change line');
        this.#change(line, this.#rows);
        return;
      case 'insert':
      case 'update':
      case 'delete':
      case 'truncate':
        this.#change(line, this.#late);
        return;
      case 'resync':
        throw malformed(line, `${String(line.table)} changed while the snapshot was made; again`);
      case 'snapshot_completed':
        this.#complete(line);
        return;
      case 'error':
        throw errorFromWire(line.error);
      default: // commit lines of late transactions, markers, and what later versions may add
    }
  }

  #hello(line: RawLine): void {
    if (line.protocol !== PROTOCOL_VERSION) {
      throw malformed(line, `it speaks protocol ${String(line.protocol)}, not ${PROTOCOL_VERSION}`);
    }
    if (typeof line.timeline !== 'string') throw malformed(line, 'it names no timeline');
    this.#checkKind(line.timeline);
    this.#timeline = line.timeline;
  }

  /** Views and tables have logs of their own: the one would replace the other. */
  #checkKind(timeline: string): void {
    const mine = this.#options.store.identity.timeline;
    if (isOfViews(mine) === isOfViews(timeline)) return;
    const [has, offers] = isOfViews(mine) ? ['views', 'tables'] : ['tables', 'views'];
    throw new TidelockError({
      code: 'REPLICA_UNFIT',
      message: `the file holds ${has}, and this address offers ${offers}`,
      hint: `give the ${offers} a file of their own; both can be joined with ATTACH`,
    });
  }

  #begin(line: RawLine): ResyncTransaction {
    if (this.#transaction !== null) return this.#transaction;
    if (this.#timeline === null) throw malformed(line, 'it stands before hello');
    const { store, bucketCount, selectors, crashPoint } = this.#options;
    const transaction = store.beginResync(bucketCount);
    this.#transaction = transaction;
    transaction.define(this.#tables);
    this.#decoder = new ChangeDecoder(this.#tables, selectors);
    crashPoint('resync: after begin');
    return transaction;
  }

  #replace(line: RawLine): void {
    const transaction = this.#begin(line);
    const { table, buckets } = line;
    if (typeof table !== 'string' || !Array.isArray(buckets)) {
      throw malformed(line, 'it names no buckets');
    }
    this.#flush();
    transaction.replace(table, buckets as number[]);
  }

  #change(line: RawLine, into: RowChange[]): void {
    this.#begin(line);
    const change = this.#decoder?.decode(line);
    if (change) into.push(change);
  }

  #flush(): void {
    const transaction = this.#transaction;
    if (transaction === null) return;
    if (this.#rows.length > 0) transaction.insert(this.#rows);
    if (this.#late.length > 0) transaction.apply(this.#late);
    if (this.#rows.length > 0) this.#options.crashPoint('resync: between rows');
    this.#rows = [];
    this.#late = [];
  }

  #complete(line: RawLine): void {
    const transaction = this.#begin(line);
    this.#flush();
    const { store, server, selectors, crashPoint } = this.#options;
    const position = parsePosition(line, 'ts');
    const timeline = String(line.timeline);
    const { identity } = store;
    if (timeline === identity.timeline && position < identity.position) {
      throw new TidelockError({
        code: 'NOT_READY',
        message: `the server's snapshot stands at ${formatLsn(position)}, before the replica's own ${formatLsn(identity.position)}`,
        hint: 'the server is behind; the replica keeps its state and asks again',
      });
    }
    this.#requireDigests(line, transaction);
    crashPoint('resync: before commit');
    this.#counts = transaction.commit({ server, timeline, position, selectors });
    crashPoint('resync: after commit');
  }

  #requireDigests(line: RawLine, transaction: ResyncTransaction): void {
    if (!Array.isArray(line.digests)) throw malformed(line, 'it has no digests');
    const theirs = line.digests as DigestEntry[];
    if (differencesOf(transaction.digests(), theirs).length === 0) return;
    transaction.recount();
    const [first] = differencesOf(transaction.digests(), theirs);
    if (first === undefined) return;
    throw new TidelockError({
      code: 'PROTOCOL',
      message:
        `the difference snapshot did not lead to the server's digest of ${first.table} (${first.selector}): ` +
        `${first.ours.rows} rows ${first.ours.digest}, there ${first.theirs.rows} rows ${first.theirs.digest}`,
      hint: 'the replica keeps its old state and tries again; if this lasts, report it with both versions',
    });
  }
}
