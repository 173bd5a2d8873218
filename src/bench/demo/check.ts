/** Looks at a quiet replica with the product's own comparison, beside the plain one of the stress. */
import { Digest } from '../../core/digest.ts';
import { openSql } from '../../sqlite/sql.ts';
import { verifyReplica } from '../../verify.ts';
import type { Comparison } from '../stress/compare.ts';
import type { ReceiverProcess } from '../stress/receiver-process.ts';
import type { Demo } from './open.ts';
import type { ReplicaCheck } from './verdict.ts';

const BUSY_WAIT_MS = 5000;
const PLANT_SQL =
  'UPDATE city SET population = population + 1 WHERE id = (SELECT min(id) FROM city)';

/** Digests of both sides by full scan, and the stored ones. */
export async function checkReplica(
  { stack }: Demo,
  receiver: ReceiverProcess,
  comparison: Comparison,
  signal: AbortSignal,
): Promise<ReplicaCheck> {
  const { replica: selector, file } = receiver;
  const report = await verifyReplica({ server: stack.server, file, signal, limit: 1 });
  const sum = new Digest();
  for (const { digest, rows } of report.tables) sum.merge(Digest.parse(digest, rows));
  const { position, isEqual: isDigestEqual } = report;
  return { selector, file, position, digest: sum.hex, isDigestEqual, comparison };
}

/** Makes one row of a replica wrong, behind everybody's back: the verdict has to notice. */
export function plantWrongRow(file: string): void {
  const sql = openSql(file, { timeoutMs: BUSY_WAIT_MS });
  try {
    sql.exec(PLANT_SQL);
  } finally {
    sql.close();
  }
}
