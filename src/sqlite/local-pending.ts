/** Local transactions in the file: pending and uploaded ones, and what was rejected. In the caller's transaction. */
import { TidelockError } from '../core/errors.ts';
import { formatLsn, parseLsn, type Ts } from '../core/lsn.ts';
import type { UploadValue } from '../core/upload.ts';
import { encodeTransaction } from '../protocol/upload.ts';
import { asNumber, asText, type Sql, type SqlStatement } from './sql.ts';

/** Numbers of transactions; `rejected` counts those that were not forgotten. */
export type LocalCounts = {
  readonly pending: number;
  readonly uploaded: number;
  readonly rejected: number;
};

export type LocalUpload = {
  readonly first: number;
  readonly last: number;
  readonly transactions: number;
  readonly changes: number;
  /** Without line ends. */
  readonly lines: readonly string[];
  readonly rest?: (() => Iterable<readonly string[]>) | undefined;
};

export type Refusal = { readonly code: string; readonly message: string };

/** One change of a rejected transaction. */
export type LocalRejection = Refusal & {
  readonly number: number;
  readonly table: string;
  readonly key: readonly UploadValue[];
  readonly operation: 'insert' | 'update' | 'delete';
  readonly line: string;
  readonly rejectedAt: string;
};

/** Where a change is: what has to be merged anew when it goes. */
export type ChangedKey = { readonly table: string; readonly key: string };

/** Lines of a large transaction that are read at once. */
const LINES_AT_ONCE = 2000;

export type LocalHead = {
  readonly site: string;
  readonly counter: number;
  readonly last: number;
  readonly settled: number;
};

