/**
 * Planted bugs: each is a switch in one of the simulation's parts or in what a machine of the product is told, and the
 * simulation must find each within a stated number of seeds. `plants` makes new ones for each run.
 */
import type { ReplicaStore, ReplicaTransaction } from '../../client/store.ts';
import { step } from '../../coordinator/coordinator.ts';
import type { RowChange } from '../../core/row-change.ts';
import type { Scheduler } from '../../sim/scheduler.ts';
import type { TwowayBug } from '../../sim/twoway/world.ts';
import type { Plants } from '../../sim/world.ts';
import { type After, plantInFeed } from '../stress/bugs/feed-bugs.ts';
import { plantInLog } from '../stress/bugs/log-bugs.ts';
import { plantInHandler } from '../stress/bugs/source-bugs.ts';
import { standIn } from '../stress/bugs/stand-in.ts';
import { COORDINATOR_BUGS } from './coordinator-bugs.ts';

export type SimMutant = {
  readonly name: string;
  /** What is broken, in a sentence. */
  readonly what: string;
  readonly plants: (scheduler: () => Scheduler) => Plants;
  /** Planted in the run of sites that write. */
  readonly twoway?: TwowayBug;
};

type FeedBug = Parameters<typeof plantInFeed>[0];

const SKIPPED_EVERY = 12;

const FEED_BUGS: readonly (readonly [FeedBug, string])[] = [
  ['cursor-by-txid', 'a transaction with a lower id than an earlier one is not delivered'],
  ['row-lsn-as-cursor', 'the position is that of the last row, not of the commit'],
  ['lsn-as-key', 'transactions that stand close together count as one'],
  ['split-transaction', 'a transaction is delivered in two halves'],
  ['early-heartbeat', 'a marker is sent before what it promises'],
  ['keepalive-skips', 'a marker names a position that is not delivered yet'],
  ['number-as-double', 'large numbers go through double precision'],
];

const FEED_MUTANTS: readonly SimMutant[] = FEED_BUGS.map(([name, what]) => ({
  ...{ name, what },
  plants: (scheduler) => {
    const after: After = (delayMs, run) => {
      const task = scheduler().after(delayMs, `bug: ${name}`, run);
      return () => task.cancel();
    };
    return { wrapFeed: (feed) => plantInFeed(name, feed, after) };
  },
}));

const HANDLER_MUTANTS: readonly SimMutant[] = (
  [
    ['leaked-savepoint', 'what a savepoint takes back in a large transaction is kept'],
    ['move-without-delete', 'a row that moves is not deleted where it was'],
  ] as const
).map(([name, what]) => ({
  ...{ name, what },
  plants: () => ({ wrapHandler: (handler) => plantInHandler(name, handler) }),
}));

const PART_MUTANTS: readonly SimMutant[] = [
  {
    name: 'ack-before-fsync',
    what: 'the slot is confirmed before the log is synced',
    plants: () => ({ isLogLazy: true }),
  },
  {
    name: 'silent-new-slot',
    what: 'a new slot is taken for the old one',
    plants: () => ({ wrapLog: (log) => plantInLog('silent-new-slot', log) }),
  },
  {
    name: 'snapshot-ignores-in-flight',
    what: 'a snapshot is taken to show every transaction before it',
    plants: () => ({
      openRows: (open) => async (context) => {
        const transaction = await open(context);
        const { xmax } = transaction.snapshot;
        return { ...transaction, snapshot: { xmin: xmax, xmax, xips: new Set<number>() } };
      },
    }),
  },
  {
    name: 'snapshot-does-not-wait',
    what: 'a snapshot does not wait until the log has what it shows',
    plants: () => ({
      openRows: (open) => async (context) => {
        const transaction = await open(context);
        return { ...transaction, insertLsn: 0 as never };
      },
    }),
  },
  {
    name: 'position-before-rows',
    what: 'a replica stores the position first and the rows afterwards',
    plants: () => ({ wrapStore: (store) => standIn(store, { begin: inTwo(store, true) }) }),
  },
  {
    name: 'position-after-rows',
    what: 'a replica stores the rows first and the position afterwards',
    plants: () => ({ wrapStore: (store) => standIn(store, { begin: inTwo(store, false) }) }),
  },
  {
    name: 'failed-change-skipped',
    what: 'a change that fails is left out, and the next one is taken',
    plants: () => ({ wrapStore: (store) => standIn(store, { begin: skipping(store) }) }),
  },
  {
    name: 'older-copy-unnoticed',
    what: 'nobody looks whether the transactions of Postgres are those of the log',
    plants: () => ({
      step: (state, event) =>
        event.kind === 'sourceConnected'
          ? step(state, { ...event, facts: { ...event.facts, divergence: undefined } })
          : step(state, event),
    }),
  },
  {
    name: 'schema-message-lost',
    what: 'nobody reads what the stream says of tables',
    plants: () => ({ wrapHandler: (handler) => standIn(handler, { message: () => undefined }) }),
  },
  {
    name: 'filling-forgotten',
    what: 'older rows do not get the value of an added column',
    plants: () => ({
      wrapStore: (store) => standIn(store, { begin: changed(store, withoutFilling) }),
    }),
  },
  {
    name: 'layout-forgotten',
    what: 'a replica does not follow a change of layout',
    plants: () => ({
      wrapStore: (store) =>
        standIn(store, {
          begin: without(store, ({ type }) => type !== 'table' && type !== 'resync'),
        }),
    }),
  },
  {
    name: 'truncate-forgotten',
    what: 'a replica does not follow TRUNCATE',
    plants: () => ({
      wrapStore: (store) =>
        standIn(store, { begin: without(store, ({ type }) => type !== 'truncate') }),
    }),
  },
];

