/**
 * The replica of an area's runs on a host that is not the home: a file in local temp storage, kept by Tidelock's own feed.
 *
 * One process of this host at a time follows, whoever asks first; the others read the same file. What the file is known to
 * have, and since when, stands beside it, so that it can be said how old it is when no server answers.
 *
 *   looking --a server answers--> following --it is gone, or another one leads--> looking
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode, messageOf, TidelockError } from '../../core/errors.ts';
import { formatLsn, toLsn } from '../../core/lsn.ts';
import type { RunsStatus } from '../../protocol/runs.ts';
import { ReplicaRuns } from '../../sqlite/runs/replica-runs.ts';
import type { Away } from './away.ts';
import { networkDiskOf, requireLocalDisk } from './disk.ts';
import type { Discovery } from './leader.ts';
import { makeOwnFolder } from './local-folder.ts';
import type { AreaPlace } from './place.ts';

/** How often it is asked what the server has, and who leads. */
const BEAT_MS = 500;
const LOOK_MS = 20;
/** Between tries to follow: a new leader, or another process' end. */
const RETRY_MS = 100;
const REACH_MS_MAX = 10_000;

/** What the file is known to have. */
export type Seen = {
  /** What the server said of itself; its sequence and more are in the file. */
  readonly status: RunsStatus;
  /** When the server had no more than this; milliseconds since 1970. */
  readonly at: number;
};

/** A follower of a feed that writes into a file. */
export type KeptReplica = {
  waitFor(position: string, options: { readonly timeoutMs: number }): Promise<unknown>;
  close(): Promise<void>;
};

export type FollowRequest = {
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal;
  /** The file has everything that the server had, or not any more. */
  readonly onCaughtUp: (isCaughtUp: boolean) => void;
};

export type RunReplicaOptions = {
  readonly place: AreaPlace;
  readonly away: Away;
  readonly now: () => number;
  /** Opens the file, or makes it. Rejects with `REPLICA_IN_USE` while another process follows. */
  readonly follow: (request: FollowRequest) => Promise<KeptReplica>;
  /** No server answers any more, or one does again (null); told once. */
  readonly onTrouble: (error: TidelockError | null) => void;
};

/** Waiting does not mend these. */
const FATAL = ['TOKEN_INVALID', 'TOKEN_FORBIDS', 'REPLICA_UNFIT', 'BAD_SELECTOR'] as const;

export class RunReplica {
  readonly #options: RunReplicaOptions;
  readonly #file: string;
  readonly #seenFile: string;
  readonly #end = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #runs: ReplicaRuns | null = null;
  #trouble: TidelockError | null = null;
  #troubleSince = 0;
  #wake: () => void = () => undefined;

  /** Makes the folder. Throws `NETWORK_DISK`, `RUNS_UNUSABLE`. */
  constructor(options: RunReplicaOptions) {
    this.#options = options;
    const { userDir, replicaDir } = options.place;
    requireLocalDisk(replicaDir, networkDiskOf, 'set TMPDIR to a folder on a local disk');
    makeOwnFolder(userDir, replicaDir);
    this.#file = join(replicaDir, 'runs.db');
    this.#seenFile = join(replicaDir, 'seen.json');
  }

  /** Follows from now on, in the background. */
  start(): void {
    this.#running = this.#follow();
  }

