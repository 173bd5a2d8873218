/** One replica: its disk, its path to the server, and the process that follows, which is killed and started again. */
import type { ReplicaEvent } from '../client/events.ts';
import { Follower } from '../client/follower.ts';
import { isCaughtUp } from '../client/machine.ts';
import { ServerApi } from '../client/server-api.ts';
import type { ReplicaStore } from '../client/store.ts';
import { formatLsn, type Lsn } from '../core/lsn.ts';
import type { Chance } from './chance.ts';
import type { Database } from './database.ts';
import type { Observer, SeenRow } from './evidence.ts';
import { Link, type Server, SimTransport } from './network.ts';
import type { NetworkOptions, ReplicaOptions } from './plan.ts';
import { ReplicaDisk } from './replica-disk.ts';
import { digestsOf, type StoredRow, type Version } from './replica-store.ts';
import { Life, type Scheduler, SimulatedCrash } from './scheduler.ts';
import { EPOCH_MICROS } from './server.ts';
import { keyOf, selectorOf, TABLES } from './tables.ts';

export type SimReplicaOptions = {
  readonly replica: ReplicaOptions;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly network: NetworkOptions;
  readonly server: () => { readonly server: Server; readonly life: Life } | null;
  readonly observer: Observer;
  readonly wrapStore: (store: ReplicaStore) => ReplicaStore;
  readonly note: (what: string, count?: number) => void;
  /** As the evidence counts positions. */
  readonly placeOf: (timeline: string, position: Lsn) => Lsn;
};

/** Readers of different lives of a process are different sessions. */
const SESSIONS_PER_LIFE = 1000;

export class SimReplica {
  readonly name: string;
  readonly disk: ReplicaDisk;
  readonly link: Link;
  readonly #options: SimReplicaOptions;
  readonly #seen = new WeakMap<StoredRow, SeenRow>();
  #life = new Life();
  #lives = 0;
  #session = 0;
  /** Raised when its disk went back: for the judge it is another replica from there on. */
  #epoch = 0;
  #isCopying = false;
  /** The history that the evidence last spoke of. */
  #toldTimeline: string | null = null;
  #follower: Follower | null = null;
  /** Where the process dies next, if anywhere. */
  #crashAt: string | null = null;
  #onCrash: () => void = () => undefined;

  constructor(options: SimReplicaOptions) {
    const { replica } = options;
    this.#options = options;
    this.name = replica.name;
    this.link = new Link(replica.name);
    this.disk = new ReplicaDisk(replica);
    this.#life.end();
  }

  /** As the evidence calls it. */
  get evidenceName(): string {
    return this.#epoch === 0 ? this.name : `${this.name}-${this.#epoch}`;
  }

  get isRunning(): boolean {
    return !this.#life.isOver;
  }

  get selectors(): readonly string[] {
    return this.#options.replica.selectors;
  }

  get position(): number {
    return this.disk.present?.identity.position ?? 0;
  }

  /** Its position as the evidence counts them. */
  get place(): number {
    const { present } = this.disk;
    return present === null ? 0 : this.#placeOf(present);
  }

  /** It follows, and has what the server had when it last said so. */
  get isCaughtUp(): boolean {
    return this.isRunning && this.#follower !== null && isCaughtUp(this.#follower.state);
  }

  /** What its process is doing, in words. */
  get state(): string {
    if (!this.isRunning) return 'not running';
    const { state } = this.#follower ?? { state: { kind: 'closed' as const } };
    return 'trouble' in state ? `${state.kind} (${state.trouble.message})` : state.kind;
  }

