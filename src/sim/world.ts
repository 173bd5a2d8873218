/**
 * A whole system in one thread: Postgres, the server, replicas, and between them a network and disks that fail as
 * the plan says. First safety: anything may break. Then liveness: nothing breaks any more, and everything must
 * come to rest in time.
 */
import type { ReplicaStore } from '../client/store.ts';
import { inspect } from '../coordinator/inspect.ts';
import { formatLsn, type Lsn, toLsn } from '../core/lsn.ts';
import { timelineOf } from '../engine/log-at-open.ts';
import { Chance } from './chance.ts';
import { Eras } from './eras.ts';
import type { Observer } from './evidence.ts';
import { type Breakable, Faults } from './faults.ts';
import { LogDisk } from './log-disk.ts';
import type { FaultAction, NetworkOptions, Plan, TransactionAction } from './plan.ts';
import { SimPostgres } from './postgres.ts';
import { SimReplica } from './replica.ts';
import { type Ending, Life, Scheduler, SimulatedCrash } from './scheduler.ts';
import { EPOCH_MICROS, type ServerPlants, SimServer } from './server.ts';
import { Trace } from './trace.ts';
import type { Committed, Successor } from './wal.ts';
import { changesBetween, changesOf } from './world-changes.ts';
import { Writer } from './writer.ts';

export type Plants = ServerPlants & {
  readonly wrapStore?: (store: ReplicaStore) => ReplicaStore;
  /** The log's disk forgets to sync. */
  readonly isLogLazy?: boolean;
};

export type RunResult = {
  readonly ending: Ending;
  /** Why it did not end well; null when everything came to rest. */
  readonly reason: string | null;
  /** What something threw that must not throw. */
  readonly failure: unknown;
  /** Of everything that happened, in its order. */
  readonly hash: string;
  readonly steps: number;
  /** Virtual milliseconds. */
  readonly durationMs: number;
  /** How often each rare thing happened. */
  readonly seen: ReadonlyMap<string, number>;
  readonly endPosition: string;
  /** What each replica holds in the end that Postgres has not, or the other way round. */
  readonly comparison: readonly {
    readonly replica: string;
    readonly differences: readonly string[];
  }[];
};

/** Virtual time within which everything must have come to rest once nothing breaks any more. */
const LIVENESS_MS = 120_000;
/** Tasks that a run may take; more is a loop. */
const STEPS_MAX = 120_000;
const READ_MS = { least: 150, most: 2500 };
/** Where the log of another cluster may begin: before or behind everything that was written. */
const WAL_STARTS = [0x00f0_0000, 0x0200_0000, 0x0200_0000];
/** How often whoever takes the place of Postgres has the slot. */
const SLOTS_KEPT = 0.75;
const CALM = { breaks: 0, repeats: 0 };

export class World implements Breakable {
  readonly scheduler: Scheduler;
  readonly postgres: SimPostgres;
  readonly logDisk: LogDisk;
  readonly replicas: readonly SimReplica[];
  /** Milliseconds by which the server's wall clock is off. */
  wallSkewMs = 0;
  readonly #plan: Plan;
  readonly #observer: Observer;
  readonly #plants: Plants;
  readonly #chance: Chance;
  readonly #network: { -readonly [K in keyof NetworkOptions]: NetworkOptions[K] };
  readonly #seen = new Map<string, number>();
  readonly #faults: Faults;
  #server: { readonly server: SimServer; readonly life: Life } | null = null;
  #serverStarts = 0;
  #crashAt: string | null = null;
  #onCrash: () => void = () => undefined;
  /** Of the evidence. */
  #lastPosition: Lsn | null = null;
  readonly #eras = new Eras();
  #timeline: string | null = null;

