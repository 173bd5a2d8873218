/** Does what a plan's faults say, tells what was seen of them, and mends them. */
import { unreachable } from '../core/assert.ts';
import type { Chance } from './chance.ts';
import type { Observer } from './evidence.ts';
import type { LogDisk } from './log-disk.ts';
import type { FaultAction } from './plan.ts';
import type { SimPostgres } from './postgres.ts';
import type { SimReplica } from './replica.ts';
import type { Scheduler } from './scheduler.ts';
import type { Slot, Successor } from './wal.ts';

/** The parts of a world that can break. */
export interface Breakable {
  readonly scheduler: Scheduler;
  readonly postgres: SimPostgres;
  readonly logDisk: LogDisk;
  readonly replicas: readonly SimReplica[];
  readonly chance: Chance;
  readonly isServerUp: boolean;
  /** Milliseconds by which the server's wall clock is off. */
  wallSkewMs: number;
  replica(name: string | null): SimReplica | null;
  startServer(): void;
  killServer(): void;
  /** The server dies when it next comes to this place. */
  crashServerAt(point: string, onCrash: () => void): void;
  loseSource(reason: string): void;
  /** Another server takes Postgres' place while it does not run. Returns how many commits are gone. */
  replacePostgres(kind: Successor['kind'], behindMs: number | null): number;
  note(what: string, count?: number): void;
}

/** What a fault did; null: there was nothing to be done to. */
type Effect = string | null;
/** Does the work of mending after a while, or when everything is mended. */
type Mend = (afterMs: number, work: () => void) => void;

/** What a shorter name stands for in the evidence, where the judge knows it by another. */
const JUDGED_AS: Readonly<Partial<Record<FaultAction['fault'], string>>> = {
  'lose-server': 'kill-server',
  'crash-server': 'kill-server',
  'lose-receiver': 'kill-receiver',
  'crash-receiver': 'kill-receiver',
  'lose-slot': 'drop-slot',
};

/** Who comes in Postgres' place. */
const SUCCESSORS = {
  promote: 'standby',
  'promote-behind': 'standby',
  restore: 'copy',
  'other-cluster': 'cluster',
} as const satisfies Partial<Record<FaultAction['fault'], Successor['kind']>>;

/** From one server to the next. */
const AWAY_MS = 300;

export class Faults {
  readonly #world: Breakable;
  readonly #observer: Observer;
  /** Faults that are not over: what mends them. */
  readonly #open = new Map<string, () => void>();
  #count = 0;

  constructor(world: Breakable, observer: Observer) {
    this.#world = world;
    this.#observer = observer;
  }

  start(action: FaultAction): void {
    this.#count += 1;
    const { scheduler } = this.#world;
    const target = action.target ?? 'server';
    const fault = JUDGED_AS[action.fault] ?? action.fault;
    const id = `${fault}-${this.#count}`;
    this.#observer.fault({ t: scheduler.now, id, fault, target });
    const mend = this.#mender(id);
    const effect = this.#act(action, { id, mend });
    if (effect !== null) this.#effect(action, id, effect);
  }

  /** Everything that is broken is mended now. */
  mendAll(): void {
    this.#world.crashServerAt('', () => undefined);
    for (const replica of this.#world.replicas) replica.crashAt('', () => undefined);
    for (const mend of [...this.#open.values()]) mend();
    this.#world.logDisk.isFull = false;
    for (const replica of this.#world.replicas) {
      replica.disk.isFull = false;
      replica.link.mend();
    }
    if (!this.#world.postgres.isUp) this.#world.postgres.restart();
  }

  /** Does the work of mending, once: when its time has come, or at the end. */
  #mender(id: string): Mend {
    return (afterMs, work) => {
      const { scheduler } = this.#world;
      let isDone = false;
      const once = (): void => {
        if (isDone) return;
        isDone = true;
        this.#open.delete(id);
        work();
        this.#observer.mended({ t: scheduler.now, id });
      };
      this.#open.set(id, once);
      scheduler.after(afterMs, `mended: ${id}`, once);
    };
  }

  #effect(action: FaultAction, id: string, effect: string): void {
    this.#world.note(action.fault);
    this.#observer.effect({ t: this.#world.scheduler.now, id, effect });
  }

  #act(action: FaultAction, on: { readonly id: string; readonly mend: Mend }): Effect {
    const { fault, ms } = action;
    const { mend } = on;
    const world = this.#world;
    switch (fault) {
      case 'kill-server':
      case 'lose-server':
        return this.#killServer(fault === 'lose-server', () => mend(ms, () => world.startServer()));
      case 'crash-server':
        world.crashServerAt(action.point ?? '', () => {
          this.#effect(action, on.id, `it died at ${action.point}`);
          mend(ms, () => world.startServer());
        });
        return null;
      case 'fill-log':
        world.logDisk.isFull = true;
        mend(ms, () => {
          world.logDisk.isFull = false;
        });
        return 'the disk is full';
      case 'jump-clock':
        world.wallSkewMs += ms;
        mend(0, () => undefined);
        return `the wall clock jumps by ${ms} ms`;
      case 'write-other':
        if (world.postgres.isUp) world.postgres.writeOther(ms);
        mend(0, () => undefined);
        return 'something else is written';
      case 'checkpoint':
      case 'kill-postgres':
      case 'cut-walsender':
      case 'drop-slot':
      case 'lose-slot':
      case 'move-slot':
        return this.#ofPostgres(fault, ms, mend);
      case 'promote':
      case 'promote-behind':
      case 'restore':
      case 'other-cluster':
        return this.#replacePostgres(fault, ms, mend);
      default: {
        const replica = world.replica(action.target);
        return replica === null ? null : this.#ofReplica({ ...action, fault }, replica, on);
      }
    }
  }

  #killServer(isMachine: boolean, restart: () => void): Effect {
    const world = this.#world;
    if (!world.isServerUp) return null;
    world.killServer();
    const lost = isMachine ? world.logDisk.loseUnsynced(world.chance) : 0;
    world.note('the log lost unsynced writes', lost);
    restart();
    return lost > 0 ? `${lost} writes were lost` : 'it was killed';
  }

