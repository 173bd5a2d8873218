/**
 * A process that applies transactions to a replica until it is killed.
 *
 *   node replica-writer.ts <file>
 *
 * Prints the position after each commit.
 */
import { writeSync } from 'node:fs';
import { ReplicaFiles } from '../../src/sqlite/replica-files.ts';
import { ts } from '../unit/sqlite/replicas.ts';
import { transferAt } from './transfers.ts';

const [file = ''] = process.argv.slice(2);
const files = new ReplicaFiles({ file });
files.lock();
const store = files.open();
if (store === null) throw new Error(`${file} does not exist`);
for (let position: number = store.identity.position; position < 1_000_000; ) {
  const transaction = store.begin();
  const count = 1 + (position % 7);
  for (let index = 0; index < count; index += 1) {
    position += 1;
    transaction.apply(transferAt(position));
  }
  transaction.commit(ts(position));
  writeSync(1, `${position}\n`);
}
