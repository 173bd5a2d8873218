/**
 * The one server of an area: a lease in the local database, and a small file in the area by which other hosts find it.
 *
 *   candidate --lease free or expired--> leader --lease lost, stop--> ended      candidate --lease held--> ended
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { LeaseHolder, SqliteRunStore } from '../../sqlite/runs/run-store.ts';
import { type HostIdentity, isAlive, pidStartOf } from '../processes/host.ts';

/**
 * A leader that lives and is silent for so long hangs, and leads no more. One that is dead is known at once, by pid and
 * start time, so a slow machine costs nobody the lead.
 */
const LEASE_MS = 20_000;
const RENEW_MS = 1000;

/** How the server is reached. */
export type Discovery = {
  readonly url: string;
  readonly host: string;
  readonly pid: number;
  readonly startedAt: number;
};

export type LeaderOptions = {
  readonly store: SqliteRunStore;
  readonly identity: HostIdentity;
  readonly discoveryFile: string;
  readonly now: () => number;
  /** Another process leads now: this one must end at once. */
  readonly onLost: (holder: LeaseHolder) => void;
};

export type Candidacy =
  | { readonly isLeader: true; readonly leader: Leader }
  | { readonly isLeader: false; readonly holder: LeaseHolder };

/** Asks once. */
export function runForLeader(options: LeaderOptions): Candidacy {
  const { store, identity, now } = options;
  const { pid } = process;
  const pidStart = pidStartOf(pid);
  const me = { host: identity.host, pid, pidStart, bootId: identity.bootId, url: '' };
  const holder = store.takeLease('server', { holder: me, now: now(), ms: LEASE_MS, isAlive });
  return holder === null
    ? { isLeader: true, leader: new Leader(options, me) }
    : { isLeader: false, holder };
}

export class Leader {
  readonly startedAt: number;
  readonly #options: LeaderOptions;
  #me: LeaseHolder;
  readonly #timer: NodeJS.Timeout;

  constructor(options: LeaderOptions, me: LeaseHolder) {
    this.#options = options;
    this.#me = me;
    this.startedAt = options.now();
    this.#timer = setInterval(() => this.#tryToRenew(), RENEW_MS);
  }

  /** The server listens: from now on others find it. */
  announce(url: string): void {
    const { discoveryFile } = this.#options;
    this.#me = { ...this.#me, url };
    this.#renew();
    const { host, pid } = this.#me;
    const discovery: Discovery = { url, host, pid, startedAt: this.startedAt };
    mkdirSync(dirname(discoveryFile), { recursive: true });
    const draft = `${discoveryFile}.${pid}`;
    writeFileSync(draft, `${JSON.stringify(discovery)}\n`);
    renameSync(draft, discoveryFile); // readers see all of it or the old one
  }

  /** Leaves the lease and the file to the next one. */
  stop(): void {
    clearInterval(this.#timer);
    const { store, discoveryFile } = this.#options;
    try {
      store.leaveLease('server', this.#me);
    } catch {
      // A database that cannot be written: the lease ends by itself, and this process is gone before.
    }
    if (readDiscovery(discoveryFile)?.pid === this.#me.pid) rmSync(discoveryFile, { force: true });
  }

  /** A database that cannot be used now has no other leader either; the syncer ends the server of one that is lost. */
  #tryToRenew(): void {
    try {
      this.#renew();
    } catch {
      // Tried again each second. Whoever leads by then is told of when the file can be read.
    }
  }

  #renew(): void {
    const { store, now, onLost } = this.#options;
    const holder = store.takeLease('server', {
      ...{ holder: this.#me, now: now(), ms: LEASE_MS, isAlive },
    });
    if (holder === null) return;
    clearInterval(this.#timer);
    onLost(holder);
  }
}

/** Null: no server was announced. */
export function readDiscovery(file: string): Discovery | null {
  try {
    const found = JSON.parse(readFileSync(file, 'utf8')) as Discovery;
    return typeof found.url === 'string' && typeof found.pid === 'number' ? found : null;
  } catch {
    return null; // none, or one that is just being written by an older program
  }
}
