/** What changed while no stream ran is put into the stream, to get a position. */
import type { TableDef } from '../core/table.ts';
import { waitForOpenTransactions } from '../postgres/publication.ts';
import { clearMarkSql } from '../postgres/publication-mark.ts';
import type { PgSession } from '../postgres/session.ts';
import type { TableDescription } from '../postgres/table-fitness.ts';
import type { SourceCatalog } from './source-catalog.ts';

export type ChangesToAnnounce = {
  readonly catalog: SourceCatalog;
  readonly session: PgSession;
  readonly publication: string;
  /** As of the log's upper. */
  readonly known: readonly TableDef[];
  readonly described: readonly TableDescription[];
  /** Tables that were not published for a while: what was written to them then is not in the stream. */
  readonly unseen: readonly string[];
  readonly signal: AbortSignal;
};

/**
 * Announces the tables whose definition is not the log's, new ones too; false when there are none. Waits for
 * transactions that were open before, and rejects with the signal's reason when that wait is ended.
 */
export async function announceChanges(request: ChangesToAnnounce): Promise<boolean> {
  const { catalog, session, publication, signal } = request;
  const tables = tablesToAnnounce(request);
  const unmark = await clearMarkSql(session, publication);
  if (tables.names.length === 0 && unmark === '') return false;
  await waitForOpenTransactions(session, signal);
  await catalog.announce({ ...tables, unmark });
  return true;
}

export type TablesToAnnounce = {
  readonly names: readonly string[];
  /** Those that are there. */
  readonly present: readonly string[];
  /** Those whose rows must be copied again. */
  readonly rewritten: readonly string[];
};

/** The tables whose definition is not the log's, and those that were not published for a while. Pure. */
export function tablesToAnnounce({
  described,
  unseen,
  ...log
}: Pick<ChangesToAnnounce, 'known' | 'described' | 'unseen'>): TablesToAnnounce {
  const known = new Map(log.known.map((table) => [table.name, table]));
  const changed = new Set(unseen.filter((name) => known.has(name)));
  const rewritten = [...changed];
  for (const one of described) {
    const before = known.get(one.name);
    known.delete(one.name);
    const now = one.kind === 'table' ? one.table : undefined;
    if (JSON.stringify(before) !== JSON.stringify(now)) changed.add(one.name);
  }
  for (const name of known.keys()) changed.add(name);
  const present = described.flatMap(({ kind, name }) =>
    kind === 'table' && changed.has(name) ? [name] : [],
  );
  return { names: [...changed], present, rewritten };
}
