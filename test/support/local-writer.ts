/**
 * A process that writes locally and follows into the same file, until it is killed.
 *
 *   node local-writer.ts <file>
 *
 * Round i: a program inserts row `l<i>` and sets `shared.n` to i, in one transaction; the follower brings what was
 * accepted (round i-2) and changes `shared.name`. Prints i once both have happened.
 */
import { writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import type { RowChange } from '../../src/core/row-change.ts';
import { openReplicaStore } from '../../src/sqlite/replica-store.ts';
import { ts } from '../unit/sqlite/replicas.ts';

const ROUNDS_MAX = 100_000;

const [file = ''] = process.argv.slice(2);
const store = openReplicaStore({ file, isWritten: true });
const { local } = store;
const db = new DatabaseSync(file);
const insert = db.prepare("INSERT OR IGNORE INTO item VALUES ('l' || ?, 'mine', ?)");
const update = db.prepare("UPDATE item SET n = ? WHERE id = 'shared'");
const first = Number(db.prepare("SELECT n FROM item WHERE id = 'shared'").get()?.n);

function remote(round: number): readonly RowChange[] {
  const n = Math.max(0, round - 2);
  const [table, companion] = ['public.item', 'tidelock.versions_public.item'];
  // More than one: a process that was killed may have left out a round.
  const accepted = [n - 3, n - 2, n - 1, n].filter((each) => each > 0);
  return [
    ...accepted.map((each): RowChange => {
      return { type: 'insert', table, selector: '*', row: [`l${each}`, 'mine', each] };
    }),
    { type: 'update', table, selector: '*', row: ['shared', `remote ${round}`, n] },
    {
      type: 'update',
      table: companion,
      selector: '*',
      row: ['shared', 1, `{${round + 1},${n + 1}}`],
    },
  ];
}

for (let round = first + 1; round < ROUNDS_MAX; round += 1) {
  db.exec('BEGIN IMMEDIATE');
  insert.run(round, round);
  update.run(round);
  db.exec('COMMIT');
  const transaction = store.begin();
  transaction.apply(remote(round));
  transaction.commit(ts(100 + round));
  const position = ts(101 + round);
  local?.settle({ accepted: round - 1, timeline: 't1', position, rejected: [] });
  writeSync(1, `${round}\n`);
}
