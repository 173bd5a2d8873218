/** Answers people's questions about a running engine; see `inspection-api.ts`. */
import { pictureOf } from '../coordinator/picture.ts';
import type { EngineCore } from './core.ts';
import type { EnginePicture, EnginePulse, Inspection } from './inspection-api.ts';
import { PositionTimes } from './position-times.ts';
import type { StatusSource } from './status.ts';

type Parts = { readonly core: EngineCore; readonly driver: StatusSource };

export class EngineInspection implements Inspection {
  readonly #parts: Parts;
  readonly #times: PositionTimes;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#times = new PositionTimes(() => parts.core.clock.now());
  }

  /** Call when something was appended. */
  appended(): void {
    this.#times.note(this.#parts.core.tail.store.upper);
  }

  pulse(): EnginePulse {
    const { core, driver } = this.#parts;
    const { store } = core.tail;
    return {
      upper: store.upper,
      transactions: core.transactions,
      changes: driver.counters.changes,
      subscribers: core.look(({ subscribers }) => subscribers.size),
      logBytes: store.sizeBytes,
      retainedWalBytes: driver.retainedWalBytes,
      lagBytes: driver.lagBytes,
      lastCommitLagS: core.lastCommitLagS,
    };
  }

  picture(rowsMax: number): EnginePicture {
    const picture = this.#parts.core.look((state) => pictureOf(state, rowsMax));
    return { ...picture, lagSOf: (position) => this.#times.lagS(position) };
  }
}
