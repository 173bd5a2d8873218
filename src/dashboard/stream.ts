/**
 * One stream of server-sent events that connects again by itself.
 *
 *   connecting --first event--> live --cut, silent--> waiting --time--> connecting
 *                connecting --401, 403--> refused --token--> connecting
 */
import { ApiError, authorization, errorOf, onToken } from './api.ts';

export type Connection =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'live' }
  | { readonly kind: 'waiting'; readonly reason: string; readonly untilMs: number }
  | { readonly kind: 'refused'; readonly error: ApiError };

/** The server says something at least every ten seconds. */
const SILENCE_MS = 25_000;
const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 8000;

/** Only another token can help. */
const REFUSALS: ReadonlySet<string> = new Set(['TOKEN_INVALID', 'TOKEN_FORBIDS']);

export type StreamOptions = {
  /** Asked before each connection: it may go on from where the last one ended. */
  readonly path: () => string | Promise<string>;
  readonly onEvent: (event: string, data: unknown) => void;
  readonly onConnection: (connection: Connection) => void;
};

export class EventStream {
  readonly #options: StreamOptions;
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #failures = 0;
  #isWanted = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    onToken(() => this.#restart());
  }

  start(): void {
    this.#isWanted = true;
    this.#restart();
  }

  stop(): void {
    this.#isWanted = false;
    this.#cut();
  }

  #restart(): void {
    this.#cut();
    if (!this.#isWanted) return;
    this.#options.onConnection({ kind: 'connecting' });
    void this.#run();
  }

  #cut(): void {
    this.#abort?.abort();
    this.#abort = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  async #run(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    const reason = await this.#connect(abort);
    if (reason !== null && this.#abort === abort) this.#retry(reason);
  }

  /** Why it ended; null when only another token can help. */
  async #connect(abort: AbortController): Promise<string | null> {
    try {
      const path = await this.#options.path();
      const response = await fetch(path, { headers: authorization(), signal: abort.signal });
      if (response.ok && response.body !== null) {
        await this.#read(response.body, abort);
        return 'the server ended the stream';
      }
      return this.#failed(await errorOf(response));
    } catch (error) {
      // What is asked before each connection may be refused too.
      if (error instanceof ApiError && !abort.signal.aborted) return this.#failed(error);
      return 'the server cannot be reached';
    }
  }

  #failed(error: ApiError): string | null {
    if (!REFUSALS.has(error.code)) return error.message;
    this.#options.onConnection({ kind: 'refused', error });
    return null;
  }

  #retry(reason: string): void {
    const step = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failures);
    const delay = step * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.#options.onConnection({ kind: 'waiting', reason, untilMs: Date.now() + delay });
    this.#timer = setTimeout(() => this.#restart(), delay);
  }

  async #read(body: ReadableStream<Uint8Array>, abort: AbortController): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = '';
    let silence = this.#watch(abort);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(silence);
        silence = this.#watch(abort);
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

  #watch(abort: AbortController): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      if (this.#abort !== abort) return;
      this.#cut();
      this.#retry('the server says nothing');
    }, SILENCE_MS);
  }

  #take(block: string): void {
    const event = /^event: (.+)$/m.exec(block)?.[1];
    const data = /^data: (.+)$/m.exec(block)?.[1];
    if (event === 'error') throw failureOf(data ?? '{}');
    this.#failures = 0;
    this.#options.onConnection({ kind: 'live' });
    if (event !== undefined && data !== undefined) this.#options.onEvent(event, JSON.parse(data));
  }
}

/** What a stream says before it ends because it failed: the body that an answer would have had. */
function failureOf(data: string): ApiError {
  const { error } = JSON.parse(data) as {
    readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  };
  return new ApiError(error?.code ?? 'INTERNAL', error?.message ?? 'it failed', error?.hint ?? '');
}