  constructor(options: {
    readonly plan: Plan;
    readonly observer: Observer;
    readonly plants?: Plants;
    readonly onLine?: ((line: string) => void) | undefined;
  }) {
    const { plan, observer, plants = {}, onLine = null } = options;
    this.#plan = plan;
    this.#observer = observer;
    this.#plants = plants;
    this.logDisk = new LogDisk(plants.isLogLazy ?? false);
    this.#chance = new Chance(plan.seed, 'world');
    this.#network = { ...plan.network };
    this.scheduler = new Scheduler(new Trace(onLine));
    const micros = (): number => EPOCH_MICROS + this.scheduler.now * 1000;
    this.postgres = new SimPostgres(this.scheduler, micros, {
      onWal: () => this.#server?.server.wake(),
      onCommit: (committed) => this.#committed(committed),
      onCrash: () => this.#server?.server.loseSource('Postgres has crashed'),
    });
    this.replicas = plan.replicas.map((replica) => this.#newReplica(replica));
    this.#faults = new Faults(this, observer);
  }

  /** Runs the plan to its end. */
  async run(): Promise<RunResult> {
    const { scheduler } = this;
    this.startServer();
    for (const replica of this.#plan.replicas) this.#startLater(replica.name, replica.startMs);
    for (const action of this.#plan.actions) this.#schedule(action);
    for (const replica of this.replicas) this.#readLater(replica);
    const limits = { stepsMax: STEPS_MAX };
    let ending = await scheduler.run({
      ...limits,
      isDone: () => false,
      untilMs: this.#plan.safetyMs,
    });
    if (ending !== 'failed') {
      this.#calm();
      const untilMs = this.#plan.safetyMs + LIVENESS_MS;
      ending = await scheduler.run({ ...limits, isDone: () => this.#isAtRest(), untilMs });
    }
    for (const replica of this.replicas) replica.read();
    const result = this.#result(ending);
    this.#stop();
    return result;
  }

  get chance(): Chance {
    return this.#chance;
  }

  get isServerUp(): boolean {
    return this.#server !== null;
  }

  /** A rare thing happened. */
  note(what: string, count = 1): void {
    if (count > 0) this.#seen.set(what, (this.#seen.get(what) ?? 0) + count);
  }

  startServer(): void {
    if (this.#server !== null) return;
    this.#serverStarts += 1;
    const life = new Life();
    const log = this.logDisk.open(life);
    const server = new SimServer({
      ...{ scheduler: this.scheduler, life, postgres: this.postgres, log },
      chance: this.#chance.stream(`server start ${this.#serverStarts}`),
      wallSkewMs: () => this.wallSkewMs,
      ...{ server: this.#plan.server, stream: this.#plan.stream, plants: this.#plants },
      crashPoint: (point) => this.#pass(point, life),
      note: (what, count) => this.#noteServer(what, count),
      onFollow: (timeline) => this.#eras.follows(timeline, this.postgres.era),
    });
    this.#server = { server, life };
    server.start();
  }

  killServer(): void {
    const running = this.#server;
    if (running === null) return;
    this.#server = null;
    this.#crashAt = null;
    running.life.end();
    running.server.closeSockets();
    if (this.postgres.slot !== null) this.postgres.slot.isActive = false;
    this.#observer.killed({ t: this.scheduler.now, process: 'server' });
  }

  /** The server dies when it next comes to this place. */
  crashServerAt(point: string, onCrash: () => void): void {
    this.#crashAt = point;
    this.#onCrash = onCrash;
  }

  /** Another server takes Postgres' place while it does not run. Returns how many commits are gone. */
  replacePostgres(kind: Successor['kind'], behindMs: number | null): number {
    const { postgres } = this;
    const before = postgres.present.copy();
    const asOf = behindMs === null ? null : EPOCH_MICROS + (this.scheduler.now - behindMs) * 1000;
    const hasSlot = this.#chance.stream(`slot ${postgres.era}`).hits(SLOTS_KEPT);
    const walStart = toLsn(this.#chance.stream(`wal ${postgres.era}`).pick(WAL_STARTS));
    const lost = postgres.replace({ kind, asOf, hasSlot, walStart });
    this.#eras.branch(kind === 'cluster' ? -1 : postgres.walEnd);
    const changes = changesBetween(before, postgres.present);
    if (changes.length > 0) this.#tellCommit('0', postgres.walEnd, changes);
    return lost.length;
  }

  loseSource(reason: string): void {
    this.#server?.server.loseSource(reason);
  }

  replica(name: string | null): SimReplica | null {
    return this.replicas.find((one) => one.name === name) ?? null;
  }

  #newReplica(replica: Plan['replicas'][number]): SimReplica {
    return new SimReplica({
      ...{ replica, scheduler: this.scheduler, chance: this.#chance.stream(replica.name) },
      ...{ network: this.#network, observer: this.#observer, server: () => this.#server },
      wrapStore: this.#plants.wrapStore ?? ((store) => store),
      note: (what, count) => this.note(what, count),
      placeOf: (timeline, position) => this.#eras.ofReplica(timeline, position),
    });
  }

  #startLater(name: string, delayMs: number): void {
    const replica = this.replica(name);
    this.scheduler.after(delayMs, `${name}: start`, () => replica?.start());
  }

  #schedule(action: TransactionAction | FaultAction): void {
    const { scheduler } = this;
    if (action.kind === 'fault') {
      const what = `fault: ${action.fault} ${action.target ?? ''}`;
      scheduler.after(action.at, what, () => this.#faults.start(action));
      return;
    }
    const writer = new Writer(action, {
      ...{ postgres: this.postgres, scheduler, observer: this.#observer },
      note: (what) => this.note(what),
    });
    scheduler.after(action.at, `writer: ${action.name} begins`, () => writer.begin());
  }

  #readLater(replica: SimReplica): void {
    const delayMs = this.#chance.between(READ_MS.least, READ_MS.most);
    this.scheduler.after(delayMs, `${replica.name}: reader`, () => {
      replica.read();
      this.#readLater(replica);
    });
  }

  /** Nothing breaks any more, and the last transaction is written: everybody must get it. */
  #calm(): void {
    this.#faults.mendAll();
    Object.assign(this.#network, CALM);
    this.startServer();
    for (const replica of this.replicas) replica.start();
    const changes = this.replicas.flatMap(({ selectors }, index) =>
      selectors.map((selector, at) => ({
        ...{ kind: 'put' as const, id: 900_000 + index * 10 + at, selector },
        value: `the end, ${selector} ${index}`,
      })),
    );
    const action: TransactionAction = {
      ...{ kind: 'transaction', name: 'the end', at: 0, openMs: 1, visibleMs: 5, changes },
      ...{ isRolledBack: false, pieces: 0, lostPiece: null },
    };
    const context = {
      postgres: this.postgres,
      scheduler: this.scheduler,
      observer: this.#observer,
    };
    new Writer(action, { ...context, note: () => undefined }).begin();
  }

  #isAtRest(): boolean {
    const end = this.#lastPosition ?? 0;
    const { slot, era } = this.postgres;
    if (this.scheduler.now < this.#plan.safetyMs + 100) return false;
    if (slot === null || this.#eras.at(era, slot.confirmed) < end) return false;
    return this.replicas.every((replica) => replica.isCaughtUp && replica.place >= end);
  }

  #result(ending: Ending): RunResult {
    const { scheduler } = this;
    return {
      ending,
      reason: ending === 'done' ? null : this.#whyNot(ending),
      failure: scheduler.failure,
      steps: scheduler.steps,
      durationMs: scheduler.now,
      seen: this.#seen,
      endPosition: formatLsn(this.#lastPosition ?? this.postgres.walEnd),
      comparison: this.#compare(),
      hash: scheduler.trace.finish(),
    };
  }

  #whyNot(ending: Ending): string {
    if (ending === 'failed') {
      const { failure } = this.scheduler;
      return `something threw: ${failure instanceof Error ? failure.stack : String(failure)}`;
    }
    const replicas = this.replicas.map(
      ({ name, state, position }) => `${name} at ${position.toString(16)}: ${state}`,
    );
    const { slot } = this.postgres;
    const source = this.#server?.server.core.look(inspect).source;
    return `${ending}; the end is ${this.#lastPosition?.toString(16)}; ${replicas.join('; ')}; slot ${slot?.confirmed.toString(16)}; source ${JSON.stringify(source)}`;
  }

  #compare(): RunResult['comparison'] {
    return this.replicas.map((replica) => ({
      replica: replica.evidenceName,
      differences: replica.differences(this.postgres.present),
    }));
  }

  #stop(): void {
    this.killServer();
    for (const replica of this.replicas) replica.kill();
    this.logDisk.close();
  }

  #pass(point: string, life: Life): void {
    if (life.isOver) throw new SimulatedCrash(point);
    if (this.#crashAt !== point) return;
    this.#crashAt = null;
    this.note(`crashed at ${point}`);
    this.killServer();
    this.#onCrash();
    throw new SimulatedCrash(point);
  }

  #noteServer(what: string, count = 1): void {
    this.note(what, count);
    if (what === 'redelivered') this.#observer.redelivered({ t: this.scheduler.now, count });
    const core = this.#server?.server.core;
    if (core === undefined) return;
    const timeline = timelineOf(core.tail.store);
    if (timeline === null || timeline === this.#timeline) return;
    this.#timeline = timeline;
    const [t, process] = [this.scheduler.now, 'server'];
    this.#observer.state({ t, process, state: 'timeline', note: timeline });
  }

  #committed(committed: Committed): void {
    const { xid, ts, changes } = committed;
    const t = this.scheduler.now;
    this.scheduler.trace.add(t, `commit ${xid} ${formatLsn(ts)} ${changes.length}`);
    this.#tellCommit(this.postgres.nameOf(xid), ts, changesOf(changes));
  }

  #tellCommit(txid: string, ts: Lsn, changes: ReturnType<typeof changesOf>): void {
    const position = this.#eras.at(this.postgres.era, ts);
    this.#lastPosition = position;
    const t = this.scheduler.now;
    this.#observer.committed({
      ...{ t, tx: '', txid, ts: formatLsn(position), committedAt: t, changes },
    });
  }
}
