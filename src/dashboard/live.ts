/** The live view of the engine: whole at first, then patched. What was last known stays while the connection is away. */
import type { Sample } from '../protocol/dashboard.ts';
import { applyPatch, type JsonObject } from '../protocol/merge-patch.ts';
import { type Connection, EventStream } from './stream.ts';

export type LiveState = {
  readonly connection: Connection;
  /** Null until the first one came. */
  readonly view: JsonObject | null;
  readonly samples: readonly Sample[];
  /** When the view was last known to be right. */
  readonly heardAtMs: number;
};

const SAMPLES_MAX = 900;

export class LiveStream {
  readonly #listeners = new Set<() => void>();
  readonly #stream: EventStream;
  #state: LiveState;

  constructor(path: string) {
    this.#state = { connection: { kind: 'connecting' }, view: null, samples: [], heardAtMs: 0 };
    this.#stream = new EventStream({
      path: () => path,
      onEvent: (event, data) => this.#set(this.#changed(event, data)),
      onConnection: (connection) =>
        this.#set({ connection, ...(connection.kind === 'live' ? { heardAtMs: Date.now() } : {}) }),
    });
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Connects with the first listener, and lets go with the last one. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#stream.start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stream.stop();
    };
  }

  #changed(event: string, data: unknown): Partial<LiveState> {
    const { view, samples } = this.#state;
    switch (event) {
      case 'state':
        return { view: data as JsonObject };
      case 'patch':
        return { view: applyPatch(view ?? {}, data as JsonObject) };
      case 'history':
        return { samples: (data as { readonly samples: readonly Sample[] }).samples };
      case 'sample':
        return { samples: [...samples.slice(1 - SAMPLES_MAX), data as Sample] };
      default:
        return {};
    }
  }

  #set(change: Partial<LiveState>): void {
    this.#state = { ...this.#state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}
