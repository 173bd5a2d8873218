/**
 * Applies one local transaction that is too large to be held as objects: part by part, in one savepoint. Each part is merged
 * with what the parts before it have written, so a row may be in several; all land, or nothing.
 */
import type { LargeChanges, Rejection, UploadTransaction } from '../../core/upload.ts';
import { Refusal, readTransaction } from './changes.ts';
import { isRace, refusalOf } from './failures.ts';
import {
  applyPart,
  inSavepoint,
  type RunContext,
  requireConstraints,
  type WriteOrder,
} from './run.ts';
import type { UploadTable } from './tables.ts';

export type LargeTransaction = Pick<UploadTransaction, 'number'> & { readonly large: LargeChanges };

/** Null when it landed. Throws what is not its fault. */
export async function applyLarge(
  context: RunContext,
  transaction: LargeTransaction,
  tables: ReadonlyMap<string, UploadTable>,
): Promise<Refusal | null> {
  let last: Refusal | null = null;
  // One statement for each table and operation of a part; then, should Postgres refuse, in the order of the writes.
  for (const order of ['together', 'inOrder'] as const) {
    try {
      await inSavepoint(context, () => applyParts(context, transaction, { tables, order }));
      return null;
    } catch (error) {
      const refusal = isRace(error) ? null : refusalOf(error);
      if (refusal === null) throw error;
      last = refusal;
    }
  }
  return last;
}

async function applyParts(
  context: RunContext,
  { number, large }: LargeTransaction,
  {
    tables,
    order,
  }: { readonly tables: ReadonlyMap<string, UploadTable>; readonly order: WriteOrder },
): Promise<void> {
  let role: string | null = null;
  for (const changes of large.pieces()) {
    const part = readTransaction({ number, nonce: '', changes }, tables);
    const applied = await applyPart(context, [part], { order, isWhole: false });
    const [refused] = applied.rejections;
    if (refused !== undefined) throw new Refusal(refused.code, refused.message, placeOf(refused));
    role = applied.role ?? role;
  }
  if (role !== null) await requireConstraints(context, role);
}

function placeOf({ table, key }: Rejection): Refusal['place'] {
  return table === undefined || key === undefined ? undefined : { table, key };
}
