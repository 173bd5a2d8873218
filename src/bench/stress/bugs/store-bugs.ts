/** Bugs of a replica: storage between the follower and the file. */
import type { ReplicaFiles, ReplicaStore, ReplicaTransaction } from '../../../client/store.ts';
import type { Ts } from '../../../core/lsn.ts';
import type { RowChange } from '../../../core/row-change.ts';
import { asText, openSql } from '../../../sqlite/sql.ts';
import { localNameOf } from '../replica-scan.ts';
import { STRESS_TABLES } from '../schema.ts';
import type { BugName } from './catalog.ts';
import { standIn } from './stand-in.ts';

/** Between the two transactions of one that should be one: long enough for a reader to look. */
const GAP_MS = 150;
/** Of so many changes one fails. */
const FAILING = 100;

type Own = Partial<ReplicaStore>;

/** The files with the bug; the files themselves when the bug is another one. */
export function plantInFiles(bug: BugName, files: ReplicaFiles, file: string): ReplicaFiles {
  const wrap = (store: ReplicaStore): ReplicaStore => {
    const own = ownOf(bug, store, file);
    return own === null ? store : standIn(store, own);
  };
  return standIn(files, {
    open: () => {
      const store = files.open();
      return store === null ? null : wrap(store);
    },
    download: () => {
      const download = files.download();
      return standIn(download, { adopt: async (info) => wrap(await download.adopt(info)) });
    },
  });
}

function ownOf(bug: BugName, store: ReplicaStore, file: string): Own | null {
  switch (bug) {
    case 'position-before-rows':
    case 'position-after-rows':
      return inTwo(store, bug === 'position-before-rows');
    case 'failed-change-skipped':
    case 'failure-exits-0':
      return { begin: skipping(store) };
    case 'update-of-nothing':
      return { begin: ignoringUpdatesOfNothing(store, file) };
    default:
      return null;
  }
}

/** One half of every transaction at once, the other a moment later, or when the next one comes. */
function inTwo(store: ReplicaStore, isPositionFirst: boolean): Own {
  let later: (() => void) | null = null;
  const finish = (): void => {
    const act = later;
    later = null;
    act?.();
  };
  const begin = (): ReplicaTransaction => {
    finish();
    const changes: RowChange[] = [];
    return {
      apply: (more) => void changes.push(...more),
      commit: (position) => {
        // A marker has no rows: nothing to tear apart.
        if (changes.length === 0) return commitAll(store, [], position);
        setTimeout(finish, GAP_MS);
        if (isPositionFirst) {
          later = () => void commitAll(store, changes, store.identity.position);
          return commitAll(store, [], position);
        }
        later = () => void commitAll(store, [], position);
        return commitAll(store, changes, store.identity.position);
      },
      rollback: () => undefined,
    };
  };
  return {
    begin,
    beginResync: (bucketCount) => {
      finish();
      return store.beginResync(bucketCount);
    },
    close: () => {
      finish();
      store.close();
    },
  };
}

function commitAll(
  store: ReplicaStore,
  changes: readonly RowChange[],
  position: Ts,
): ReturnType<ReplicaTransaction['commit']> {
  const transaction = store.begin();
  try {
    if (changes.length > 0) transaction.apply(changes);
    return transaction.commit(
      position < store.identity.position ? store.identity.position : position,
    );
  } catch (error) {
    transaction.rollback();
    throw error;
  }
}

function skipping(store: ReplicaStore): ReplicaStore['begin'] {
  let count = 0;
  return () => {
    const transaction = store.begin();
    return standIn(transaction, {
      apply: (changes) =>
        transaction.apply(
          changes.filter((_, index) => {
            count += 1;
            return count % FAILING !== 0 || index === changes.length - 1;
          }),
        ),
    });
  };
}

function ignoringUpdatesOfNothing(store: ReplicaStore, file: string): ReplicaStore['begin'] {
  const known = keysOf(file);
  return () => {
    const transaction = store.begin();
    return standIn(transaction, {
      apply: (changes) => transaction.apply(changes.filter((change) => isFound(change, known))),
    });
  };
}

/** False for an update whose row is not there; keeps the keys up to date. */
function isFound(change: RowChange, known: Set<string>): boolean {
  if (change.type === 'insert') known.add(`${change.table} ${change.row[0]}`);
  if (change.type === 'delete') known.delete(`${change.table} ${change.key[0]}`);
  return change.type !== 'update' || known.has(`${change.table} ${change.row[0]}`);
}

function keysOf(file: string): Set<string> {
  const sql = openSql(file, { timeoutMs: 1000, isReadOnly: true });
  try {
    return new Set(
      STRESS_TABLES.flatMap((table) =>
        sql
          .prepare(`SELECT CAST(id AS TEXT) AS id FROM "${localNameOf(table)}"`)
          .all()
          .map(({ id }) => `${table.name} ${asText(id)}`),
      ),
    );
  } finally {
    sql.close();
  }
}