/**
 * What only costs time or memory, and what the server's visits to its streams mend within a second: the coordinator's
 * own model finds these. That transactions were lost in a promotion is found out by them as well, not by the place alone.
 */
const FROM_INSIDE_ONLY: ReadonlySet<string> = new Set([
  'what comes between a last read and its report wakes nobody',
  'a wake is forgotten when somebody is ended in the same step',
  'subscribers are woken twice',
  'only the last part of a large transaction counts',
  'purging ignores the leases',
  'a connected replica that is silent loses its lease',
  'purging ignores the snapshots',
  'purging ignores who reads',
  'leases of before a restart are forgotten',
  'new leases are not stored',
  'a merged group is as old as its oldest member',
  'a merged group counts as much as its members together',
  'nobody is told of a merge',
  'a promotion that lost transactions is followed',
  'the source is not paused while the log is failed',
  'a failed append is not tried again',
  'a slot that went back is not confirmed again',
  'an idle source is not noted later',
  'a wait is ended twice',
  'a wait ends before the log is there',
]);

const COORDINATOR_MUTANTS: readonly SimMutant[] = COORDINATOR_BUGS.filter(
  ({ name }) => !FROM_INSIDE_ONLY.has(name),
).map(({ name, step }) => ({
  name: `coordinator: ${name}`,
  what: name,
  plants: () => ({ step }),
}));

const TWOWAY_MUTANTS: readonly SimMutant[] = (
  [
    ['last-writer-wins', 'whatever arrives last replaces what is there'],
    ['tombstones-forgotten', 'a deleted row leaves nothing behind'],
    ['first-batch-only', 'of an upload with several transactions only the first is merged'],
    ['settled-too-early', 'a local write goes when it is answered, not when the base has it'],
    ['newest-first', 'who asks is given the newest rows first, and what they are based on later'],
  ] as const
).map(([twoway, what]) => ({ name: `two-way: ${twoway}`, what, plants: () => ({}), twoway }));

export const MUTANTS: readonly SimMutant[] = [
  ...FEED_MUTANTS,
  ...HANDLER_MUTANTS,
  ...PART_MUTANTS,
  ...COORDINATOR_MUTANTS,
  ...TWOWAY_MUTANTS,
];

type Begin = ReplicaStore['begin'];

/** One half of every transaction at once, the other with the next one. */
function inTwo(store: ReplicaStore, isPositionFirst: boolean): Begin {
  let rest: (() => void) | null = null;
  return () => {
    rest?.();
    rest = null;
    const changes: RowChange[] = [];
    return {
      apply: (more) => void changes.push(...more),
      commit: (position) => {
        if (changes.length === 0) return commitAll(store, [], position);
        const before = store.identity.position;
        if (isPositionFirst) {
          rest = () => void commitAll(store, changes, store.identity.position);
          return commitAll(store, [], position);
        }
        rest = () => void commitAll(store, [], position);
        return commitAll(store, changes, before);
      },
      rollback: () => undefined,
    };
  };
}

function commitAll(
  store: ReplicaStore,
  changes: readonly RowChange[],
  position: ReplicaStore['identity']['position'],
): ReturnType<ReplicaTransaction['commit']> {
  const transaction = store.begin();
  if (changes.length > 0) transaction.apply(changes);
  const { position: now } = store.identity;
  return transaction.commit(position < now ? now : position);
}

function skipping(store: ReplicaStore): Begin {
  let count = 0;
  return without(store, () => {
    count += 1;
    return count % SKIPPED_EVERY !== 0;
  });
}

function without(store: ReplicaStore, isKept: (change: RowChange) => boolean): Begin {
  return changed(store, (change) => (isKept(change) ? [change] : []));
}

function changed(store: ReplicaStore, change: (one: RowChange) => readonly RowChange[]): Begin {
  return () => {
    const transaction = store.begin();
    return standIn(transaction, {
      apply: (changes) => transaction.apply(changes.flatMap(change)),
    });
  };
}

function withoutFilling(change: RowChange): readonly RowChange[] {
  if (change.type !== 'table') return [change];
  const columns = change.table.columns.map(({ missing: _, ...column }) => column);
  return [{ ...change, table: { ...change.table, columns } }];
}

/** Undefined when there is no such bug. */
export function mutantNamed(name: string): SimMutant | undefined {
  return MUTANTS.find((mutant) => mutant.name === name);
}