export class LocalPending {
  readonly #sql: Sql;
  readonly #addLine: SqlStatement;
  readonly #addTransaction: SqlStatement;
  readonly #keys: SqlStatement;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.#addLine = sql.prepare('INSERT INTO tidelock_pending VALUES (?, ?, ?, ?, ?)');
    this.#addTransaction = sql.prepare(
      `INSERT INTO tidelock_transactions VALUES (?, ?, 'pending', NULL, NULL)`,
    );
    this.#keys = sql.prepare('SELECT table_name, key FROM tidelock_pending WHERE number = ?');
  }

  head(): LocalHead {
    const row = this.#sql.prepare('SELECT site, counter, last, settled FROM tidelock_local').get();
    return {
      site: asText(row?.site),
      counter: asNumber(row?.counter),
      last: asNumber(row?.last),
      settled: asNumber(row?.settled),
    };
  }

  user(): string | null {
    const row = this.#sql.prepare('SELECT userid FROM tidelock_local').get();
    return typeof row?.userid === 'string' ? row.userid : null;
  }

  setUser(user: string): void {
    this.#sql.prepare('UPDATE tidelock_local SET userid = ?').run(user);
  }

  /** All transactions up to this number are in the base or rejected. */
  included(last: number): number {
    const row = this.#sql.prepare('SELECT min(number) AS first FROM tidelock_transactions').get();
    return typeof row?.first === 'number' ? row.first - 1 : last;
  }

  counts(): LocalCounts {
    const row = this.#sql
      .prepare(
        `SELECT (SELECT count(*) FROM tidelock_transactions WHERE state = 'pending') AS pending,
                (SELECT count(*) FROM tidelock_transactions WHERE state = 'uploaded') AS uploaded,
                (SELECT count(DISTINCT number) FROM tidelock_rejected) AS rejected`,
      )
      .get();
    return {
      pending: asNumber(row?.pending),
      uploaded: asNumber(row?.uploaded),
      rejected: asNumber(row?.rejected),
    };
  }

  addTransaction(number: number, nonce: string): void {
    this.#addTransaction.run(number, nonce);
  }

  addLine(number: number, seq: number, change: ChangedKey & { readonly line: string }): void {
    this.#addLine.run(number, seq, change.table, change.key, change.line);
  }

  /** Transactions after `last` that turned out to have no change go. Returns the last number. */
  closeGaps(last: number, end: number): number {
    const { changes } = this.#sql
      .prepare(
        `DELETE FROM tidelock_transactions WHERE number > ? AND NOT EXISTS (
           SELECT 1 FROM tidelock_pending AS p WHERE p.number = tidelock_transactions.number)`,
      )
      .run(last);
    if (changes === 0) return end;
    const left = this.#sql
      .prepare('SELECT number FROM tidelock_transactions WHERE number > ? ORDER BY number')
      .all(last);
    left.forEach(({ number }, index) => {
      for (const table of ['tidelock_pending', 'tidelock_transactions']) {
        const move = this.#sql.prepare(`UPDATE ${table} SET number = ? WHERE number = ?`);
        move.run(last + index + 1, asNumber(number));
      }
    });
    return last + left.length;
  }

  nextUpload(after: number, bytesMax: number): LocalUpload | null {
    const rows = this.#sql
      .prepare(
        `SELECT t.number, t.nonce, p.line FROM tidelock_transactions AS t
         LEFT JOIN tidelock_pending AS p ON p.number = t.number
         WHERE t.number > ? AND t.state = 'pending' ORDER BY t.number, p.seq`,
      )
      .iterate(after);
    const upload = new UploadLines(bytesMax);
    for (const row of rows) {
      const number = asNumber(row.number);
      if (!upload.begin(number, asText(row.nonce))) break;
      if (upload.isLarge) return this.#large(number, asText(row.nonce));
      if (row.line !== null) upload.add(asText(row.line));
    }
    return upload.result();
  }

  #large(number: number, nonce: string): LocalUpload {
    const row = this.#sql
      .prepare('SELECT count(*) AS changes FROM tidelock_pending WHERE number = ?')
      .get(number);
    const changes = asNumber(row?.changes);
    const lines = [encodeTransaction(number, nonce)];
    const rest = (): Iterable<readonly string[]> => this.#linesOf(number, changes);
    return { first: number, last: number, transactions: 1, changes, lines, rest };
  }

  *#linesOf(number: number, count: number): Generator<readonly string[]> {
    const page = this.#sql.prepare(
      'SELECT seq, line FROM tidelock_pending WHERE number = ? AND seq > ? ORDER BY seq LIMIT ?',
    );
    let read = 0;
    for (let after = -1; read < count; ) {
      const rows = page.all(number, after, LINES_AT_ONCE);
      if (rows.length === 0) throw takenBack(number);
      after = asNumber(rows.at(-1)?.seq);
      read += rows.length;
      yield rows.map(({ line }) => asText(line));
    }
  }

  keysOf(number: number): readonly ChangedKey[] {
    return this.#keys.all(number).map((row) => ({
      table: asText(row.table_name),
      key: asText(row.key),
    }));
  }

  /** Everything up to `accepted` that was pending has its outcome; `settled` never goes back. */
  accept(accepted: number, timeline: string, position: Ts): void {
    this.#sql
      .prepare(
        `UPDATE tidelock_transactions SET state = 'uploaded', timeline = ?, position = ?
         WHERE state = 'pending' AND number <= ?`,
      )
      .run(timeline, formatLsn(position), accepted);
    this.#sql
      .prepare('UPDATE tidelock_local SET settled = max(settled, min(last, ?))')
      .run(accepted);
  }

  /** The transaction's changes move to the rejected ones. The transaction stays, without content. */
  refuse(number: number, { code, message }: Refusal, rejectedAt: string): void {
    this.#sql
      .prepare(
        `INSERT INTO tidelock_rejected (number, table_name, key, operation, line, code, message, rejected_at)
         SELECT number, table_name, key,
                CASE substr(line, 3, 1) WHEN 'i' THEN 'insert' WHEN 'u' THEN 'update' ELSE 'delete' END,
                line, ?, ?, ?
         FROM tidelock_pending WHERE number = ? ORDER BY seq`,
      )
      .run(code, message, rejectedAt, number);
    this.#sql.prepare('DELETE FROM tidelock_pending WHERE number = ?').run(number);
  }

  /** The transaction is over. */
  remove(number: number): void {
    this.#sql.prepare('DELETE FROM tidelock_pending WHERE number = ?').run(number);
    this.#sql.prepare('DELETE FROM tidelock_transactions WHERE number = ?').run(number);
  }

  /** The history of the oldest transaction, when that is accepted. Accepted ones stand before all others. */
  firstUploaded(): string | null {
    const row = this.#sql
      .prepare('SELECT state, timeline FROM tidelock_transactions ORDER BY number LIMIT 1')
      .get();
    return row?.state === 'uploaded' ? asText(row.timeline) : null;
  }

  /** Accepted transactions that a base at `position` has. */
  uploadedUpTo(position: Ts): readonly number[] {
    const rows = this.#sql
      .prepare('SELECT number, state, position FROM tidelock_transactions ORDER BY number')
      .iterate();
    const numbers: number[] = [];
    for (const row of rows) {
      if (row.state !== 'uploaded') break;
      if (parseLsn(asText(row.position), 'position of an upload') > position) break;
      numbers.push(asNumber(row.number));
    }
    return numbers;
  }

  /** What was accepted in another history may be lost there: it is sent again. */
  forgetAnswers(): void {
    this.#sql.exec(
      `UPDATE tidelock_transactions SET state = 'pending', timeline = NULL, position = NULL`,
    );
    this.#sql.exec(
      `UPDATE tidelock_local SET settled = min(settled,
         (SELECT min(number) FROM tidelock_transactions) - 1)`,
    );
  }

  /** Numbers of the pending transactions that change a table. */
  numbersOf(table: string): readonly number[] {
    const rows = this.#sql
      .prepare(
        `SELECT DISTINCT p.number FROM tidelock_pending AS p
         JOIN tidelock_transactions AS t ON t.number = p.number AND t.state = 'pending'
         WHERE p.table_name = ? ORDER BY p.number`,
      )
      .all(table);
    return rows.map(({ number }) => asNumber(number));
  }

  /** What is left of a table's changes: accepted ones. */
  forgetTable(table: string): void {
    this.#sql.prepare('DELETE FROM tidelock_pending WHERE table_name = ?').run(table);
  }

  /** Id of the newest rejection, 0 when there is none. */
  lastRejection(): number {
    const row = this.#sql.prepare('SELECT coalesce(max(id), 0) AS id FROM tidelock_rejected').get();
    return asNumber(row?.id);
  }

  rejections(afterId: number): readonly LocalRejection[] {
    const rows = this.#sql
      .prepare('SELECT * FROM tidelock_rejected WHERE id > ? ORDER BY id')
      .all(afterId);
    return rows.map((row) => ({
      number: asNumber(row.number),
      table: asText(row.table_name),
      key: JSON.parse(asText(row.key)) as readonly UploadValue[],
      operation: asText(row.operation) as LocalRejection['operation'],
      line: asText(row.line),
      code: asText(row.code),
      message: asText(row.message),
      rejectedAt: asText(row.rejected_at),
    }));
  }

  forgetRejections(upTo: number): void {
    this.#sql.prepare('DELETE FROM tidelock_rejected WHERE number <= ?').run(upTo);
  }

  /**
   * Pending transactions are numbered from 1, those accepted under the old name stand before them. Returns by how
   * much numbers fell.
   */
  renumber(site: string, last: number): number {
    const row = this.#sql
      .prepare(`SELECT min(number) AS first FROM tidelock_transactions WHERE state = 'pending'`)
      .get();
    const shift = typeof row?.first === 'number' ? row.first - 1 : last;
    for (const table of ['tidelock_pending', 'tidelock_transactions']) {
      this.#sql.prepare(`UPDATE ${table} SET number = number - ?`).run(shift);
    }
    this.#sql.prepare('UPDATE tidelock_local SET site = ?, settled = 0').run(site);
    return shift;
  }
}

