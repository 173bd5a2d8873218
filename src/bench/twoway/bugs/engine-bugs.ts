/** Bugs of the server: the engine, with one of its doors replaced. */
import { randomUUID } from 'node:crypto';
import type {
  ColumnWrite,
  InsertChange,
  Upload,
  UploadChange,
  UploadTransaction,
} from '../../../core/upload.ts';
import type { Engine, Feed } from '../../../engine/api.ts';
import { PgSession } from '../../../postgres/session.ts';
import { RewrittenFeed, whole } from '../../stress/bugs/feed-bugs.ts';
import { standIn } from '../../stress/bugs/stand-in.ts';
import type { TwowayBugName } from './catalog.ts';

type Apply = Engine['uploads']['apply'];
type Plant = (apply: Apply, postgres: string) => Apply;

/** Of so many uploads with content, one is befallen. */
const EVERY = 3;
const NONCE = 'c0ffee00';
/** So far a batch that is versioned anew is ahead of what it meets. */
const AHEAD = 10;

const PLANTS: Readonly<Partial<Record<TwowayBugName, Plant>>> = {
  'tie-by-arrival': tieByArrival,
  'tombstone-resurrected': resurrecting,
  'batch-applied-twice': applyingTwice,
  'accepted-not-stored': losing,
  'new-row-rule-only': trustingNewRows,
};

/** The engine with the bug; the engine itself when the bug is another one. */
export function plantInEngine(bug: TwowayBugName, engine: Engine, postgres: string): Engine {
  const plant = PLANTS[bug];
  if (plant !== undefined) {
    const apply = plant((upload, writer) => engine.uploads.apply(upload, writer), postgres);
    return standIn(engine, { uploads: { apply } });
  }
  if (bug === 'delete-without-audience') return standIn(engine, { openFeed: tellingAll(engine) });
  if (bug === 'snapshot-cached') return standIn(engine, cachedSnapshots(engine));
  return engine;
}

function withChanges(upload: Upload, rewrite: (change: UploadChange) => UploadChange): Upload {
  const transactions = upload.transactions.map((transaction) => ({
    ...transaction,
    changes: transaction.changes.map(rewrite),
  }));
  return { ...upload, transactions };
}

/** The versions of every upload are above those of all uploads before it. */
function tieByArrival(apply: Apply): Apply {
  let arrivals = 0;
  return (upload, writer) => {
    if (upload.transactions.length > 0) arrivals += 1;
    const later = ([place, version, value]: ColumnWrite): ColumnWrite => [
      place,
      version + arrivals,
      value,
    ];
    return apply(
      withChanges(upload, (change) =>
        change[0] === 'u' ? ['u', change[1], change[2], change[3], change[4].map(later)] : change,
      ),
      writer,
    );
  };
}

/** After a delete, the insert of the same key comes once more, as the row's next life. */
function resurrecting(apply: Apply): Apply {
  const inserts = new Map<string, InsertChange>();
  return async (upload, writer) => {
    const result = await apply(upload, writer);
    const changes = upload.transactions.flatMap((transaction) => transaction.changes);
    const again: UploadChange[] = [];
    for (const change of changes) {
      const key = JSON.stringify([change[1], change[3]]);
      if (change[0] === 'i') inserts.set(key, change);
      const insert = change[0] === 'd' ? inserts.get(key) : undefined;
      if (insert !== undefined) again.push(['i', insert[1], change[2] + 1, insert[3], insert[4]]);
    }
    if (again.length > 0) await apply(asNew(upload, [again]), writer);
    return result;
  };
}

/** When the next upload comes, the one before it comes behind it, versioned anew. */
function applyingTwice(apply: Apply): Apply {
  let last: Parameters<Apply> | null = null;
  return async (upload, writer) => {
    const result = await apply(upload, writer);
    const repeated = last;
    if (upload.transactions.length > 0) last = [upload, writer];
    if (repeated === null || upload.transactions.length === 0) return result;
    const ahead = ([place, version, value]: ColumnWrite): ColumnWrite => [
      place,
      version + AHEAD,
      value,
    ];
    const updates = repeated[0].transactions.map(({ changes }) =>
      changes.flatMap((change): UploadChange[] =>
        change[0] === 'u' ? [['u', change[1], change[2], change[3], change[4].map(ahead)]] : [],
      ),
    );
    await apply(asNew(repeated[0], updates), repeated[1]);
    return result;
  };
}

/** The same as of another file. */
function asNew(upload: Upload, changes: readonly (readonly UploadChange[])[]): Upload {
  const transactions: readonly UploadTransaction[] = changes.map((own, index) => ({
    ...{ number: index + 1, nonce: NONCE, changes: own },
  }));
  return { head: { ...upload.head, site: randomUUID(), settled: 0 }, transactions };
}

function losing(apply: Apply): Apply {
  let count = 0;
  return (upload, writer) => {
    if (upload.transactions.length > 0) count += 1;
    if (count % EVERY !== 0) return apply(upload, writer);
    const transactions = upload.transactions.map((transaction) => ({
      ...transaction,
      changes: [],
    }));
    return apply({ ...upload, transactions }, writer);
  };
}

/** Whoever owns the row afterwards may write it: a refused row of his is taken from its owner. */
function trustingNewRows(apply: Apply, postgres: string): Apply {
  return async (upload, writer) => {
    const result = await apply(upload, writer);
    const isTaken = ({ code }: (typeof result.rejected)[number]): boolean => code === 'KEY_TAKEN';
    const taken = result.rejected.filter(isTaken);
    if (taken.length === 0) return result;
    const session = await PgSession.connect({ url: postgres });
    try {
      for (const { table = '', key = [] } of taken) {
        const [schema, name] = table.split('.');
        await session.query(`UPDATE "${schema}"."${name}" SET user_id = $1 WHERE id = $2`, [
          ...[writer.userid, String(key[0])],
        ]);
      }
    } finally {
      await session.end();
    }
    return { ...result, rejected: result.rejected.filter((one) => !isTaken(one)) };
  };
}

/** Every feed has the deletes of all others, too. */
function tellingAll(engine: Engine): Engine['openFeed'] {
  const told: { readonly feed: Feed; readonly line: string }[] = [];
  return (request) => {
    const feed = engine.openFeed(request);
    let from = 0;
    return new RewrittenFeed(feed, (transaction) => {
      const strange = told.slice(from).filter((one) => one.feed !== feed);
      for (const line of transaction.lines) {
        if (line.startsWith('{"type":"delete"')) told.push({ feed, line });
      }
      from = told.length;
      return [
        whole({
          ...transaction,
          lines: [...strange.map(({ line }) => line), ...transaction.lines],
        }),
      ];
    });
  };
}

/** Who comes second is given what was made for the first. */
function cachedSnapshots(engine: Engine): Pick<Engine, 'snapshotFile'> {
  let first: readonly string[] | null = null;
  return {
    snapshotFile: (request) => {
      first ??= request.selectors;
      return engine.snapshotFile({ ...request, selectors: first });
    },
  };
}
