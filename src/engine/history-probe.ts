/**
 * Asks Postgres whether the history that it would send again is the one that the log has.
 *
 *   slot ------------- log's last transaction ------------- log's upper
 *        not looked at         must come      nothing for anybody may come
 *
 * A slot stands before the upper after a crash: Postgres stores it lazily, and we confirm after the append.
 * It also does when an older copy of the database was put in its place. Once that copy has written more than
 * was lost, no position tells; only its transactions do.
 */
import { hasCode } from '../core/errors.ts';
import { formatLsn, LSN_ZERO, type Lsn, type Ts } from '../core/lsn.ts';
import type {
  ChangeInfo,
  CommitInfo,
  OldTuple,
  RawTuple,
  Relation,
  SourceHandler,
} from '../core/source.ts';
import type { GroupHead } from '../log/group.ts';
import { LineBuffer } from '../log/line-buffer.ts';
import type { LogStore, TransactionMark } from '../log/port.ts';
import type { PgSession } from '../postgres/session.ts';
import { takeOverSlot } from '../postgres/slot.ts';
import { SlotReader } from '../postgres/slot-reader.ts';
import { readSourceFacts, type SlotFacts, type SourceFacts } from '../postgres/source-facts.ts';
import { type Target, writeDelete, writeInsert, writeUpdate } from './change-writer.ts';
import { TablePlan } from './table-plan.ts';

export type ProbeRequest = {
  readonly url: string;
  readonly slot: string;
  readonly publication: string;
  readonly instance: string;
  readonly log: LogStore;
};

export type ProbedFacts = SourceFacts & {
  /** How the source's history differs from the log's, if it does. */
  readonly divergence: string | undefined;
  /** Transactions at or before the log's end that the slot sent again. */
  readonly redelivered: number;
};

/**
 * The source's facts, after left-overs of ours were ended that hold the slot. Reads the slot where it stands
 * before the log's end; moves nothing.
 */
export async function readProbedFacts(
  session: PgSession,
  request: ProbeRequest,
): Promise<ProbedFacts> {
  await takeOverOurs(session, request);
  const facts = await readSourceFacts(session, request.slot);
  if (!isInDoubt(facts, request.log)) return { ...facts, divergence: undefined, redelivered: 0 };
  const { divergence, redelivered } = await probe(request, facts.slot?.confirmed ?? LSN_ZERO);
  await takeOverOurs(session, request); // the probe's own walsender may still be ending
  return { ...facts, divergence, redelivered };
}

/** A slot that somebody else holds is the coordinator's to judge: the facts show its holder. */
async function takeOverOurs(session: PgSession, { slot, instance }: ProbeRequest): Promise<void> {
  try {
    await takeOverSlot(session, slot, instance);
  } catch (error) {
    if (!hasCode(error, 'SLOT_BUSY')) throw error;
  }
}

/** Whether only the transactions themselves can tell; everything else the coordinator sees in the facts. */
export function isInDoubt(
  {
    slot,
    systemId,
    flushed,
  }: Pick<SourceFacts, 'systemId' | 'flushed'> & {
    readonly slot: Pick<SlotFacts, 'isLost' | 'activePid' | 'confirmed'> | null;
  },
  { identity, upper }: LogStore,
): boolean {
  if (slot === null || slot.isLost || slot.activePid !== null) return false;
  return identity?.systemId === systemId && flushed >= upper && slot.confirmed < upper;
}

async function probe({ log, ...request }: ProbeRequest, from: Lsn): Promise<HistoryProbe> {
  const handler = new HistoryProbe(log, from);
  const reader = await SlotReader.start({ ...request, after: LSN_ZERO, handler });
  try {
    const ended = reader.closed.then((reason) => {
      if (reason !== null) throw reason;
    });
    await Promise.race([handler.done, ended]);
  } finally {
    await reader.close();
  }
  return handler;
}