function takenBack(number: number): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `local transaction ${number} was taken back while it was sent`,
    hint: 'nothing has to be done: what is left is sent again',
  });
}

/** Collects lines, transaction by transaction, up to a limit. */
class UploadLines {
  readonly #bytesMax: number;
  readonly #lines: string[] = [];
  #open: string[] = [];
  #bytes = 0;
  #openBytes = 0;
  #first = 0;
  #last = 0;
  #transactions = 0;
  #number = 0;
  #isFull = false;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The first transaction alone is over the limit. */
  get isLarge(): boolean {
    return this.#transactions === 0 && this.#openBytes > this.#bytesMax && this.#open.length > 1;
  }

  /** False when no further transaction fits. */
  begin(number: number, nonce: string): boolean {
    if (number === this.#number) return true;
    this.#close();
    if (this.#isFull) return false;
    this.#number = number;
    this.add(encodeTransaction(number, nonce));
    return true;
  }

  add(line: string): void {
    this.#open.push(line);
    this.#openBytes += Buffer.byteLength(line) + 1;
  }

  result(): LocalUpload | null {
    this.#close();
    if (this.#transactions === 0) return null;
    return {
      first: this.#first,
      last: this.#last,
      transactions: this.#transactions,
      changes: this.#lines.length - this.#transactions,
      lines: this.#lines,
    };
  }

  #close(): void {
    if (this.#open.length === 0) return;
    const bytes = this.#bytes + this.#openBytes;
    this.#isFull ||= bytes >= this.#bytesMax;
    if (this.#transactions === 0 || bytes <= this.#bytesMax) {
      this.#first ||= this.#number;
      this.#last = this.#number;
      this.#transactions += 1;
      for (const line of this.#open) this.#lines.push(line);
      this.#bytes = bytes;
    }
    this.#open = [];
    this.#openBytes = 0;
  }
}
