/**
 * The disk of one replica: versions of its file, of which the older ones are synced. As in SQLite with
 * `synchronous = NORMAL`, a crash of the machine takes back the last commits, each of them whole.
 */
import { DifferenceApplier } from '../client/difference.ts';
import type {
  ReplicaDownload,
  ReplicaFiles,
  ReplicaIdentity,
  ReplicaStore,
} from '../client/store.ts';
import { TidelockError } from '../core/errors.ts';
import { LSN_ZERO } from '../core/lsn.ts';
import { LineSplitter, type RawLine } from '../protocol/lines.ts';
import type { Chance } from './chance.ts';
import { MemoryReplica, type Version } from './replica-store.ts';
import { type Life, SimulatedCrash } from './scheduler.ts';

export class ReplicaDisk {
  /** Nothing more can be written. */
  isFull = false;
  readonly #selectors: readonly string[];
  readonly #syncEvery: number;
  /** The first one is synced; the later ones are committed. Empty: there is no file. */
  #versions: Version[] = [];

  constructor(options: { readonly selectors: readonly string[]; readonly syncEvery: number }) {
    this.#selectors = options.selectors;
    this.#syncEvery = options.syncEvery;
  }

  /** What a reader of the file sees; null when there is none. */
  get present(): Version | null {
    return this.#versions.at(-1) ?? null;
  }

  /** Whoever keeps it throws it away. */
  forget(): void {
    this.#versions = [];
  }

  /** The machine dies. Returns how many commits are lost. */
  loseUnsynced(chance: Chance): number {
    const kept = chance.between(Math.min(1, this.#versions.length), this.#versions.length);
    const lost = this.#versions.length - kept;
    this.#versions = this.#versions.slice(0, kept);
    return lost;
  }

  /** The place of the file, as the process `life` uses it. `wrap` may plant a bug. */
  files(life: Life, wrap: (store: ReplicaStore) => ReplicaStore): ReplicaFiles {
    return {
      lock: () => undefined,
      open: () => {
        const { present } = this;
        return present === null ? null : wrap(this.#store(present, life));
      },
      download: () => this.#download(life, wrap),
      spool: () => null,
      close: () => undefined,
    };
  }

  #store(version: Version, life: Life): MemoryReplica {
    return new MemoryReplica(version, {
      check: () => this.#check(life),
      commit: (next, durability) => {
        this.#versions.push(next);
        if (durability === 'synced' || this.#versions.length > this.#syncEvery) {
          this.#versions = [next];
        }
      },
    });
  }

  #check(life: Life): void {
    if (life.isOver) throw new SimulatedCrash('its process is gone');
    if (!this.isFull) return;
    throw new TidelockError({ code: 'REPLICA_WRITE_FAILED', message: 'the disk is full' });
  }

  /** A whole copy as lines: applied to an empty replica by the rules of a difference. */
  #download(life: Life, wrap: (store: ReplicaStore) => ReplicaStore): ReplicaDownload {
    const lines: RawLine[] = [];
    const splitter = new LineSplitter();
    return {
      write: async (chunk) => {
        this.#check(life);
        lines.push(...splitter.push(chunk));
      },
      adopt: async ({ replica, server }) => {
        this.#check(life);
        const store = new MemoryReplica(emptyVersion({ replica, server }), {
          check: () => undefined,
          commit: () => undefined,
        });
        const [selectors, crashPoint] = [this.#selectors, () => undefined];
        const applier = new DifferenceApplier({
          ...{ store, server, selectors, crashPoint, bucketCount: 1 },
        });
        applier.take(lines);
        if (applier.counts === null) {
          throw new TidelockError({ code: 'PROTOCOL', message: 'the copy has no end' });
        }
        this.#versions = [store.version];
        return wrap(this.#store(store.version, life));
      },
      discard: () => undefined,
    };
  }
}

function emptyVersion(of: { readonly replica: string; readonly server: string }): Version {
  const identity: ReplicaIdentity = {
    ...of,
    ...{ timeline: '', position: LSN_ZERO, selectors: [], schemaVersion: 0 },
  };
  return { identity, tables: new Map() };
}