  start(): void {
    if (this.isRunning) return;
    const { scheduler, replica, chance, observer } = this.#options;
    const life = new Life();
    this.#life = life;
    this.#lives += 1;
    this.#session = this.#lives * SESSIONS_PER_LIFE;
    this.#isCopying = this.disk.present === null;
    if (!this.#isCopying) this.#tellFound();
    const draws = chance.stream(`${this.name} life ${this.#lives}`);
    const follower = new Follower({
      api: new ServerApi(this.#transport(life)),
      files: this.disk.files(life, this.#options.wrapStore),
      clock: {
        now: () => EPOCH_MICROS / 1000 + scheduler.now,
        after: (delayMs, callback) => {
          const task = scheduler.after(delayMs, `${this.name}: timer`, callback, life);
          return () => task.cancel();
        },
      },
      random: () => draws.next(),
      newId: () => this.name,
      server: 'http://server',
      selectors: replica.selectors,
      openBytesMax: replica.openBytesMax,
      onEvent: (event) => {
        if (!life.isOver) this.#take(event);
      },
      crashPoint: (point) => this.#pass(point, life),
    });
    this.#follower = follower;
    const { name } = this;
    observer.state({ t: scheduler.now, process: name, state: 'started', note: '' });
    follower.start();
  }

  /** The process dies. What it wrote is on the disk. */
  kill(): void {
    if (!this.isRunning) return;
    this.#life.end();
    this.#follower = null;
    this.#crashAt = null;
    this.link.cut();
    const { observer, scheduler } = this.#options;
    observer.killed({ t: scheduler.now, process: this.name });
  }

  /** The process dies when it next comes to this place. */
  crashAt(point: string, onCrash: () => void): void {
    this.#crashAt = point;
    this.#onCrash = onCrash;
  }

  /** The machine dies: the last commits may be gone. Only while the process does not run. */
  loseUnsynced(): number {
    const lost = this.disk.loseUnsynced(this.#options.chance);
    if (lost === 0) return 0;
    this.#epoch += 1;
    this.#tell('snapshot', 0);
    return lost;
  }

  /** Its file is thrown away. Only while the process does not run. */
  forget(): void {
    this.disk.forget();
  }

  /** A reader of the file looks at everything in one read transaction. */
  read(): void {
    const { present } = this.disk;
    if (present === null) return;
    const { observer, scheduler, note } = this.#options;
    if (hasStalled(present)) {
      note('a table waited for its copy');
      return;
    }
    const [t, ts] = [scheduler.now, formatLsn(this.#placeOf(present))];
    const { evidenceName: replica, selectors } = this;
    const [life, session] = [this.#lives, this.#session];
    observer.seen({ t, replica, life, session, selectors, ts, rows: this.#rowsOf(present) });
  }

  /** How what it holds differs from what the database has for it; empty when it does not. */
  differences(database: Database): readonly string[] {
    const held = new Map(
      this.#rowsOf(this.disk.present ?? { tables: new Map() }).map(({ table, cells }) => {
        const texts = cells.map((cell) => (cell === null ? null : String(cell)));
        return [`${table} ${texts[0]}`, JSON.stringify(texts)];
      }),
    );
    const wanted = new Set(this.selectors);
    const differences: string[] = [];
    for (const table of TABLES) {
      for (const row of database.rows(table)) {
        if (!wanted.has(selectorOf(table, row) ?? '')) continue;
        const name = `${table.name} ${keyOf(row)}`;
        const [here, there] = [held.get(name), JSON.stringify(row)];
        held.delete(name);
        if (here !== there) differences.push(`${name}: ${there} there, ${here ?? 'nothing'} here`);
      }
    }
    return [...differences, ...[...held].map(([name, row]) => `${name}: ${row} here only`)];
  }

  #transport(life: Life): SimTransport {
    const { scheduler, chance, network, server, note } = this.#options;
    const draws = chance.stream(`net ${this.name} life ${this.#lives}`);
    return new SimTransport({
      context: { scheduler, network, link: this.link, chance: draws },
      ...{ client: life, server, note },
    });
  }

  #pass(point: string, life: Life): void {
    if (life.isOver) throw new SimulatedCrash(point);
    if (this.#crashAt !== point) return;
    this.#crashAt = null;
    this.kill();
    this.#onCrash();
    // Nobody would catch it there; the network of a dead process answers nothing.
    if (point !== 'lease: before report') throw new SimulatedCrash(point);
  }

  #take(event: ReplicaEvent): void {
    const { scheduler, note, observer } = this.#options;
    const [t, process] = [scheduler.now, this.name];
    const state = (text: string, why: string): void =>
      observer.state({ t, process, state: text, note: why });
    switch (event.kind) {
      case 'applied':
        this.#tell('apply', event.changes);
        if (event.transactions > 1) note('several transactions in one commit');
        return;
      case 'resync':
        note('resynchronised');
        this.#tell('difference', event.inserted + event.updated + event.deleted);
        state('resynchronised', event.reason);
        return;
      case 'state':
        if (this.#isCopying && event.state.kind === 'connecting') {
          this.#isCopying = false;
          note('copied');
          this.#tell('snapshot', 0);
        }
        state(event.state.kind, 'reason' in event.state ? event.state.reason : '');
        return;
      case 'verified':
        note('verified');
        return;
      case 'mismatch':
        note('mismatch');
        state('mismatch', JSON.stringify(event.differences));
        return;
      case 'error':
        note(`error ${event.error.code}`);
        state('error', `${event.error.code} ${event.error.message}`);
        return;
      default:
    }
  }

  /** What a process says of the file that it finds: a copy may have been finished, and its process died before it said so. */
  #tellFound(): void {
    const timeline = this.disk.present?.identity.timeline ?? null;
    const isTold = timeline === this.#toldTimeline;
    const copy = this.#toldTimeline === null ? 'snapshot' : 'difference';
    this.#tell(isTold ? 'apply' : copy, 0);
  }

  #tell(kind: 'snapshot' | 'difference' | 'apply', changes: number): void {
    const { observer, scheduler } = this.#options;
    const { present } = this.disk;
    if (present === null) return;
    this.#toldTimeline = present.identity.timeline;
    const ts = formatLsn(this.#placeOf(present));
    const digests = completed(digestsOf(present), present, this.selectors);
    const { evidenceName: replica, selectors } = this;
    const [t, life] = [scheduler.now, this.#lives];
    scheduler.trace.add(t, `${replica}: ${kind} ${ts} ${changes}`);
    observer.applied({ t, replica, life, selectors, kind, ts, changes, digests });
  }

  #placeOf({ identity }: Version): Lsn {
    return this.#options.placeOf(identity.timeline, identity.position);
  }

  #rowsOf({ tables }: Pick<Version, 'tables'>): readonly SeenRow[] {
    return [...tables.values()].flatMap(({ table, rows }) =>
      [...rows.values()].map((row) => {
        const known = this.#seen.get(row);
        if (known !== undefined) return known;
        const columns = table.columns.map(({ name }) => name);
        const seen = { table: table.name, columns, cells: row.cells };
        this.#seen.set(row, seen);
        return seen;
      }),
    );
  }
}

/** A table stands still until it is copied anew: its rows are older than the file's position. */
function hasStalled({ tables }: Version): boolean {
  return [...tables.values()].some(({ isStalled }) => isStalled);
}

/** Also of those parts that have no rows; without tables that stand still. */
function completed(
  entries: ReturnType<typeof digestsOf>,
  { tables }: Version,
  selectors: readonly string[],
): ReturnType<typeof digestsOf> {
  const stalled = new Set(
    [...tables].flatMap(([name, { isStalled }]) => (isStalled ? [name] : [])),
  );
  const known = new Set(entries.map(({ table, selector }) => `${table} ${selector}`));
  const live = [...tables.keys()].filter((table) => !stalled.has(table));
  const empty = live.flatMap((table) =>
    selectors
      .filter((selector) => !known.has(`${table} ${selector}`))
      .map((selector) => ({ table, selector, digest: '0'.repeat(32), rows: 0 })),
  );
  return [...entries.filter(({ table }) => !stalled.has(table)), ...empty];
}
