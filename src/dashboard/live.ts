/**
 * One live view of the server, over server-sent events: whole at first, then patched.
 *
 *   connecting --first event--> live --cut, silent--> waiting --time--> connecting
 *                connecting --401, 403--> refused --token--> connecting
 *
 * What was last known stays while the connection is away.
 */
import type { Sample } from '../protocol/dashboard.ts';
import { applyPatch, type JsonObject } from '../protocol/merge-patch.ts';
import { type ApiError, authorization, errorOf, onToken } from './api.ts';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'waiting'; readonly reason: string; readonly untilMs: number }
  | { readonly kind: 'refused'; readonly error: ApiError };

export type LiveState = {
  readonly connection: Connection;
  /** Null until the first one came. */
  readonly view: JsonObject | null;
  readonly samples: readonly Sample[];
  /** When the view was last known to be right. */
  readonly heardAtMs: number;
};

/** The server says something at least every ten seconds. */
const SILENCE_MS = 25_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 8000;
const SAMPLES_MAX = 900;

export class LiveStream {
  readonly #path: string;
  readonly #listeners = new Set<() => void>();
  #state: LiveState;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #failures = 0;

  constructor(path: string) {
    this.#path = path;
    this.#state = { connection: { kind: 'connecting' }, view: null, samples: [], heardAtMs: 0 };
    onToken(() => this.#restart());
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Connects with the first listener, and lets go with the last one. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#restart();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stop();
    };
  }

  #restart(): void {
    this.#stop();
    if (this.#listeners.size === 0) return;
    this.#set({ connection: { kind: 'connecting' } });
    void this.#run();
  }

  #stop(): void {
    this.#abort?.abort();
    this.#abort = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    let reason = 'the server ended the stream';
    try {
      const response = await fetch(this.#path, { headers: authorization(), signal: abort.signal });
      if (!response.ok) {
        const error = await errorOf(response);
        if (response.status === 401 || response.status === 403) {
          this.#set({ connection: { kind: 'refused', error } });
          return;
        }
        reason = error.message;
      } else if (response.body !== null) await this.#read(response.body, abort);
    } catch {
      reason = 'the server cannot be reached';
    }
    if (this.#abort === abort) this.#retry(reason);
  }

  #retry(reason: string): void {
    const delay =
      Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#set({ connection: { kind: 'waiting', reason, untilMs: Date.now() + delay } });
    this.#timer = setTimeout(() => this.#restart(), delay);
  }

  async #read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    let silence = setTimeout(() => abort.abort(), SILENCE_MS);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = setTimeout(() => this.#silent(abort), SILENCE_MS);
        text += decoder.decode(value, { stream: true });
        const end = text.lastIndexOf('\n\n');
        if (end < 0) continue;
        for (const block of text.slice(0, end).split('\n\n')) this.#take(block);
        text = text.slice(end + 2);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #silent(abort: AbortController): void {
    if (this.#abort !== abort) return;
    abort.abort();
    this.#abort = null;
    this.#retry('the server says nothing');
  }

  #take(block: string): void {
    const event = /^event: (.+)$/m.exec(block)?.[1];
    const data = /^data: (.+)$/m.exec(block)?.[1];
    this.#failures = 0;
    const heard: Partial<LiveState> = { connection: { kind: 'live' }, heardAtMs: Date.now() };
    if (event === undefined || data === undefined) {
      this.#set(heard);
      return;
    }
    this.#set({ ...heard, ...this.#changed(event, JSON.parse(data)) });
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
