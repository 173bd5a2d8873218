/** A simulated Postgres: commits, WAL end, timeline and one slot, with the faults that matter to us. */
import type { SourceFacts } from '../../../../src/coordinator/types.ts';
import { lsn } from '../support.ts';

export type Commit = {
  /** Distinct for ever, also when a position is used again after a loss. */
  readonly id: number;
  readonly ts: number;
  readonly selectors: readonly string[];
  readonly hasAll: boolean;
  /** Number of groups it fills. */
  readonly parts: number;
};

/** `stored` is what survives a crash of Postgres. */
type Slot = { confirmed: number; stored: number; isLost: boolean };

export class SimSource {
  systemId = 'cluster-0';
  walTimeline = 1;
  switchedAt: number | undefined;
  walEnd = 100;
  commits: Commit[] = [];
  slot: Slot | null = null;
  isUp = true;
  /** Somebody else streams from our slot. */
  isOccupied = false;
  #nextId = 1;
  #clusters = 1;

  commit(what: Omit<Commit, 'id' | 'ts'>): void {
    this.walEnd += 10;
    this.commits.push({ ...what, id: this.#nextId++, ts: this.walEnd });
  }

  /** WAL that concerns no published table. */
  writeOther(bytes: number): void {
    this.walEnd += bytes;
  }

  facts(): SourceFacts {
    const { slot, switchedAt } = this;
    return {
      systemId: this.systemId,
      walTimeline: this.walTimeline,
      switchedAt: switchedAt === undefined ? undefined : lsn(switchedAt),
      flushed: lsn(this.walEnd),
      slot: slot && {
        confirmed: lsn(slot.confirmed),
        isLost: slot.isLost,
        activePid: this.isOccupied ? 4711 : null,
      },
    };
  }

  createSlot(): number {
    this.writeOther(3);
    this.slot = { confirmed: this.walEnd, stored: this.walEnd, isLost: false };
    return this.walEnd;
  }

  confirm(position: number): void {
    if (this.slot !== null) this.slot.confirmed = Math.max(this.slot.confirmed, position);
  }

  checkpoint(): void {
    if (this.slot !== null) this.slot.stored = this.slot.confirmed;
  }

  /** The slot falls back to what was stored. */
  crash(): void {
    if (this.slot !== null) this.slot.confirmed = this.slot.stored;
  }

  /** Somebody advances our slot to the end: what lies between will never be sent. */
  moveSlot(): void {
    if (this.slot === null) return;
    this.slot.confirmed = this.walEnd;
    this.slot.stored = this.walEnd;
  }

  /** A standby takes over that lacks the last `lostBytes` of WAL, with or without our slot. */
  promote(lostBytes: number, isSlotSynced: boolean): void {
    const end = Math.max(50, this.walEnd - lostBytes);
    this.walTimeline += 1;
    this.switchedAt = end;
    this.walEnd = end;
    this.commits = this.commits.filter(({ ts }) => ts <= end);
    if (this.slot === null || !isSlotSynced) this.slot = null;
    else this.slot.confirmed = Math.min(this.slot.stored, end);
    this.checkpoint();
    this.writeOther(5);
  }

  /** Another cluster answers at our address, perhaps with a slot of our name. */
  replace(hasSlot: boolean): void {
    this.systemId = `cluster-${this.#clusters++}`;
    this.walTimeline = 1;
    this.switchedAt = undefined;
    this.walEnd = 80;
    this.commits = [];
    this.slot = hasSlot ? { confirmed: 80, stored: 80, isLost: false } : null;
  }
}
