/**
 * Decides when tombstones go: a mark is taken at every look, and when all leases have passed one, what is below it is
 * collected, a batch for each table and look. Looks come with the watching of the source.
 */
import type { CoordinatorView } from '../coordinator/inspect.ts';
import { messageOf } from '../core/errors.ts';
import type { Lsn } from '../core/lsn.ts';
import type { PgSession } from '../postgres/session.ts';
import { readTwowayTables, type TwowayTable } from '../postgres/twoway/registry.ts';
import {
  collectTombstones,
  type Mark,
  tablesToCollect,
  takeMark,
} from '../postgres/twoway/tombstones.ts';

/** While a lease stays far behind, marks get sparser, not more. */
export const MARKS_MAX = 64;

export type TombstoneOptions = {
  readonly view: () => CoordinatorView;
  readonly onNotice: (notice: string) => void;
};

export class Tombstones {
  readonly #options: TombstoneOptions;
  #session: PgSession | null = null;
  /** In the order of their positions; of the present session. */
  #marks: readonly Mark[] = [];
  /** Nothing is left below it: while a lease stays behind, its tombstones are not looked through again and again. */
  #done: Mark | null = null;
  #isLooking = false;
  #collected = 0;
  #horizon: Lsn | null = null;
  #told = '';

  constructor(options: TombstoneOptions) {
    this.#options = options;
  }

  /** Since the start. */
  get collected(): number {
    return this.#collected;
  }

  /** Replicas below it have to copy their tables first; null before anything was collected. */
  get horizon(): Lsn | null {
    return this.#horizon;
  }

  /** One look. What is refused is told, and tried again at the next look; only a lost connection throws. */
  async look(session: PgSession): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const tables = (await readTwowayTables(session)).filter(({ isPresent }) => isPresent);
      if (tables.length > 0) await this.#collect(session, tables);
    } catch (error) {
      if (session.isLost) throw error;
      this.#tell('two-way tables', messageOf(error));
    } finally {
      this.#isLooking = false;
    }
  }

  async #collect(session: PgSession, tables: readonly TwowayTable[]): Promise<void> {
    // Marks hold for one session: a server that crashed may give out the same ids again.
    if (this.#session !== session) this.#marks = [];
    this.#session = session;
    this.#marks = thinned([...this.#marks, await takeMark(session)]);
    const { timeline, ...view } = this.#options.view();
    const floor = floorOf(view);
    const passed = this.#marks.filter(({ position }) => position <= floor);
    const mark = passed.at(-1);
    if (mark === undefined || mark === this.#done || timeline === null || timeline === '') return;
    const full = await tablesToCollect(session, tables, mark);
    if (full.length === 0) this.#done = mark;
    for (const table of full) {
      const count = await collectTombstones(session, { table, mark, timeline });
      if (count === null) continue;
      this.#collected += count;
      this.#horizon = mark.position;
    }
    // Older ones have nothing left to say; this one stays until all of its rows are gone.
    this.#marks = this.#marks.slice(passed.length - 1);
  }

  #tell(what: string, reason: string): void {
    if (this.#told === reason) return;
    this.#told = reason;
    this.#options.onNotice(`tombstones of ${what} are not collected: ${reason}`);
  }
}

/** The position that every replica with a lease, every snapshot under way, and the log itself have reached. */
export function floorOf({ holds, log }: Pick<CoordinatorView, 'holds' | 'log'>): number {
  const kept = holds.filter(
    ({ kind, state }) =>
      state === 'held' && (kind === 'lease' || kind === 'snapshot' || kind === 'restart'),
  );
  return Math.min(log.upper, ...kept.map(({ ts }) => ts));
}

/** Every second one of too many goes; the newest stays. */
export function thinned(marks: readonly Mark[]): readonly Mark[] {
  if (marks.length <= MARKS_MAX) return marks;
  return marks.filter((_, at) => (marks.length - 1 - at) % 2 === 0);
}
