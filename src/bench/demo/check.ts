/** Looks at the replicas when everything is quiet: the product's own comparison, and an independent one. */
import { Digest } from '../../core/digest.ts';
import type { PgSession } from '../../postgres/session.ts';
import { openSql } from '../../sqlite/sql.ts';
import { verifyReplica } from '../../verify.ts';
import { citiesIn, compareRows } from './compare.ts';
import type { ReplicaProcess } from './replica-process.ts';
import type { ReplicaCheck } from './verdict.ts';
import type { RolledBack, Written } from './workload.ts';

const BUSY_WAIT_MS = 5000;
const GHOSTS_SQL = 'SELECT count(*) AS rows FROM city WHERE id = ANY ($1::int4[])';
const PLANT_SQL =
  'UPDATE city SET population = population + 1 WHERE id = (SELECT min(id) FROM city)';

export async function checkReplica(work: {
  readonly session: PgSession;
  readonly server: string;
  readonly replica: ReplicaProcess;
  readonly written: Written;
  readonly rolledBack: RolledBack | null;
  readonly signal: AbortSignal;
}): Promise<ReplicaCheck> {
  const { session, server, replica, written, rolledBack, signal } = work;
  const { selector, file } = replica;
  const report = await verifyReplica({ server, file, signal, limit: 1 });
  const sum = new Digest();
  for (const { digest, rows } of report.tables) sum.merge(Digest.parse(digest, rows));
  return {
    ...{ selector, file },
    position: report.position,
    digest: sum.hex,
    isDigestEqual: report.isEqual,
    comparison: await compareRows({ session, replica, written }),
    ghosts: citiesIn(file, rolledBack?.ids ?? []).length,
  };
}

/** Rows of the rolled-back transaction in Postgres. */
export async function ghostsInPostgres(
  session: PgSession,
  rolledBack: RolledBack | null,
): Promise<number> {
  const { rows } = await session.queryOne(GHOSTS_SQL, [`{${rolledBack?.ids.join() ?? ''}}`]);
  return Number(rows);
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
