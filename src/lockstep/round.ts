/** hot path: one read of a relation for all who follow it: rows become lines once, and go to whoever lacks them. */
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import type { LockstepRelation, RelationRow } from '../postgres/lockstep-relation.ts';
import type { LockstepMode } from '../protocol/lockstep.ts';
import type { Frame } from './api.ts';
import { LineMaker, type RowLine } from './lines.ts';
import type { Reader } from './reader.ts';
import type { Seen } from './seen.ts';

const MODES: readonly LockstepMode[] = ['lockstep', 'strict'];

export class Round {
  readonly #readers: readonly Reader[];
  readonly #snapshot: TxidSnapshot;
  readonly #makers = new Map<LockstepMode, LineMaker>();

  constructor(readers: readonly Reader[], relation: LockstepRelation, snapshot: TxidSnapshot) {
    this.#readers = readers;
    this.#snapshot = snapshot;
    for (const mode of MODES) {
      if (readers.some((reader) => reader.mode === mode)) {
        this.#makers.set(mode, new LineMaker(relation, mode, snapshot.xmin));
      }
    }
  }

  /** Resolves when every reader has room for more. */
  async take(rows: readonly RelationRow[]): Promise<void> {
    for (const [mode, maker] of this.#makers) this.#hand(mode, maker.lines(rows));
    await Promise.all(this.#readers.map(({ sink }) => sink.room()));
  }

  end(): void {
    for (const [mode, maker] of this.#makers) this.#hand(mode, maker.end());
    const seen = new Map<LockstepMode, Seen>(
      MODES.map((mode) => [mode, { mode, snapshot: this.#snapshot }]),
    );
    for (const reader of this.#readers) {
      const now = seen.get(reader.mode);
      if (now !== undefined) reader.endRound(now);
    }
  }

  /** Readers that have seen the same get the same frame. */
  #hand(mode: LockstepMode, lines: readonly RowLine[]): void {
    if (lines.length === 0) return;
    const frames = new Map<Seen | null, Frame>();
    for (const reader of this.#readers) {
      if (reader.mode !== mode) continue;
      let frame = frames.get(reader.seen);
      if (frame === undefined) {
        const due = lines.filter((line) => reader.isDue(this.#snapshot, line));
        frame = { lines: due.map(({ line }) => line), framed: null };
        frames.set(reader.seen, frame);
      }
      reader.write(frame);
    }
  }
}
