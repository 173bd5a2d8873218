/** Whether a run database is whole: asked of SQLite itself, while others use the file. */
import { DatabaseSync } from 'node:sqlite';
import { messageOf } from '../../core/errors.ts';

/** More would say the same. */
const PROBLEMS_MAX = 10;

/** What is wrong with the file; empty: nothing. Reads all of it, and changes nothing. */
export function checkRunFile(file: string): readonly string[] {
  try {
    const sql = new DatabaseSync(file, { readOnly: true });
    try {
      const rows = sql.prepare(`PRAGMA integrity_check(${PROBLEMS_MAX})`).all();
      const found = rows.map((row) => String(Object.values(row)[0]));
      return found.filter((text) => text !== 'ok');
    } finally {
      sql.close();
    }
  } catch (error) {
    return [messageOf(error)];
  }
}
