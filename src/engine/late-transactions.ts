/**
 * What a snapshot does not show although the log has it: transactions at or before the snapshot's position
 * that were still in progress, for everybody else, when Postgres took it. Applied on top, the snapshot
 * equals Postgres at exactly that position. (Postgres makes commits visible in another order than it
 * writes them, so a snapshot alone is not a prefix of the log.)
 */
import type { Ts } from '../core/lsn.ts';
import type { WantedSelectors } from '../core/selector.ts';
import type { GroupHead } from '../log/group.ts';
import { gather, sliceGroup } from '../log/slices.ts';
import type { LogTail } from './log-tail.ts';

export type Visibility = {
  /** Every transaction below this is visible, or was rolled back. */
  readonly xmin: number;
  isVisible(txid: number): boolean;
};

/** Groups up to now that may hold late transactions. Hold the log from `since` on while they are needed. */
export function lateGroups(
  heads: readonly GroupHead[],
  visibility: Visibility,
): readonly GroupHead[] {
  return heads.filter((head) => head.maxTxid >= visibility.xmin);
}

/**
 * The lines of the late transactions in `groups` for these selectors, in order, whole transactions. Groups
 * may have been merged since, also with later ones that are not asked for.
 */
export function* lateLines(
  tail: LogTail,
  groups: readonly GroupHead[],
  request: { readonly selectors: WantedSelectors; readonly visibility: Visibility },
): Iterable<Uint8Array> {
  const { selectors } = request;
  const wanted = selectors === 'any' ? null : new Set(selectors);
  const isWanted = (selector: string): boolean => wanted === null || wanted.has(selector);
  for (let at = 0; at < groups.length; ) {
    const first = groups[at];
    if (first === undefined) return;
    const { head, content } = tail.read(first.seq);
    let last = first;
    for (; (groups[at]?.seq ?? Number.POSITIVE_INFINITY) <= head.seq; at += 1) {
      last = groups[at] ?? last;
    }
    if (!head.hasAll && !head.selectors.some(isWanted)) continue;
    const slices = sliceGroup({
      content,
      isWanted: head.selectors.map(isWanted),
      after: (first.firstTs - 1) as Ts,
      upTo: last.lastTs,
      isContinued: head.part === 'last',
      accept: (txid) => !request.visibility.isVisible(txid),
    });
    if (slices.to > 0) yield gather(content.body, slices);
  }
}
