/**
 * Gives tables REPLICA IDENTITY FULL, where the operator wants that and this role may: then every update and
 * delete brings the whole old row, so that it reaches those who held it.
 */
import { quoteText } from '../core/table.ts';
import { selectedTablesSql } from './catalog.ts';
import { lackingFullSql } from './full-identity-sql.ts';
import { sqlStateOf } from './pg-errors.ts';
import type { PgSession } from './session.ts';
import type { TableDeclaration } from './table-fitness.ts';

/** `full`: the server sets REPLICA IDENTITY FULL on what it replicates; `leave`: tables stay as they are. */
export type ReplicaIdentityMode = 'full' | 'leave';

/** What became of the tables that had another identity. Partitions count as their partitioned table. */
export type FullIdentityResult = {
  /** Names of tables that have it now. */
  readonly changed: readonly string[];
  /** Names of tables that may be tried again: somebody holds a lock on them. */
  readonly busy: readonly string[];
  /** Names of tables of other owners. */
  readonly refused: readonly string[];
};

/** The first table that is locked is waited for; then the others must not wait as long one by one. */
const NEXT_LOCK_MS_MAX = 50;

const LOCK_NOT_AVAILABLE = '55P03';
const NOT_ALLOWED = '42501';

/**
 * Sets it on every declared table, and every one with the selector column, that lacks it. `isQuiet` keeps our
 * event triggers still: the caller announces the tables itself.
 */
export async function giveFullIdentity(
  session: PgSession,
  options: {
    readonly declarations: readonly TableDeclaration[];
    readonly isQuiet: boolean;
    readonly lockMsMax: number;
  },
): Promise<FullIdentityResult> {
  const found = await session.query(lackingFullSql(`(${selectedTablesSql(options.declarations)})`));
  const result = {
    changed: new Set<string>(),
    busy: new Set<string>(),
    refused: new Set<string>(),
  };
  for (const { name, quoted } of found) {
    const lockMsMax = result.busy.size === 0 ? options.lockMsMax : NEXT_LOCK_MS_MAX;
    const { isQuiet } = options;
    const outcome = await alter(session, { quoted: quoted ?? '', lockMsMax, isQuiet });
    result[outcome].add(name ?? '');
  }
  return {
    changed: [...result.changed].filter(
      (name) => !result.busy.has(name) && !result.refused.has(name),
    ),
    busy: [...result.busy],
    refused: [...result.refused],
  };
}

/** One message, so one transaction: nothing of another caller comes between. */
async function alter(
  session: PgSession,
  request: { readonly quoted: string; readonly lockMsMax: number; readonly isQuiet: boolean },
): Promise<'changed' | 'busy' | 'refused'> {
  const quiet = quoteText(request.isQuiet ? 'on' : '');
  try {
    await session.query(`SET LOCAL lock_timeout = ${request.lockMsMax}; SET LOCAL tidelock.is_busy = ${quiet};
      ALTER TABLE ONLY ${request.quoted} REPLICA IDENTITY FULL`);
    return 'changed';
  } catch (error) {
    if (sqlStateOf(error) === LOCK_NOT_AVAILABLE) return 'busy';
    if (sqlStateOf(error) === NOT_ALLOWED) return 'refused';
    throw error;
  }
}
