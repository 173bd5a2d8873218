/**
 * The coordinator between a simulated Postgres, log and replicas. Performs effects as the engine does, dies and
 * restarts from what is durable, and checks after every step what must always be true.
 */
import { step as realStep } from '../../../../src/coordinator/coordinator.ts';
import { checkInvariants } from '../../../../src/coordinator/invariants.ts';
import {
  type CoordinatorState,
  createCoordinator,
  LEASE_RENEWALS,
  LEASES_STORE_MS,
} from '../../../../src/coordinator/state.ts';
import type {
  CoordinatorEffect,
  CoordinatorEvent,
  Policy,
} from '../../../../src/coordinator/types.ts';
import { assert, unreachable } from '../../../../src/core/assert.ts';
import { lsn, type TimelessEvent } from '../support.ts';
import { SimHolds } from './holds.ts';
import { GROUP_BYTES, SimLog } from './log.ts';
import { checkNobodyForgotten, checkReplica, type Replica, wakeReplica } from './readers.ts';
import { type Commit, SimSource } from './source.ts';

export type Step = typeof realStep;

const POLICY: Policy = {
  keepS: 5,
  logBytesMax: 16 * GROUP_BYTES,
  leaseS: 20,
  reconnectMsMin: 100,
  reconnectMsMax: 1600,
  appendRetryMs: 300,
  subscribersMax: 6,
};

/** So much less than a lease's time a replica may have after a restart. */
const STORE_LATE_MS_MAX = (2 * POLICY.leaseS * 1000) / LEASE_RENEWALS + LEASES_STORE_MS;

/** Events that one event may lead to, before we call it a loop. */
const EVENTS_MAX = 1000;

/** What the engine has under way with the source. */
type Pending =
  | { readonly kind: 'connect' }
  | { readonly kind: 'reset'; readonly generation: number }
  | { readonly kind: 'stream'; readonly after: number };

/** `sent`: Postgres has sent everything up to here. */
type Stream = { sent: number; readonly after: number };

export class World {
  readonly policy = POLICY;
  readonly source = new SimSource();
  readonly log = new SimLog();
  readonly holds = new SimHolds();
  readonly replicas: Replica[];
  readonly waits = new Map<number, { readonly ts: number; readonly deadline: number }>();
  /** What happened how often: a case that never happened is not proven. */
  readonly seen = new Map<string, number>();
  now = 0;
  pending: Pending | null = null;
  stream: Stream | null = null;
  isPaused = false;
  isDraining = false;
  /** A new history was decided on and does not stand yet. */
  isBroken = false;
  unwritten: Commit[] = [];
  #toNote: number | null = null;
  #timerAt = Number.POSITIVE_INFINITY;
  #state: CoordinatorState;
  readonly #step: Step;
  readonly #queue: CoordinatorEvent[] = [];
  #isStepping = false;
  #cause: CoordinatorEvent['kind'] = 'start';
  #nextId = 1;
  #answer: 'acceptSubscriber' | string | undefined;

  constructor(selectors: readonly (readonly string[])[], step: Step = realStep) {
    this.#step = step;
    this.replicas = selectors.map((one, at) => newReplica(at, one));
    this.#state = this.#boot();
    this.dispatch({ kind: 'leasesLoaded', leases: [] });
    this.dispatch({ kind: 'start' });
  }

  get state(): CoordinatorState {
    return this.#state;
  }

