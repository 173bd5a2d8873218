/** The ports through which the client meets the world. src/index.ts fits them to Node. */

export type HttpRequest = {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Starts with `/`; relative to the server's address. */
  readonly path: string;
  readonly accept: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /**
   * Sent as it is, as NDJSON, in the place of `body`; the transport may compress it. A long text comes in blocks of whole
   * lines, and is never held as a whole.
   */
  readonly lines?: string | Iterable<string>;
  readonly signal: AbortSignal;
};

export type HttpAnswer = {
  readonly status: number;
  header(name: string): string | null;
  /** Ends with an error when the connection breaks before the answer is complete. */
  readonly body: AsyncIterable<Uint8Array>;
};

export interface Transport {
  /** Adds the token. Rejects when there is no answer, and when `signal` aborts. */
  request(request: HttpRequest): Promise<HttpAnswer>;
}

/** Time and its timers. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Calls back once, at the earliest after `delayMs`. The result cancels. */
  after(delayMs: number, callback: () => void): () => void;
}