export class HistoryProbe implements SourceHandler {
  /** Resolves when everything up to the log's upper was seen. */
  readonly done: Promise<void>;
  redelivered = 0;
  readonly #from: Lsn;
  /** Where the slot of this history began: one that stands before it is older than that. */
  readonly #bornAt: Lsn;
  readonly #upper: Ts;
  /** Null when the log had none behind the slot. */
  readonly #last: TransactionMark | null;
  /** Behind this, nothing for anybody may come. */
  readonly #quietFrom: Ts;
  readonly #plans = new Map<string, TablePlan>();
  readonly #finish: () => void;
  readonly #scratch = new LineBuffer();
  /** Transactions with changes for somebody. */
  readonly #touched = new Set<number>();
  #hasLast: boolean;
  #unknownAt: Ts | null = null;

  constructor(log: LogStore, from: Lsn) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    this.#finish = resolve;
    this.#from = from;
    this.#bornAt = log.identity?.startTs ?? LSN_ZERO;
    this.#upper = log.upper;
    this.#last = lastTransaction(log, from);
    this.#hasLast = this.#last === null;
    this.#quietFrom = Math.max(this.#last?.ts ?? 0, log.since, from) as Ts;
    for (const table of log.tables) this.#plans.set(table.name, new TablePlan(table));
  }

  get divergence(): string | undefined {
    if (this.#bornAt > this.#from) {
      return `its slot stands at ${formatLsn(this.#from)}, and was made at ${formatLsn(this.#bornAt)}`;
    }
    if (!this.#hasLast) {
      return `it does not have the log's last transaction at ${formatLsn(this.#last?.ts ?? LSN_ZERO)}`;
    }
    if (this.#unknownAt === null) return undefined;
    return `it has a transaction at ${formatLsn(this.#unknownAt)} that the log does not have`;
  }

  begin(): void {}
  streamStart(): void {}
  streamStop(): void {}
  endOfRead(): void {}

  streamAbort(xid: number, subxid: number): void {
    if (xid === subxid) this.#touched.delete(xid);
  }

  relation(): undefined {}
  message(): undefined {}

  insert(relation: Relation, row: RawTuple, { xid }: ChangeInfo): void {
    this.#look(relation, xid, (target) => writeInsert(target, row));
  }

  update(relation: Relation, old: OldTuple | null, row: RawTuple, { xid }: ChangeInfo): void {
    this.#look(relation, xid, (target) => writeUpdate(target, old, row));
  }

  delete(relation: Relation, old: OldTuple, { xid }: ChangeInfo): void {
    this.#look(relation, xid, (target) => writeDelete(target, old));
  }

  truncate(relations: readonly Relation[], { xid }: ChangeInfo): void {
    if (relations.some(({ name }) => this.#plans.has(name))) this.#touched.add(xid);
  }

  commit({ xid, ts, timeMicros }: CommitInfo): void {
    const isForSomebody = this.#touched.delete(xid);
    if (ts > this.#upper) {
      this.#finish();
      return;
    }
    this.redelivered += 1;
    const last = this.#last;
    if (last !== null && ts === last.ts && timeMicros === last.timeMicros) this.#hasLast = true;
    else if (isForSomebody && ts > this.#quietFrom) this.#unknownAt ??= ts;
  }

  keepalive(walEnd: Lsn): void {
    if (walEnd >= this.#upper) this.#finish();
  }

  /** What the log would hold of this change. A layout that it does not know counts as something. */
  #look(relation: Relation, xid: number, write: (target: Target) => unknown): void {
    if (this.#touched.has(xid)) return;
    const plan = this.#plans.get(relation.name);
    if (plan?.fits(relation) === true) {
      const isWhole = write({ plan, out: this.#scratch, subxid: xid }) !== false;
      const isEmpty = isWhole && this.#scratch.segmentCount === 0;
      this.#scratch.clear();
      if (isEmpty) return;
    }
    this.#touched.add(xid);
  }
}

/** The log's last transaction, when the slot would still send it. */
function lastTransaction(log: LogStore, from: Lsn): TransactionMark | null {
  const head = log.heads.at(-1);
  const last = head === undefined ? (log.purgedEnd ?? null) : markOf(log, head);
  return last === null || last.ts <= from ? null : last;
}

function markOf(log: LogStore, { seq, lastTs }: GroupHead): TransactionMark {
  return { ts: lastTs, timeMicros: log.read(seq).content.transactions.at(-1) ?? 0 };
}