  note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }

  nextId(): number {
    return this.#nextId++;
  }

  dispatch(event: TimelessEvent): void {
    this.#queue.push({ ...event, now: this.now } as CoordinatorEvent);
    if (this.#isStepping) return;
    this.#isStepping = true;
    for (let turn = 0; this.#queue.length > 0; turn += 1) {
      assert(turn < EVENTS_MAX, 'events come to an end');
      const next = this.#queue.shift();
      if (next === undefined) break;
      this.#cause = next.kind;
      for (const effect of this.#step(this.#state, next)) {
        this.note(caseOf(next, effect));
        this.#perform(effect);
      }
      checkInvariants(this.#state);
    }
    this.#isStepping = false;
    this.#check();
  }

  /** The clock moves; the timer runs out when it is due. */
  pass(milliseconds: number): void {
    this.now += milliseconds;
    if (this.#timerAt > this.now) return;
    this.#timerAt = Number.POSITIVE_INFINITY;
    this.holds.expire(this);
    this.dispatch({ kind: 'tick' });
  }

  /** The process dies and comes back with what is durable. */
  crash(): void {
    this.stream = null;
    this.pending = null;
    this.isPaused = false;
    this.isDraining = false;
    this.isBroken = false;
    this.unwritten = [];
    this.#toNote = null;
    this.waits.clear();
    this.holds.expire(this);
    for (const replica of this.replicas) this.#disconnect(replica);
    this.holds.restart(this.log.since, STORE_LATE_MS_MAX);
    this.#queue.length = 0;
    this.#isStepping = false;
    this.#timerAt = Number.POSITIVE_INFINITY;
    for (const group of this.log.groups) group.at = this.now;
    this.#state = this.#boot();
    this.dispatch({ kind: 'leasesLoaded', leases: this.holds.loaded(this.now) });
    this.dispatch({ kind: 'start' });
  }

  /** The connection to Postgres breaks, or the attempt to make one fails. */
  loseSource(): void {
    if (this.stream === null && this.pending === null) return;
    this.stream = null;
    this.pending = null;
    this.isPaused = false;
    this.unwritten = [];
    this.#toNote = null;
    this.dispatch({ kind: 'sourceLost', reason: 'cut', isUnfit: false });
  }

  /** Connects a replica from where it stands; what is refused makes a new copy at the log's end. */
  connect(replica: Replica): void {
    if (replica.connection !== null || this.isBroken) return;
    const id = this.nextId();
    const { selectors, position, timeline, name, hasLease } = replica;
    const expected = this.#expectedAnswer(replica);
    replica.connection = { id, isWaiting: false, unreported: null, wakesForNothing: 0 };
    if (expected === 'acceptSubscriber' && hasLease) this.holds.set(name, position, this.now);
    const since = lsn(position);
    const leased = hasLease ? name : undefined;
    this.dispatch({ kind: 'subscribe', id, selectors, since, timeline, replica: leased });
    assert(this.#answer === expected, `${name} is answered ${this.#answer}, not ${expected}`);
    if (expected === 'acceptSubscriber') return;
    replica.connection = null;
    if (expected === 'TOO_OLD' || expected === 'TIMELINE_CHANGED') this.#copyAnew(replica);
  }

  disconnect(replica: Replica): void {
    const id = replica.connection?.id;
    if (id === undefined) return;
    this.#disconnect(replica);
    this.dispatch({ kind: 'unsubscribe', id });
  }

  /** Writes what is waiting, then the position to note, and reports. */
  writeLog(): void {
    if (this.log.isFull) {
      if (this.unwritten.length === 0 && this.#toNote === null) return;
      this.dispatch({ kind: 'appendFailed', reason: 'disk full' });
      return;
    }
    if (this.unwritten.length > 0) this.#append();
    if (this.#toNote === null) return;
    const noted = this.#toNote;
    this.#toNote = null;
    this.log.upper = Math.max(this.log.upper, noted);
    this.dispatch({ kind: 'upperNoted', lsn: lsn(noted) });
  }

  #append(): void {
    const commits = this.unwritten;
    this.unwritten = [];
    const groups = this.log.append(commits, this.now);
    this.dispatch({ kind: 'appended', groups });
  }

  #boot(): CoordinatorState {
    return createCoordinator({ policy: POLICY, log: this.log.atOpen() });
  }

  #disconnect(replica: Replica): void {
    if (replica.connection === null) return;
    replica.connection = null;
    const lease = this.holds.leases.get(replica.name);
    if (lease !== undefined) lease.heardAt = this.now;
  }

  #copyAnew(replica: Replica): void {
    replica.timeline = this.log.identity?.timeline;
    replica.base = this.log.upper;
    replica.position = this.log.upper;
    replica.seen = [];
  }

  #expectedAnswer(replica: Replica): string {
    const timeline = this.log.identity?.timeline;
    if (this.isDraining) return 'BUSY';
    if (timeline === undefined) return 'NOT_READY';
    if (replica.timeline !== undefined && replica.timeline !== timeline) return 'TIMELINE_CHANGED';
    return replica.position < this.log.since ? 'TOO_OLD' : 'acceptSubscriber';
  }

  #perform(effect: CoordinatorEffect): void {
    switch (effect.kind) {
      case 'connectSource':
        assert(this.stream === null, 'nothing is open when a connection is made');
        this.pending = { kind: 'connect' };
        break;
      case 'startHistory':
        this.isBroken = true;
        this.holds.clear();
        assert(
          this.replicas.every((one) => one.connection === null),
          'all readers were ended',
        );
        this.pending = { kind: 'reset', generation: effect.generation };
        break;
      case 'startStream':
        this.pending = { kind: 'stream', after: effect.after };
        break;
      case 'noteWalTimeline':
        assert(this.log.identity !== null, 'there is a history');
        this.log.identity = { ...this.log.identity, walTimeline: effect.walTimeline };
        break;
      case 'confirmSlot':
        this.#confirm(effect.lsn);
        break;
      case 'noteUpper':
        this.#toNote = effect.lsn;
        this.writeLog();
        break;
      case 'pauseSource':
      case 'resumeSource':
        assert(this.stream !== null, 'only a stream is paused');
        this.isPaused = effect.kind === 'pauseSource';
        break;
      case 'retryAppend':
        this.writeLog();
        break;
      default:
        this.#performForReaders(effect);
    }
  }

  #performForReaders(effect: ReaderEffect): void {
    switch (effect.kind) {
      case 'acceptSubscriber':
        this.#answer = effect.kind;
        break;
      case 'rejectSubscriber':
        this.#answer = effect.code;
        break;
      case 'wake':
        for (const id of effect.ids) wakeReplica(this.log, this.#connected(id), effect.after);
        break;
      case 'endSubscribers':
        for (const id of effect.ids) this.#end(this.#connected(id), effect.code);
        break;
      case 'finishWait':
        this.#finishWait(effect.id, effect.outcome);
        break;
      case 'purge':
        this.#purge(effect.seq);
        break;
      case 'storeLeases':
        this.holds.store(effect);
        break;
      case 'setTimer':
        this.#timerAt = effect.at;
        break;
      default:
        unreachable(effect);
    }
  }

  /** P29: what is confirmed is durable, and Postgres may forget it. */
  #confirm(position: number): void {
    assert(this.stream !== null, 'the slot is confirmed over a stream');
    assert(position <= this.log.upper, `confirmed ${position}, durable ${this.log.upper}`);
    this.source.confirm(position);
  }

  #connected(id: number): Replica {
    const replica = this.replicas.find(({ connection }) => connection?.id === id);
    if (replica === undefined) throw new Error(`subscriber ${id} is connected`);
    return replica;
  }

  /** P25: a reader is ended only when its part of the log, or its history, is gone. */
  #end(replica: Replica, code: 'TOO_OLD' | 'TIMELINE_CHANGED'): void {
    const isFull = this.log.sizeBytes > POLICY.logBytesMax;
    assert(code === 'TIMELINE_CHANGED' || isFull, `${replica.name} is ended for want of room`);
    this.#disconnect(replica);
  }

  #finishWait(id: number, outcome: 'reached' | 'timeout' | 'ended' | 'busy'): void {
    const wait = this.waits.get(id);
    if (wait === undefined) throw new Error(`wait ${id} ends once`);
    this.waits.delete(id);
    if (outcome === 'reached') assert(wait.ts <= this.log.upper, `wait ${id} is reached`);
    else if (outcome === 'timeout') assert(wait.deadline <= this.now, `wait ${id} is late`);
    else assert(outcome === 'ended', `wait ${id} is not refused`);
  }

  #purge(seq: number): void {
    const isCut = this.#cause !== 'tick';
    if (isCut) this.holds.checkCut(this.log, seq, this.policy.logBytesMax);
    else this.holds.checkPurge(this.log, seq, this);
    const gone = this.log.groups.filter((group) => group.seq <= seq);
    this.log.groups = this.log.groups.slice(gone.length);
    this.log.since = gone.at(-1)?.lastTs ?? this.log.since;
  }

  #check(): void {
    const { log, source } = this;
    for (const replica of this.replicas) checkReplica(log, replica);
    checkNobodyForgotten(log, this.replicas);
    if (this.stream === null) return;
    const committed = source.commits.filter(({ ts }) => ts > log.startTs && ts <= log.upper);
    const wanted = committed.map(({ id }) => id).join();
    const have = log.history.map(({ id }) => id).join();
    assert(wanted === have, `P1, P2: the log has ${have} and not ${wanted}`);
  }
}

