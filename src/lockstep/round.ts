/** hot path: one read of a relation for all who follow it: rows become lines once, and go to whoever lacks them. */
import { TidelockError } from '../core/errors.ts';
import type { TxidSnapshot } from '../core/txid-snapshot.ts';
import type { LockstepRelation, RelationRow } from '../postgres/lockstep-relation.ts';
import type { LockstepMode, LockstepSince } from '../protocol/lockstep.ts';
import type { Frame } from './api.ts';
import type { ReaderClock } from './clock.ts';
import { LineMaker, type RowLine } from './lines.ts';
import type { Reader } from './reader.ts';
import type { Seen } from './seen.ts';

/** A reader that does not take a full buffer in this time holds up the others: it is cut, and resumes alone. */
const WAIT_MS_MAX = 2000;

const MODES: readonly LockstepMode[] = ['lockstep', 'strict'];

export class Round {
  readonly #readers: readonly Reader[];
  readonly #snapshot: TxidSnapshot;
  readonly #clock: ReaderClock;
  readonly #makers = new Map<LockstepMode, LineMaker>();

  constructor(
    parts: { readonly readers: readonly Reader[]; readonly clock: ReaderClock },
    relation: LockstepRelation,
    snapshot: TxidSnapshot,
  ) {
    const { readers, clock } = parts;
    this.#readers = readers;
    this.#clock = clock;
    this.#snapshot = snapshot;
    for (const mode of MODES) {
      if (readers.some((reader) => reader.mode === mode)) {
        this.#makers.set(mode, new LineMaker(relation, mode, snapshot.xmin));
      }
    }
  }

  /** Resolves when every reader has room for more; those that have not in time are cut. */
  async take(rows: readonly RelationRow[]): Promise<void> {
    for (const [mode, maker] of this.#makers) this.#hand(mode, maker.lines(rows));
    const full = this.#readers.filter(({ sink }) => sink.isOpen && sink.isFull);
    if (full.length === 0) return;
    let stop: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      stop = this.#clock.after(WAIT_MS_MAX, resolve);
    });
    await Promise.race([Promise.all(full.map(({ sink }) => sink.room())), late]);
    stop();
    for (const { sink } of full) if (sink.isOpen && sink.isFull) sink.fail(tooSlow());
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
    const frames = new Map<Seen | null, { readonly frame: Frame; readonly since: LockstepSince }>();
    for (const reader of this.#readers) {
      if (reader.mode !== mode) continue;
      let made = frames.get(reader.seen);
      if (made === undefined) {
        const due = lines.filter((line) => reader.isDue(this.#snapshot, line));
        const frame = { lines: due.map(({ line }) => line), framed: null };
        made = { frame, since: due.at(-1)?.since ?? 0 };
        frames.set(reader.seen, made);
      }
      reader.write(made.frame, made.since);
    }
  }
}

function tooSlow(): TidelockError {
  return new TidelockError({
    code: 'BUSY',
    message: `the reader did not take what waits for it in ${WAIT_MS_MAX / 1000} s, and others wait for the same rows`,
    hint: 'connect again: the stream resumes by since, at its own speed',
  });
}
