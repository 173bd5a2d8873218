/** Uploads into Postgres: one transaction each, tried again when it meets other writers. */
import { messageOf, TidelockError } from '../../core/errors.ts';
import { parseLsn, type Ts } from '../../core/lsn.ts';
import type { Rejection, Upload } from '../../core/upload.ts';
import { sqlStateOf } from '../pg-errors.ts';
import { PgSession } from '../session.ts';
import { applyBatch } from './batch.ts';
import { isRace } from './failures.ts';
import type { Writer } from './plan.ts';
import { UploadQueue } from './queue.ts';
import { lockSite, newTransactions, requireHorizon, saveSite } from './site.ts';

/** How often one upload is tried when others write the same rows. */
const TRIES_MAX = 10;
/** Up to this many tries a taken key, or a row that contradicts its companion, counts as a race. */
const RACES_MAX = 5;
/** The longest rest before the next try, for each try before it. */
const REST_MS = 20;
/** Files from which one user writes, unless it is set. */
export const SITES_PER_USER_MAX = 1000;
/** Connections kept for the next upload. */
const IDLE_MAX = 4;

/** A writer who holds a row for longer makes uploads wait; the client tries again. */
const SETTINGS = {
  search_path: null,
  lock_timeout: '10s',
  statement_timeout: '60s',
  idle_in_transaction_session_timeout: '60s',
};

export type UploadOutcome = {
  readonly accepted: number;
  readonly position: Ts;
  readonly rejected: readonly Rejection[];
  /** How many transactions and refusals of these were new. */
  readonly applied: number;
  readonly refused: readonly Rejection[];
};

/** A connection for uploads, with the search path that its role has in this database. */
type UploadConnection = { readonly session: PgSession; readonly searchPath: string };

export type UploadsOptions = {
  readonly sitesPerUserMax?: number | undefined;
  /** Takes the place of connections to `url`. */
  readonly connect?: (() => Promise<PgSession>) | undefined;
};

export class Uploads {
  readonly #connect: () => Promise<PgSession>;
  readonly #sitesMax: number;
  readonly #idle: UploadConnection[] = [];
  readonly #busy = new Set<UploadConnection>();
  readonly #queue = new UploadQueue();
  #isClosed = false;

  constructor(url: string, options: UploadsOptions = {}) {
    const { sitesPerUserMax = SITES_PER_USER_MAX, connect } = options;
    this.#sitesMax = sitesPerUserMax;
    this.#connect = connect ?? (() => PgSession.connect({ url, settings: SETTINGS }));
  }

  /**
   * Applies what is new, once. Throws `SITE_TAKEN`, `SITES_FULL`, `SITE_CLONED`, `UPLOAD_GAP`, `RESYNC_FIRST`,
   * `TABLE_HELD`, `BUSY`, `SOURCE_DOWN`: then nothing was done, or (a connection lost at the commit) the same upload tells.
   */
  apply(upload: Upload, writer: Writer): Promise<UploadOutcome> {
    return this.#queue.run(upload, () => this.#apply(upload, writer));
  }

  /** Cuts what is under way: Postgres rolls it back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { session } of this.#busy) session.destroy();
    await Promise.all(this.#idle.splice(0).map(({ session }) => session.end()));
  }

  async #apply(upload: Upload, writer: Writer): Promise<UploadOutcome> {
    if (this.#isClosed) throw stopping(); // it has waited for others meanwhile
    const connection = await this.#take();
    try {
      return await this.#withTries(connection, upload, writer);
    } finally {
      await this.#giveBack(connection);
    }
  }

  async #withTries(
    connection: UploadConnection,
    upload: Upload,
    writer: Writer,
  ): Promise<UploadOutcome> {
    for (let tries = 1; ; tries += 1) {
      try {
        const mayRetry = tries <= RACES_MAX;
        return await once(connection, { upload, writer, mayRetry, sitesMax: this.#sitesMax });
      } catch (error) {
        await connection.session.query('ROLLBACK').catch(() => undefined); // a lost connection rolls back by itself
        if (!isRace(error)) throw asBusy(error);
        if (tries >= TRIES_MAX) throw busy(error);
        await rest(Math.random() * REST_MS * tries);
      }
    }
  }

  async #take(): Promise<UploadConnection> {
    const idle = this.#idle.pop();
    const connection = idle ?? (await this.#open());
    this.#busy.add(connection);
    return connection;
  }

  async #open(): Promise<UploadConnection> {
    const session = await this.#connect();
    const { path } = await session.queryOne("SELECT current_setting('search_path') AS path");
    return { session, searchPath: path ?? '' };
  }

  async #giveBack(connection: UploadConnection): Promise<void> {
    this.#busy.delete(connection);
    const { session } = connection;
    if (session.isLost) return;
    if (this.#isClosed || this.#idle.length >= IDLE_MAX) await session.end();
    else this.#idle.push(connection);
  }
}

type Attempt = {
  readonly upload: Upload;
  readonly writer: Writer;
  readonly mayRetry: boolean;
  readonly sitesMax: number;
};

async function once(
  { session, searchPath }: UploadConnection,
  { upload, writer, mayRetry, sitesMax }: Attempt,
): Promise<UploadOutcome> {
  const { site: id, settled } = upload.head;
  await session.query(
    'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path = pg_catalog',
  );
  const site = await lockSite(session, id, { userid: writer.userid, sitesMax });
  const fresh = newTransactions(site, upload);
  let [accepted, nonce, refused] = [site.number, site.nonce, [] as readonly Rejection[]];
  if (fresh.length > 0) {
    await requireHorizon(session, upload);
    const batch = await applyBatch({ session, writer, searchPath, mayRetry }, fresh);
    accepted = batch.upTo;
    refused = batch.rejections;
    nonce = fresh.find(({ number }) => number === accepted)?.nonce ?? nonce;
  }
  const rejected = [...site.rejected, ...refused].filter(({ number }) => number > settled);
  await saveSite(session, id, { number: accepted, nonce, rejected });
  const { position } = await session.queryOne(
    'COMMIT; SELECT pg_current_wal_insert_lsn() AS position',
  );
  return {
    ...{ accepted, rejected, refused, applied: accepted - site.number - refused.length },
    position: parseLsn(position ?? '', 'position'),
  };
}

/** Somebody holds a lock for long, or an operator cancelled: the same upload may succeed later. */
function asBusy(error: unknown): unknown {
  return /^(?:55P03|57014)$/.test(sqlStateOf(error) ?? '') ? busy(error) : error;
}

function busy(cause: unknown): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `other writers hold the rows of this upload: ${messageOf(cause).slice(0, 200)}`,
    hint: 'try again after the time in the Retry-After header',
    cause,
  });
}

function stopping(): TidelockError {
  return new TidelockError({
    code: 'NOT_READY',
    message: 'the server stops; nothing of this upload was done',
    hint: 'try again in a moment',
  });
}

function rest(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
