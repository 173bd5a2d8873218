/**
 * Old small groups become one: a head stays in memory for each group, and a trickle of small transactions
 * makes many. Readers do not notice, because transactions keep their order and their positions.
 */
import { assert } from '../core/assert.ts';
import { type GroupHead, type NewGroup, SEGMENT_NONE, type StoredGroup } from './group.ts';

export type MergeLimits = {
  /** The newest groups are left alone: readers hold them in memory. */
  readonly freshGroups: number;
  /** A merged group is at most this large. */
  readonly bytesMax: number;
  /** Merging copies what it merges: with fewer groups than this it saves too little. */
  readonly groupsMin: number;
  /** What one merge takes at most: it bounds the pause. */
  readonly groupsMax: number;
};

/** The end (exclusive) of the groups from place `at` on that may become one; at least `at + 1`. */
export function endOfRun(heads: readonly GroupHead[], at: number, limits: MergeLimits): number {
  const end = Math.min(heads.length - limits.freshGroups, at + limits.groupsMax);
  let bytes = 0;
  for (let place = at; place < end; place += 1) {
    const head = heads[place];
    if (head === undefined || head.part !== 'whole') return Math.max(place, at + 1);
    bytes += head.sizeBytes;
    if (bytes > limits.bytesMax) return Math.max(place, at + 1);
  }
  return Math.max(end, at + 1);
}

/** One group with everything of `groups`, which are whole and neighbours, in their order. */
export function mergeGroups(groups: readonly StoredGroup[]): NewGroup {
  const selectorIds = new Map<string, number>();
  const sizes = { body: 0, segments: 0, transactions: 0 };
  for (const { content } of groups) {
    sizes.body += content.body.length;
    sizes.segments += content.segments.length;
    sizes.transactions += content.transactions.length;
  }
  const content = {
    body: new Uint8Array(sizes.body),
    segments: new Uint32Array(sizes.segments),
    transactions: new Float64Array(sizes.transactions),
  };
  const at = { body: 0, segments: 0, transactions: 0 };
  for (const { head, content: one } of groups) {
    const ids = head.selectors.map((selector) => idOf(selectorIds, selector));
    content.body.set(one.body, at.body);
    content.transactions.set(one.transactions, at.transactions);
    for (let index = 0; index < one.segments.length; index += 2) {
      const id = one.segments[index] ?? SEGMENT_NONE;
      content.segments[at.segments + index] = ids[id] ?? id;
      content.segments[at.segments + index + 1] = (one.segments[index + 1] ?? 0) + at.body;
    }
    at.body += one.body.length;
    at.segments += one.segments.length;
    at.transactions += one.transactions.length;
  }
  return { head: mergeHeads(groups, [...selectorIds.keys()]), content };
}

function mergeHeads(
  groups: readonly StoredGroup[],
  selectors: readonly string[],
): Omit<GroupHead, 'seq'> {
  const first = groups[0]?.head;
  const last = groups.at(-1)?.head;
  assert(first !== undefined && last !== undefined, 'something is merged');
  const merged = { txCount: 0, maxTxid: 0, minTxid: first.minTxid, hasAll: false, sizeBytes: 0 };
  for (const { head } of groups) {
    assert(head.part === 'whole', `group ${head.seq} holds only whole transactions`);
    merged.txCount += head.txCount;
    merged.maxTxid = Math.max(merged.maxTxid, head.maxTxid);
    merged.minTxid = Math.min(merged.minTxid, head.minTxid);
    merged.hasAll ||= head.hasAll;
    merged.sizeBytes += head.sizeBytes;
  }
  return { firstTs: first.firstTs, lastTs: last.lastTs, part: 'whole', selectors, ...merged };
}

/** The local id of a selector in the merged group. */
function idOf(ids: Map<string, number>, selector: string): number {
  const known = ids.get(selector);
  if (known !== undefined) return known;
  ids.set(selector, ids.size);
  return ids.size - 1;
}
