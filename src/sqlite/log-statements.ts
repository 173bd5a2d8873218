/** The prepared statements of the log, and what takes several of them. */
import { crc32 } from 'node:zlib';
import { hasCode } from '../core/errors.ts';
import type { GroupContent, GroupHead } from '../log/group.ts';
import type { TransactionMark } from '../log/port.ts';
import { doubles, indexCrc, words } from './log-content.ts';
import { corruptLog } from './log-errors.ts';
import { HEAD_COLUMNS } from './log-heads.ts';
import { WRITE_STATE } from './log-schema.ts';
import { asBytes, asNumber, prepareArrays, type Sql, type SqlStatement } from './sql.ts';

/** Groups looked at in one go while sweeping. */
const SWEEP_ROWS_MAX = 256;

export class LogStatements {
  readonly insertBody: SqlStatement;
  readonly insertGroup: SqlStatement;
  readonly insertStage: SqlStatement;
  readonly readHeads: SqlStatement;
  readonly stagedIndex: SqlStatement;
  readonly stagedOwner: SqlStatement;
  readonly stagedBytes: SqlStatement;
  readonly deleteStage: SqlStatement;
  readonly disownStages: SqlStatement;
  readonly disownAllStages: SqlStatement;
  readonly #sql: Sql;
  readonly #writeState: SqlStatement;
  readonly #readGroup: SqlStatement;
  readonly #bodyOf: SqlStatement;
  readonly #deadGroups: SqlStatement;
  readonly #deadStages: SqlStatement;
  readonly #deleteGroup: SqlStatement;
  readonly #deleteBody: SqlStatement;

  constructor(sql: Sql) {
    this.#sql = sql;
    this.insertBody = sql.prepare('INSERT INTO log_body (id, body) VALUES (?, ?)');
    this.insertGroup = sql.prepare(
      `INSERT INTO log_group (${HEAD_COLUMNS}, body_id, index_crc, body_crc, segments, transactions)
       VALUES (${Array(17).fill('?').join()})`,
    );
    this.insertStage = sql.prepare(
      `INSERT INTO log_stage (id, xid, size_bytes, body_crc, selectors, segments, subxids)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    this.readHeads = prepareArrays(
      sql,
      `SELECT ${HEAD_COLUMNS} FROM log_group WHERE seq >= ? ORDER BY seq`,
    );
    this.#writeState = sql.prepare(WRITE_STATE);
    this.#readGroup = sql.prepare(
      `SELECT segments, transactions, index_crc, body_crc, body
       FROM log_group JOIN log_body ON id = body_id WHERE seq = ?`,
    );
    this.stagedIndex = sql.prepare(
      'SELECT segments, subxids, selectors FROM log_stage WHERE id = ?',
    );
    this.stagedOwner = sql.prepare('SELECT xid, body_crc FROM log_stage WHERE id = ?');
    this.stagedBytes = sql.prepare(
      'SELECT coalesce(sum(size_bytes), 0) AS bytes FROM log_stage WHERE xid = ?',
    );
    this.deleteStage = sql.prepare('DELETE FROM log_stage WHERE id = ?');
    this.disownStages = sql.prepare('UPDATE log_stage SET xid = ? WHERE xid = ?');
    this.disownAllStages = sql.prepare('UPDATE log_stage SET xid = ?');
    this.#bodyOf = sql.prepare('SELECT body_id FROM log_group WHERE seq = ?');
    this.#deadGroups = sql.prepare(
      'SELECT seq, body_id, size_bytes FROM log_group WHERE seq < ? ORDER BY seq LIMIT ?',
    );
    this.#deadStages = sql.prepare('SELECT id, size_bytes FROM log_stage WHERE xid = ? LIMIT ?');
    this.#deleteGroup = sql.prepare('DELETE FROM log_group WHERE seq = ?');
    this.#deleteBody = sql.prepare('DELETE FROM log_body WHERE id = ?');
  }

  /** The content of a group that should be there. Throws `LOG_CORRUPT`. */
  readContent(seq: number): GroupContent {
    const row = this.#readGroup.get(seq);
    if (row === undefined) throw corruptLog(`group ${seq} is missing`);
    const segments = asBytes(row.segments);
    const transactions = asBytes(row.transactions);
    const body = asBytes(row.body);
    if (indexCrc(segments, transactions) !== row.index_crc || crc32(body) !== row.body_crc) {
      throw corruptLog(`group ${seq} fails its checksum`);
    }
    return { segments: words(segments), transactions: doubles(transactions), body };
  }

  /** The group's last transaction; undefined when the group is damaged, which is no reason to keep it. */
  markOf({ seq, lastTs }: Pick<GroupHead, 'seq' | 'lastTs'>): TransactionMark | undefined {
    try {
      const timeMicros = this.readContent(seq).transactions.at(-1);
      return timeMicros === undefined ? undefined : { ts: lastTs, timeMicros };
    } catch (error) {
      if (hasCode(error, 'LOG_CORRUPT')) return undefined;
      throw error;
    }
  }

  /** Removes a group and its body. */
  deleteGroup(seq: number): void {
    this.#deleteBody.run(asNumber(this.#bodyOf.get(seq)?.body_id));
    this.#deleteGroup.run(seq);
  }

  lastBodyId(): number {
    return asNumber(this.#sql.prepare('SELECT coalesce(max(id), 0) AS id FROM log_body').get()?.id);
  }

  /** Keepalives come often, so this one has its statement. */
  writeFrontier(frontier: object): void {
    const text = JSON.stringify(frontier);
    this.#writeState.run('frontier', text, crc32(text));
  }

  /**
   * Deletes groups before `firstSeq` and staged pieces of `owner` until `bytesMax` bytes are gone.
   * Returns how many rows went; 0 when there was nothing left.
   */
  sweep(limit: {
    readonly bytesMax: number;
    readonly firstSeq: number;
    readonly owner: number;
  }): number {
    let bytes = 0;
    let rows = 0;
    for (const dead of this.#deadGroups.all(limit.firstSeq, SWEEP_ROWS_MAX)) {
      if (bytes >= limit.bytesMax) return rows;
      this.#deleteGroup.run(asNumber(dead.seq));
      this.#deleteBody.run(asNumber(dead.body_id));
      bytes += asNumber(dead.size_bytes);
      rows += 1;
    }
    for (const dead of this.#deadStages.all(limit.owner, SWEEP_ROWS_MAX)) {
      if (bytes >= limit.bytesMax) return rows;
      this.deleteStage.run(asNumber(dead.id));
      this.#deleteBody.run(asNumber(dead.id));
      bytes += asNumber(dead.size_bytes);
      rows += 1;
    }
    return rows;
  }
}
