/**
 * Bugs that are planted on purpose: the bench proves itself by finding each of them, under the name of the
 * property that it breaks. They live in wrappers around the product's ports and nowhere in the product.
 */
import { TidelockError } from '../../../core/errors.ts';
import type { Property } from '../judge/findings.ts';

export type Bug = {
  /** What somebody did wrong, in a sentence. */
  readonly what: string;
  /** The property that must fail. */
  readonly property: Property;
  /** Where it is planted. */
  readonly place: 'server' | 'receiver' | 'command';
  /** The run that is aimed at it. */
  readonly faults: string;
  readonly durationS: number;
  /** Settings of the run's own Postgres. */
  readonly postgres?: Readonly<Record<string, string>>;
};

const CALM = { faults: 'none', durationS: 5 } as const;

export const BUGS = {
  'cursor-by-txid': {
    what: 'the feed goes on after the largest transaction id seen, not in commit order',
    ...{ property: 'P7', place: 'server', ...CALM },
  },
  'position-before-rows': {
    what: 'the replica stores its position before the rows, in a transaction of its own',
    ...{ property: 'P1', place: 'receiver', ...CALM },
  },
  'position-after-rows': {
    what: 'the replica stores its position after the rows, in a transaction of its own',
    ...{ property: 'P2', place: 'receiver', ...CALM },
  },
  'ack-before-fsync': {
    what: 'the slot is confirmed before the log is on disk',
    ...{ property: 'P29', place: 'server', faults: 'kill-server', durationS: 6 },
  },
  'row-lsn-as-cursor': {
    what: 'the position of a transaction is that of one of its rows, not the end of its commit',
    ...{ property: 'P4', place: 'server', ...CALM },
  },
  'lsn-as-key': {
    what: 'rows are kept by LSN: one that starts where the transaction before it ended is taken for a repetition',
    ...{ property: 'P1', place: 'server', ...CALM },
  },
  'keepalive-skips': {
    what: 'a keepalive moves the position past what is not delivered yet',
    ...{ property: 'P1', place: 'server', ...CALM },
  },
  'split-transaction': {
    what: 'a page limit cuts a transaction in two',
    ...{ property: 'P5', place: 'server', ...CALM },
  },
  'leaked-savepoint': {
    what: 'what a rolled-back subtransaction wrote is not taken out of a streamed transaction',
    ...{ property: 'P3', place: 'server', ...CALM },
    postgres: { debug_logical_replication_streaming: 'immediate' },
  },
  'snapshot-without-in-flight': {
    what: 'a snapshot takes its position without regard to transactions in flight',
    ...{ property: 'P7', place: 'server', faults: 'forget-receiver', durationS: 5 },
  },
  'move-without-delete': {
    what: 'a row that moves to another selector is not deleted in the old one',
    ...{ property: 'P17', place: 'server', ...CALM },
  },
  'early-heartbeat': {
    what: 'a marker is sent before the queue in front of it is empty',
    ...{ property: 'P24', place: 'server', ...CALM },
  },
  'silent-new-slot': {
    what: 'a lost slot is made anew, and the old history goes on as if nothing had happened',
    ...{ property: 'P20', place: 'server', faults: 'drop-slot', durationS: 6 },
  },
  'toast-as-null': {
    what: 'a large value that an update left unchanged is taken for NULL',
    ...{ property: 'P22', place: 'server', ...CALM },
  },
  'number-as-double': {
    what: 'a bigint goes through a double',
    ...{ property: 'P22', place: 'server', ...CALM },
  },
  'failed-change-skipped': {
    what: 'a change that fails is forgotten when a later one succeeds',
    ...{ property: 'P1', place: 'receiver', ...CALM },
  },
  'update-of-nothing': {
    what: 'a row that comes by a move is sent as an update, and an update of 0 rows is no failure',
    ...{ property: 'P1', place: 'server', ...CALM },
  },
  'failure-exits-0': {
    what: 'a failed verdict is printed, but the exit code is 0',
    ...{ property: 'P31', place: 'command', ...CALM },
  },
} as const satisfies Readonly<Record<string, Bug>>;

export type BugName = keyof typeof BUGS;

/** The variable that, besides the flag, must name the bug: nothing is planted by one slip of the hand. */
export const PLANT_VARIABLE = 'TIDELOCK_PLANT';

export function isBug(name: string): name is BugName {
  return Object.hasOwn(BUGS, name);
}

/** Null when no bug is wanted. Throws `BAD_REQUEST` for one that is unknown or not meant. */
export function plantedBug(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): BugName | null {
  if (flag === undefined) return null;
  if (!isBug(flag)) throw refused(`there is no bug ${JSON.stringify(flag)} to plant`);
  if (environment[PLANT_VARIABLE] === flag) return flag;
  throw refused(`a bug is planted only where ${PLANT_VARIABLE} names it, too`);
}

function refused(message: string): TidelockError {
  const hint = 'bugs are for testing the bench: tidelock stress mutants --list';
  return new TidelockError({ code: 'BAD_REQUEST', message, hint });
}
