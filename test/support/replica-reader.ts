/**
 * A process that reads a replica without pause and checks that it only ever sees whole transactions.
 *
 *   node replica-reader.ts <file>
 *
 * Every transaction of the writer moves money between two accounts and stamps table `stamp` with its
 * position. In one read transaction the sum is constant, both stamps are equal and equal the position, and
 * the stored digests are those of the rows. Prints `ready`; ends when its input ends, with one line of JSON.
 */
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { Digest } from '../../src/core/digest.ts';
import { parseLsn } from '../../src/core/lsn.ts';
import { RowHasher } from '../../src/core/row-hasher.ts';
import { scanRows } from '../../src/sqlite/replica-scan.ts';
import { readTables } from '../../src/sqlite/replica-schema.ts';

const [file = '', sum = '0'] = process.argv.slice(2);

function look(sql: DatabaseSync): { readonly position: number; readonly wrong: string[] } {
  const wrong: string[] = [];
  sql.exec('BEGIN');
  const text = String(sql.prepare('SELECT position FROM tidelock_replica').get()?.position);
  const position = parseLsn(text, 'position');
  const total = sql.prepare('SELECT sum(balance) AS total FROM account').get()?.total;
  if (total !== Number(sum)) wrong.push(`the sum is ${total}`);
  for (const { at } of sql.prepare('SELECT at FROM stamp').all()) {
    if (at !== position) wrong.push(`a stamp is ${at} at ${position}`);
  }
  for (const { table } of readTables(sql)) {
    const digest = new Digest();
    const hasher = new RowHasher(table.definition);
    scanRows(sql, table, (row) => digest.add(hasher.hash(row)));
    const stored = sql
      .prepare('SELECT digest, rows FROM tidelock_digests WHERE table_name = ?')
      .get(table.name);
    if (stored?.digest !== digest.hex || stored.rows !== digest.rows) {
      wrong.push(`the digest of ${table.name} is not that of its rows at ${position}`);
    }
  }
  sql.exec('COMMIT');
  return { position, wrong };
}

function run(): void {
  const sql = new DatabaseSync(file, { readOnly: true });
  sql.exec('PRAGMA busy_timeout = 5000');
  const positions = new Set<number>();
  const wrong: string[] = [];
  let looks = 0;
  let last = 0;
  let isOver = false;
  process.stdin.on('end', () => {
    isOver = true;
  });
  process.stdin.resume();
  const again = (): void => {
    const seen = look(sql);
    looks += 1;
    positions.add(seen.position);
    wrong.push(...seen.wrong);
    if (seen.position < last) wrong.push(`the position went back from ${last} to ${seen.position}`);
    last = seen.position;
    if (looks === 1) writeSync(1, 'ready\n');
    if (!isOver) setImmediate(again);
    else
      writeSync(
        1,
        `${JSON.stringify({ looks, positions: positions.size, wrong: wrong.slice(0, 10) })}\n`,
      );
  };
  again();
}

run();
