/** A simulated durable log: what survives when our process dies. */
import type { LogAtOpen } from '../../../../src/coordinator/state.ts';
import type { AppendedGroup } from '../../../../src/coordinator/types.ts';
import { lsn } from '../support.ts';
import type { Commit } from './source.ts';

export const GROUP_BYTES = 100;

type Identity = {
  readonly systemId: string;
  readonly walTimeline: number;
  readonly generation: number;
  readonly timeline: string;
};

type SimGroup = AppendedGroup & {
  readonly firstTs: number;
  /** Not a part of a large transaction. */
  readonly isWhole: boolean;
  at: number;
};

/** What a group costs besides its bytes: a merged group is so much smaller than its members. */
const PRICE_BYTES = 40;

export class SimLog {
  identity: Identity | null = null;
  startTs = 0;
  upper = 0;
  since = 0;
  groups: SimGroup[] = [];
  /** Everything ever appended in this history, purged or not. */
  history: Commit[] = [];
  isFull = false;
  #nextSeq = 1;

  get sizeBytes(): number {
    return this.groups.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  reset(identity: Omit<Identity, 'timeline'>, startTs: number): string {
    const timeline = `${identity.systemId}-${identity.generation}`;
    this.identity = { ...identity, timeline };
    this.startTs = startTs;
    this.upper = startTs;
    this.since = startTs;
    this.groups = [];
    this.history = [];
    return timeline;
  }

  append(commits: readonly Commit[], now: number): readonly AppendedGroup[] {
    const groups = commits.flatMap((commit) => this.#groupsOf(commit, now));
    this.groups.push(...groups);
    this.history.push(...commits);
    this.upper = commits.at(-1)?.ts ?? this.upper;
    return groups;
  }

  /** Makes one group of the whole ones from place `from` on, `count` at most. Null when there is nothing to merge. */
  merge(from: number, count: number): { firstSeq: number; seq: number; sizeBytes: number } | null {
    const rest = this.groups.slice(from);
    const end = rest.findIndex((group) => !group.isWhole);
    const members = rest.slice(0, Math.min(count, end < 0 ? rest.length : end));
    const [first] = members;
    const last = members.at(-1);
    if (first === undefined || last === undefined || first === last) return null;
    const bytes = members.reduce((sum, group) => sum + group.sizeBytes, 0);
    const sizeBytes = bytes - (members.length - 1) * PRICE_BYTES;
    this.groups.splice(from, members.length, { ...last, firstTs: first.firstTs, sizeBytes });
    return { firstSeq: first.seq, seq: last.seq, sizeBytes };
  }

  atOpen(): LogAtOpen {
    const { identity } = this;
    return {
      timeline: identity?.timeline ?? null,
      systemId: identity?.systemId ?? null,
      walTimeline: identity?.walTimeline ?? 0,
      generation: identity?.generation ?? 0,
      upper: lsn(this.upper),
      since: lsn(this.since),
      groups: this.groups.map(({ seq, lastTs, sizeBytes }) => ({ seq, lastTs, sizeBytes })),
    };
  }

  /** Each part carries one of the selectors; only the last one completes the transaction. */
  #groupsOf(commit: Commit, at: number): SimGroup[] {
    return Array.from({ length: commit.parts }, (_, part) => ({
      seq: this.#nextSeq++,
      firstTs: commit.ts,
      lastTs: lsn(commit.ts),
      sizeBytes: GROUP_BYTES,
      selectors: commit.selectors.filter((_, index) => index % commit.parts === part),
      hasAll: commit.hasAll && part === 0,
      isWhole: commit.parts === 1,
      isComplete: part === commit.parts - 1,
      at,
    }));
  }
}
