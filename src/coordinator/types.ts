/**
 * The coordinator's vocabulary: what it is told, what it asks for, what it remembers.
 *
 *   source:  idle --start--> connecting --connected--> streaming --lost--> waiting --timer--> connecting
 *                            connecting --history broken--> resetting --reset--> connecting
 *   log:     ok --append failed--> failed --append done--> ok
 *
 * It decides; the engine performs. Effects are performed in the order given.
 */
import type { Lsn, Ts } from '../core/lsn.ts';

export type SubscriberId = number;
export type WaitId = number;
export type HoldId = string;

/** A lease as the log had it stored. */
export type LoadedLease = {
  readonly replica: string;
  readonly ts: Ts;
  /** By the wall clock, so the time while we were down counts. */
  readonly heardMsAgo: number;
};

/** What the coordinator must know of an appended group. */
export type AppendedGroup = {
  readonly seq: number;
  readonly lastTs: Ts;
  readonly sizeBytes: number;
  readonly selectors: readonly string[];
  readonly hasAll: boolean;
  /** False for parts of a large transaction but its last: nobody can be told of them yet. */
  readonly isComplete: boolean;
};

/** What a freshly connected source says about itself. */
export type SourceFacts = {
  readonly systemId: string;
  readonly walTimeline: number;
  /** Where `walTimeline` branched off its predecessor; undefined on the first timeline. */
  readonly switchedAt: Lsn | undefined;
  /** End of the WAL on disk. */
  readonly flushed: Lsn;
  /** How the transactions that the slot would send again differ from the log's, if they do. */
  readonly divergence?: string | undefined;
  /** Null when there is no slot of our name. */
  readonly slot: {
    readonly confirmed: Lsn;
    readonly isLost: boolean;
    readonly activePid: number | null;
  } | null;
};

export type Policy = {
  /** Transactions younger than this stay in the log even when nobody holds them. */
  readonly keepS: number;
  /** Above this the oldest groups go, whoever holds them: a dead replica cannot fill our disk. */
  readonly logBytesMax: number;
  /** A replica that was not heard of for so long loses its hold. */
  readonly leaseS: number;
  readonly reconnectMsMin: number;
  readonly reconnectMsMax: number;
  readonly appendRetryMs: number;
  readonly subscribersMax: number;
};

/**
 * `now` is a monotonic clock in milliseconds; no event carries wall-clock time. The outcome of a log write
 * (`appended`, `upperNoted`, `appendFailed`) is reported before anything that happened after the write.
 */
export type CoordinatorEvent =
  | { readonly kind: 'start'; readonly now: number }
  /** The timer asked for by `setTimer` ran out. */
  | { readonly kind: 'tick'; readonly now: number }
  | { readonly kind: 'sourceConnected'; readonly now: number; readonly facts: SourceFacts }
  /** The log holds a new, empty history and the slot was created anew. */
  | {
      readonly kind: 'historyStarted';
      readonly now: number;
      readonly timeline: string;
      readonly startTs: Ts;
    }
  /** The stream runs from the slot. */
  | { readonly kind: 'streamStarted'; readonly now: number }
  /**
   * The source could not be reached, refused us, or the stream broke. `isUnfit`: only an operator can mend it.
   * The engine has forgotten what it could not write before (appends and notes): it is delivered again.
   */
  | {
      readonly kind: 'sourceLost';
      readonly now: number;
      readonly reason: string;
      readonly isUnfit: boolean;
    }
  /** Groups are durable in the log. One event per append, however many transactions. */
  | { readonly kind: 'appended'; readonly now: number; readonly groups: readonly AppendedGroup[] }
  /**
   * The log holds one group, with the number `seq`, where there were those from `firstSeq` to `seq`, all of
   * them complete. Reported before anything that happened after it.
   */
  | {
      readonly kind: 'groupsMerged';
      readonly firstSeq: number;
      readonly seq: number;
      readonly sizeBytes: number;
    }
  /**
   * The log could not be written, by an append or a `noteUpper`. The engine keeps what it could not write
   * until `retryAppend` succeeds or the source is lost.
   */
  | { readonly kind: 'appendFailed'; readonly now: number; readonly reason: string }
  /** The position of a `noteUpper` is durable in the log. */
  | { readonly kind: 'upperNoted'; readonly now: number; readonly lsn: Lsn }
  /** The source delivered everything that committed before `lsn`; nothing is waiting to be appended. */
  | { readonly kind: 'keepalive'; readonly now: number; readonly lsn: Lsn }
  | {
      readonly kind: 'subscribe';
      readonly now: number;
      readonly id: SubscriberId;
      readonly selectors: readonly string[];
      readonly since: Ts;
      readonly timeline: string | undefined;
      readonly replica: string | undefined;
    }
  /** A subscriber has read everything there is for it up to `ts` and waits to be woken. */
  | { readonly kind: 'caughtUp'; readonly id: SubscriberId; readonly ts: Ts }
  /** A subscriber was handed everything there is for it up to `ts` and reads on: what is older need not stay. */
  | { readonly kind: 'advanced'; readonly id: SubscriberId; readonly ts: Ts }
  | { readonly kind: 'unsubscribe'; readonly now: number; readonly id: SubscriberId }
  /** A replica was heard of; it has everything up to `ts` and needs what comes after. */
  | { readonly kind: 'lease'; readonly now: number; readonly replica: string; readonly ts: Ts }
  | { readonly kind: 'endLease'; readonly now: number; readonly replica: string }
  /** What `storeLeases` stored before the process began. Comes before `start`. */
  | {
      readonly kind: 'leasesLoaded';
      readonly now: number;
      readonly leases: readonly LoadedLease[];
    }
  /** A snapshot is being made or sent: what commits after `ts` must stay. */
  | {
      readonly kind: 'hold';
      readonly now: number;
      readonly hold: HoldId;
      readonly ts: Ts;
      /** The replica that copies anew: its lease moves to `ts`, back too. */
      readonly replica?: string | undefined;
    }
  | { readonly kind: 'release'; readonly now: number; readonly hold: HoldId }
  /** Somebody waits until the log is past `ts`. */
  | {
      readonly kind: 'wait';
      readonly now: number;
      readonly id: WaitId;
      readonly ts: Ts;
      readonly deadline: number;
    }
  | { readonly kind: 'endWait'; readonly id: WaitId }
  /** No new subscribers; the present ones are ended by the engine. */
  | { readonly kind: 'drain'; readonly now: number };

