/** What the end of a connection to the source means for the next one. Pure: the same for a real and a simulated source. */
import { hasCode, messageOf, TidelockError } from '../core/errors.ts';

export type SourceLoss = {
  /** For the operator, with what mends it. */
  readonly reason: string;
  /** Only an operator can mend it. */
  readonly isUnfit: boolean;
  /** The next stream must bring large transactions when they have committed, not while they are open. */
  readonly needsWholeTransactions: boolean;
  /** The stream said that changes were left out of this slot. */
  readonly needsNewSlot: boolean;
};

export function lossOf(error: unknown): SourceLoss {
  const isOurs = error instanceof TidelockError;
  const hint = isOurs && error.hint !== undefined ? ` (${error.hint})` : '';
  return {
    reason: `${messageOf(error)}${hint}`,
    isUnfit:
      hasCode(error, 'SOURCE_UNFIT') ||
      hasCode(error, 'BAD_CONFIG') ||
      hasCode(error, 'TABLE_UNFIT'),
    needsWholeTransactions: isOurs && error.details?.needsWholeTransactions === true,
    needsNewSlot: hasCode(error, 'SLOT_LOST'),
  };
}