  #replacePostgres(fault: keyof typeof SUCCESSORS, ms: number, mend: Mend): Effect {
    const world = this.#world;
    const { postgres } = world;
    if (!postgres.isUp) return null;
    postgres.crash();
    const lost = world.replacePostgres(SUCCESSORS[fault], fault === 'promote' ? null : ms);
    if (lost > 0) world.note('commits were gone with Postgres', lost);
    mend(AWAY_MS, () => postgres.restart());
    return `another server is in its place, without ${lost} commits`;
  }

  #ofPostgres(
    fault:
      | 'checkpoint'
      | 'kill-postgres'
      | 'cut-walsender'
      | 'drop-slot'
      | 'lose-slot'
      | 'move-slot',
    ms: number,
    mend: Mend,
  ): Effect {
    const world = this.#world;
    const { postgres } = world;
    const { slot } = postgres;
    if (!postgres.isUp) return null;
    switch (fault) {
      case 'checkpoint':
        postgres.checkpoint();
        mend(0, () => undefined);
        return 'the slot is stored';
      case 'kill-postgres': {
        const back = slot === null ? 0 : slot.confirmed - slot.stored;
        if (back > 0) world.note('the slot went back');
        postgres.crash();
        mend(ms, () => postgres.restart());
        return `the slot goes back by ${back} bytes`;
      }
      case 'cut-walsender':
        world.loseSource('the replication connection was cut');
        mend(0, () => undefined);
        return 'the connection was cut';
      default:
        if (slot === null || slot.isLost) return null;
        world.loseSource('the replication connection was cut');
        if (fault === 'move-slot') return this.#moveSlot(slot, mend);
        if (fault === 'drop-slot') postgres.slot = null;
        else slot.isLost = true;
        mend(0, () => undefined);
        return 'the slot is gone';
    }
  }

  /** Somebody else reads from it: what it has sent to him it does not send again. */
  #moveSlot(slot: Slot, mend: Mend): Effect {
    const { walEnd } = this.#world.postgres;
    const bytes = walEnd - slot.confirmed;
    slot.confirmed = walEnd;
    slot.stored = walEnd;
    mend(0, () => undefined);
    return bytes > 0 ? `the slot was moved by ${bytes} bytes` : null;
  }

  #ofReplica(
    action: FaultAction,
    replica: SimReplica,
    on: { readonly id: string; readonly mend: Mend },
  ): Effect {
    const { fault, ms } = action;
    const { mend } = on;
    switch (fault) {
      case 'kill-receiver':
      case 'lose-receiver':
      case 'forget-receiver':
        if (!replica.isRunning) return null;
        replica.kill();
        mend(ms, () => replica.start());
        return this.#afterKill(fault, replica);
      case 'crash-receiver':
        replica.crashAt(action.point ?? '', () => {
          this.#effect(action, on.id, `it died at ${action.point}`);
          this.#world.note(`crashed at ${action.point}`);
          mend(ms, () => replica.start());
        });
        return null;
      case 'fill-receiver':
        replica.disk.isFull = true;
        mend(ms, () => {
          replica.disk.isFull = false;
        });
        return 'the disk is full';
      case 'partition':
      case 'stall-reader': {
        const { link } = replica;
        if (fault === 'partition') link.isPartitioned = true;
        else link.isStalled = true;
        mend(ms, () => link.mend());
        return 'nothing gets through';
      }
      case 'cut-connection': {
        const count = replica.link.cut();
        mend(0, () => undefined);
        return count === 0 ? null : `${count} connections were cut`;
      }
      default:
        return unreachable(fault as never);
    }
  }

  #afterKill(fault: string, replica: SimReplica): Effect {
    if (fault === 'forget-receiver') {
      replica.forget();
      return 'its file is gone';
    }
    if (fault !== 'lose-receiver') return 'it was killed';
    const lost = replica.loseUnsynced();
    this.#world.note('a replica lost commits', lost);
    return lost > 0 ? `${lost} commits were lost` : 'it was killed';
  }
}