export type CoordinatorEffect =
  /** Connect (closing what is open), learn the facts, report `sourceConnected` or `sourceLost`. */
  | { readonly kind: 'connectSource' }
  /**
   * Create a new slot (dropping an old one of our name) and reset the log, then report `historyStarted`.
   * All subscribers have been ended by earlier effects.
   */
  | { readonly kind: 'startHistory'; readonly generation: number; readonly reason: string }
  /** Start streaming from the slot; transactions at or before `after` are redeliveries and are dropped. */
  | { readonly kind: 'startStream'; readonly after: Ts }
  /** A WAL timeline changed without loss: note it in the log, durably before the `startStream` that follows. */
  | { readonly kind: 'noteWalTimeline'; readonly walTimeline: number }
  /** Only ever for a position whose transactions are durable in the log. */
  | { readonly kind: 'confirmSlot'; readonly lsn: Lsn }
  /**
   * Make a position durable that no transaction of ours carries, then report `upperNoted`. The upper moves and
   * the slot is confirmed only then, so the slot is never ahead of the log unless somebody else moved it.
   * At most one per `NOTE_UPPER_MS`, more only when a `wait` needs it.
   */
  | { readonly kind: 'noteUpper'; readonly lsn: Lsn }
  /** Stop reading from the source (it keeps what we have not confirmed). */
  | { readonly kind: 'pauseSource' }
  | { readonly kind: 'resumeSource' }
  /** Try the failed writes again (appends, then a note) and report `appended`, `upperNoted` or `appendFailed`. */
  | { readonly kind: 'retryAppend' }
  | { readonly kind: 'acceptSubscriber'; readonly id: SubscriberId }
  | {
      readonly kind: 'rejectSubscriber';
      readonly id: SubscriberId;
      readonly code: 'TOO_OLD' | 'TIMELINE_CHANGED' | 'NOT_READY' | 'BUSY';
    }
  /**
   * There is something new for these subscribers, and nothing for them at or before `after`: their reading
   * goes on there. (What a waiting subscriber does not need may have been purged meanwhile.)
   */
  | { readonly kind: 'wake'; readonly ids: readonly SubscriberId[]; readonly after: Ts }
  /** End these subscribers: their history is gone. */
  | {
      readonly kind: 'endSubscribers';
      readonly ids: readonly SubscriberId[];
      readonly code: 'TOO_OLD' | 'TIMELINE_CHANGED';
    }
  /** `ended`: the history that the position belongs to is over. `busy`: too many waits. */
  | {
      readonly kind: 'finishWait';
      readonly id: WaitId;
      readonly outcome: 'reached' | 'timeout' | 'ended' | 'busy';
    }
  /**
   * Store these leases, `heardAt` by the clock of `now`, and forget those of `ended`; needs no fsync and no
   * answer. What cannot be stored now is stored later, as it then is.
   */
  | {
      readonly kind: 'storeLeases';
      readonly kept: readonly {
        readonly replica: string;
        readonly ts: Ts;
        readonly heardAt: number;
      }[];
      readonly ended: readonly string[];
    }
  /** Remove all groups up to and including `seq`. */
  | { readonly kind: 'purge'; readonly seq: number }
  /** One timer: replaces the previous one. Report `tick` at or after `at`. */
  | { readonly kind: 'setTimer'; readonly at: number };

export type SourcePhase = 'idle' | 'connecting' | 'resetting' | 'streaming' | 'waiting';
