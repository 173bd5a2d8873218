/**
 * Replica files of an older format. Their rows are as they should be, their digests are sums of other hashes:
 * they are counted anew, once, in one transaction. That takes some seconds per million rows.
 */
import { ChangeApplier } from './change-applier.ts';
import { DigestBook } from './digest-book.ts';
import { ReplicaCatalog } from './replica-catalog.ts';
import { isOldFormat, writeFormat } from './replica-schema.ts';
import { inTransaction, type Sql } from './sql.ts';

/** Does nothing to files of the present format, and to those that are no replicas. */
export function upgradeReplica(sql: Sql): void {
  if (!isOldFormat(sql)) return;
  inTransaction(sql, () => {
    if (!isOldFormat(sql)) return; // another process was first
    const catalog = new ReplicaCatalog(sql);
    const book = new DigestBook(sql);
    const applier = new ChangeApplier(sql, catalog, { book, local: null });
    for (const { table } of catalog.all()) applier.recount(table);
    book.save();
    writeFormat(sql);
  });
}