  /** Null: this host has never seen anything of the area. */
  get seen(): Seen | null {
    if (!existsSync(this.#file)) return null;
    try {
      const seen = JSON.parse(readFileSync(this.#seenFile, 'utf8')) as Partial<Seen>;
      return seen.status === undefined || seen.at === undefined ? null : (seen as Seen);
    } catch {
      return null;
    }
  }

  /** What went wrong last; null while all is well. */
  get trouble(): TidelockError | null {
    return this.#trouble;
  }

  /** For how long no server has answered; 0 while one does. */
  get silentMs(): number {
    return this.#trouble === null ? 0 : this.#options.now() - this.#troubleSince;
  }

  /** The rows. Only when something was ever seen. */
  get runs(): ReplicaRuns {
    this.#runs ??= new ReplicaRuns(this.#file);
    const history = this.seen?.status.history ?? '';
    if (this.#runs.history !== history) this.#runs.history = history;
    return this.#runs;
  }

  /** Waits until the file has what the server had; false after `msMax`. Throws what waiting does not mend. */
  async reach(
    { history, seq }: Pick<RunsStatus, 'history' | 'seq'>,
    msMax: number,
  ): Promise<boolean> {
    const deadline = performance.now() + msMax;
    this.#wake();
    for (;;) {
      const { seen } = this;
      if (seen !== null && seen.status.history === history && seen.status.seq >= seq) return true;
      if (this.#trouble !== null && isFatal(this.#trouble)) throw this.#trouble;
      if (performance.now() > deadline) return false;
      await pause(LOOK_MS, this.#end.signal);
    }
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
    this.#runs?.close();
    this.#runs = null;
  }

  async #follow(): Promise<void> {
    const { signal } = this.#end;
    while (!signal.aborted) {
      const there = this.#options.away.find();
      if (there !== null) await this.#followAt(there);
      await pause(RETRY_MS, signal);
    }
  }

  /** Ends when the area names another server, and when this one does not answer. */
  async #followAt(there: Discovery): Promise<void> {
    const { away, follow } = this.#options;
    const moved = new AbortController();
    const signal = AbortSignal.any([this.#end.signal, moved.signal]);
    const watch = setInterval(() => {
      const now = away.find();
      if (now !== null && !isSame(now, there)) moved.abort();
    }, BEAT_MS);
    let isCaughtUp = false;
    try {
      const { area } = await away.statusAt(there);
      const kept = await follow({
        ...{ server: there.url, selectors: [area], file: this.#file, token: away.token, signal },
        onCaughtUp: (is) => {
          isCaughtUp = is;
        },
      });
      try {
        await this.#beats(kept, { there, signal, isCaughtUp: () => isCaughtUp });
      } finally {
        await kept.close();
      }
    } catch (error) {
      if (!signal.aborted) this.#tell(error);
    } finally {
      clearInterval(watch);
    }
  }

  async #beats(
    kept: KeptReplica,
    {
      there,
      signal,
      isCaughtUp,
    }: { readonly there: Discovery; signal: AbortSignal; isCaughtUp: () => boolean },
  ): Promise<void> {
    const { away, now } = this.#options;
    while (!signal.aborted) {
      const at = now();
      const status = await away.statusAt(there);
      await until(isCaughtUp, signal);
      // A position of the run database is its sequence and one.
      await kept.waitFor(formatLsn(toLsn(status.seq + 1)), { timeoutMs: REACH_MS_MAX });
      if (signal.aborted || !isCaughtUp()) continue;
      this.#see({ status, at });
      this.#note(null);
      const wake = new AbortController();
      this.#wake = () => wake.abort();
      await pause(BEAT_MS, AbortSignal.any([signal, wake.signal]));
    }
  }

  #see(seen: Seen): void {
    const draft = `${this.#seenFile}.${process.pid}`;
    writeFileSync(draft, JSON.stringify(seen), { mode: 0o600 });
    renameSync(draft, this.#seenFile); // readers see all of it or the old one
    const { history } = seen.status;
    if (this.#runs !== null && this.#runs.history !== history) this.#runs.history = history;
  }

  #tell(error: unknown): void {
    if (hasCode(error, 'REPLICA_IN_USE')) return; // another process of this host follows: its file is ours
    const isKnown = error instanceof TidelockError;
    const cause = { code: 'INTERNAL', message: messageOf(error), cause: error } as const;
    this.#note(isKnown ? error : new TidelockError(cause));
  }

  #note(trouble: TidelockError | null): void {
    const { now, onTrouble } = this.#options;
    if (this.#trouble === null) this.#troubleSince = now();
    const isNews = trouble?.code !== this.#trouble?.code;
    this.#trouble = trouble;
    if (isNews) onTrouble(trouble);
  }
}

function isFatal({ code }: TidelockError): boolean {
  return (FATAL as readonly string[]).includes(code);
}

function isSame(a: Discovery, b: Discovery): boolean {
  return a.url === b.url && a.pid === b.pid && a.startedAt === b.startedAt;
}

/** Throws `TIMEOUT`: the caller connects anew. */
async function until(holds: () => boolean, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + REACH_MS_MAX;
  while (!holds() && !signal.aborted) {
    if (performance.now() > deadline) {
      throw new TidelockError({
        code: 'TIMEOUT',
        message: `the feed of the server has not brought everything within ${REACH_MS_MAX / 1000} s`,
        hint: 'it is tried again; what has come stays',
      });
    }
    await pause(LOOK_MS, signal);
  }
}

/** Shorter when the signal aborts. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