type ReaderEffect = Extract<
  CoordinatorEffect,
  {
    readonly kind:
      | 'acceptSubscriber'
      | 'rejectSubscriber'
      | 'wake'
      | 'endSubscribers'
      | 'finishWait'
      | 'purge'
      | 'storeLeases'
      | 'setTimer';
  }
>;

/** An effect with what makes it another case. */
function caseOf(event: CoordinatorEvent, effect: CoordinatorEffect): string {
  switch (effect.kind) {
    case 'startHistory':
      return `startHistory: ${effect.reason.replaceAll(/[0-9]+(\/[0-9A-F]+)?/g, 'N')}`;
    case 'rejectSubscriber':
    case 'endSubscribers':
      return `${effect.kind}: ${effect.code}`;
    case 'finishWait':
      return `finishWait: ${effect.outcome}`;
    case 'wake':
    case 'purge':
    case 'confirmSlot':
    case 'noteUpper':
      return `${effect.kind} after ${event.kind}`;
    default:
      return effect.kind;
  }
}

/** Every second replica goes without a lease. */
function newReplica(at: number, selectors: readonly string[]): Replica {
  const nothing = { timeline: undefined, base: 0, position: 0, seen: [], connection: null };
  return { name: `r${at}`, selectors, hasLease: at % 2 === 0, ...nothing };
}
