/**
 * Decides, at every connect, whether the log can go on from where it stands. Anything that cannot be proven
 * to be a continuation starts a new history: a replica then copies anew, which is slow but never wrong.
 *
 * Why a slot ahead of the log is a gap: the log's upper is durable before the slot is confirmed to it
 * (an append carries it, `noteUpper` stores it, `historyStarted` begins with it), and confirming is the only
 * thing we do that moves a slot. So at every moment, crashes included, `confirmed <= durable upper`. A slot
 * beyond the upper was moved by somebody else, or the log is an older copy: in both cases Postgres will not
 * send again what lies between. A slot *behind* the upper is normal (Postgres stores it lazily); what it
 * sends again is dropped.
 */
import type { Lsn, Ts } from '../core/lsn.ts';
import { formatLsn } from '../core/lsn.ts';
import type { SourceFacts } from './types.ts';

/** What the log remembers of its source. */
export type LogHistory = {
  /** Null before the first history. */
  readonly systemId: string | null;
  readonly walTimeline: number;
  readonly upper: Ts;
};

export type HistoryDecision =
  | { readonly kind: 'resume'; readonly isPromoted: boolean }
  | { readonly kind: 'restart'; readonly reason: string }
  /** Somebody reads from our slot. It may be our own dead connection, or another server: never drop it. */
  | { readonly kind: 'busy'; readonly reason: string };

/** The decision. First match wins, see the table in the test. */
export function decideHistory(log: LogHistory, facts: SourceFacts): HistoryDecision {
  const { slot } = facts;
  if (slot !== null && slot.activePid !== null) {
    return { kind: 'busy', reason: `the slot is in use by process ${slot.activePid}` };
  }
  const reason = sourceBreak(log, facts) ?? slotBreak(log.upper, slot);
  if (reason !== undefined) return { kind: 'restart', reason };
  return { kind: 'resume', isPromoted: facts.walTimeline !== log.walTimeline };
}

function sourceBreak(log: LogHistory, facts: SourceFacts): string | undefined {
  if (log.systemId === null) return 'first start';
  if (log.systemId !== facts.systemId) {
    return `another database cluster: ${facts.systemId} instead of ${log.systemId}`;
  }
  if (facts.flushed < log.upper) {
    return `Postgres went back: its WAL ends at ${formatLsn(facts.flushed)}, the log at ${formatLsn(log.upper)}`;
  }
  if (facts.divergence !== undefined) {
    return `Postgres went back and has gone on since: ${facts.divergence}`;
  }
  return timelineBreak(log, facts);
}

function timelineBreak(log: LogHistory, facts: SourceFacts): string | undefined {
  const { walTimeline, switchedAt } = facts;
  if (walTimeline === log.walTimeline) return undefined;
  const change = `Postgres' WAL timeline changed from ${log.walTimeline} to ${walTimeline}`;
  // Only the last branching point is known: over two promotions the first may lie before our upper.
  if (walTimeline !== log.walTimeline + 1 || switchedAt === undefined) {
    return `${change} in a way that cannot be followed`;
  }
  if (switchedAt < log.upper) {
    return `${change} at ${formatLsn(switchedAt)}, before the log's end at ${formatLsn(log.upper)}`;
  }
  return undefined;
}

function slotBreak(upper: Lsn, slot: SourceFacts['slot']): string | undefined {
  if (slot === null) return 'the slot is gone';
  if (slot.isLost) return 'the slot was invalidated';
  if (slot.confirmed > upper) {
    return `the slot was moved to ${formatLsn(slot.confirmed)}, beyond the log's end at ${formatLsn(upper)}`;
  }
  return undefined;
}
