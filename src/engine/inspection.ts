/** Answers people's questions about a running engine; see `inspection-api.ts`. */
import { pictureOf, readersOf } from '../coordinator/picture.ts';
import type { TableDef } from '../core/table.ts';
import type { Upload } from '../core/upload.ts';
import type {
  Explanation,
  LogChanges,
  LogPage,
  RejectedWrites,
  SchemaEvents,
  SelectorSizes,
} from '../protocol/dashboard.ts';
import type { EngineCore } from './core.ts';
import type { ChangesOf, EnginePicture, EnginePulse, Inspection } from './inspection-api.ts';
import { LogLook, type PageRequest } from './log-look.ts';
import { PositionTimes } from './position-times.ts';
import { Refusals } from './refusals.ts';
import { explainRow, type RowRequest } from './row-look.ts';
import type { StatusSource } from './status.ts';
import type { UploadResult } from './uploads.ts';

/** Readers that are told of one row. */
const READERS_MAX = 100;

type Parts = {
  readonly core: EngineCore;
  readonly driver: StatusSource & { readonly tables: readonly TableDef[] };
  readonly url: string;
};

export class EngineInspection implements Inspection {
  readonly #parts: Parts;
  readonly #times: PositionTimes;
  readonly #look: LogLook;
  readonly #refusals = new Refusals();

  constructor(parts: Parts) {
    const { core, driver } = parts;
    this.#parts = parts;
    this.#times = new PositionTimes(() => core.clock.now());
    this.#look = new LogLook({
      ...{ store: core.tail.store, clock: core.clock, tables: () => driver.tables },
      readersOf: (selector) =>
        core.look(({ selectors }) => selectors.get(selector)?.subscriberCount ?? 0),
    });
  }

  /** Call when something was appended. */
  appended(): void {
    this.#times.note(this.#parts.core.tail.store.upper);
  }

  /** Call when an upload has its answer. */
  uploaded(upload: Upload, user: string, result: UploadResult): void {
    const atMs = this.#parts.core.clock.wallMicros() / 1000;
    this.#refusals.note({ atMs, user, site: upload.head.site, refused: result.refused });
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

  transactions(request: PageRequest, signal: AbortSignal): Promise<LogPage> {
    return this.#look.page(request, signal);
  }

  changes(request: ChangesOf, signal: AbortSignal): Promise<LogChanges> {
    return this.#look.changes(request, signal);
  }

  selectors(signal: AbortSignal): Promise<SelectorSizes> {
    return this.#look.selectors(signal);
  }

  schema(signal: AbortSignal): Promise<SchemaEvents> {
    return this.#look.schema(signal);
  }

  explain(request: RowRequest, signal: AbortSignal): Promise<Explanation> {
    const { core, driver, url } = this.#parts;
    const parts = {
      ...{ store: core.tail.store, clock: core.clock, url, tables: () => driver.tables },
      readersOf: (selectors: readonly string[]) =>
        core
          .look((state) => readersOf(state, selectors, READERS_MAX))
          .map((reader) => ({ ...reader, lagS: this.#times.lagS(reader.position) })),
    };
    return explainRow(parts, request, signal);
  }

  rejected(): RejectedWrites {
    return this.#refusals.told;
  }
}
