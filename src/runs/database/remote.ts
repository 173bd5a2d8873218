/**
 * The run database from another host: calls to its server, found by the discovery file.
 *
 * A failure that may pass is tried again, with growing, jittered waits, until it has passed or the named time is over;
 * every try is told. A batch of writes keeps its key, so a lost answer writes nothing twice. Calls that are made in one
 * turn of the event loop travel in one frame.
 */
import { createHash } from 'node:crypto';
import { ERROR_CODES, type ErrorCode, messageOf, TidelockError } from '../../core/errors.ts';
import type {
  RunAccess,
  RunQuery,
  RunQueryResult,
  WriteBatch,
  WriteResult,
} from '../../planner/run-store.ts';
import {
  type AnswerFrame,
  type CallAnswer,
  DIGEST_HEADER,
  RUNS_PREFIX,
  RUNS_PROTOCOL,
  type RunCall,
} from '../../protocol/runs.ts';

/** Of one frame; a server takes 100. */
const CALLS_AT_ONCE = 50;
const WAIT_MS_MIN = 50;
const WAIT_MS_MAX = 5000;
const ANSWER_MS_MAX = 30_000;
/** After so long a caller hears what is wrong, unless it asks for another time. */
const GIVE_UP_MS = 600_000;

/** Failures that may pass by themselves. */
const PASSING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['SERVER_UNREACHABLE', 'OVERLOADED', 'BUSY', 'NOT_READY', 'BAD_FRAME'] as const),
  ...(['OFF_HOME', 'PROTOCOL', 'TIMEOUT'] as const),
]);

export type RemoteOptions = {
  /** Where the server is now; null: nobody knows. Asked before every try: the leader may be another. */
  readonly url: () => string | null;
  readonly token?: string | undefined;
  /** The host where a server is to be started when there is none. */
  readonly home?: string | undefined;
  /** Makes the keys of batches; not to be repeated. */
  readonly newKey: () => string;
  /** In [0, 1). */
  readonly random: () => number;
  /** Every failed try. */
  readonly onTrouble: (error: TidelockError, waitMs: number) => void;
  readonly giveUpMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly fetch?: typeof fetch | undefined;
};

export class RemoteRuns implements RunAccess {
  readonly #options: RemoteOptions;
  /** Of this turn; every caller waits for its own, so they bound it. */
  readonly #waiting: Waiting[] = [];

  constructor(options: RemoteOptions) {
    this.#options = options;
  }

  async write(batch: WriteBatch): Promise<WriteResult> {
    const keyed = { ...batch, key: batch.key ?? this.#options.newKey() };
    const answer = await this.#call({ kind: 'write', batch: keyed });
    if ('written' in answer) return answer.written;
    throw notTheProtocol('a write was not answered as one');
  }

  async read(query: RunQuery): Promise<RunQueryResult> {
    const answer = await this.#call({ kind: 'read', query });
    if ('found' in answer) return answer.found;
    throw notTheProtocol('a question was not answered as one');
  }

  async #call(call: RunCall): Promise<CallAnswer> {
    const { signal, random, onTrouble, giveUpMs = GIVE_UP_MS } = this.#options;
    const deadline = performance.now() + giveUpMs;
    for (let tries = 0; ; tries += 1) {
      signal?.throwIfAborted();
      try {
        return await this.#once(call);
      } catch (error) {
        const known = error instanceof TidelockError ? error : unreachableServer(error);
        const backoff = Math.min(WAIT_MS_MIN * 2 ** Math.min(tries, 10), WAIT_MS_MAX);
        const waitMs = Math.max(retryAfterMs(known), backoff) * (0.5 + random() / 2);
        if (!PASSING.has(known.code) || performance.now() + waitMs > deadline) throw known;
        onTrouble(known, waitMs);
        await pause(waitMs, signal);
      }
    }
  }

  /** Joins the frame of this turn. */
  #once(call: RunCall): Promise<CallAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<CallAnswer>();
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push({ call, resolve, reject });
    return promise;
  }

  #flush(): void {
    const waiting = this.#waiting.splice(0);
    for (let at = 0; at < waiting.length; at += CALLS_AT_ONCE) {
      const part = waiting.slice(at, at + CALLS_AT_ONCE);
      this.#send(part.map(({ call }) => call)).then(
        (answers) => {
          for (const [n, { resolve, reject }] of part.entries())
            settle(answers[n], resolve, reject);
        },
        (error: unknown) => {
          for (const { reject } of part) reject(error);
        },
      );
    }
  }

  async #send(calls: readonly RunCall[]): Promise<readonly CallAnswer[]> {
    const { url, token, fetch: send = fetch, home } = this.#options;
    const where = url();
    if (where === null) throw nobodyServes(home);
    const body = JSON.stringify({ version: RUNS_PROTOCOL, calls });
    const response = await send(`${where}${RUNS_PREFIX}/call`, {
      ...{ method: 'POST', body },
      headers: {
        'content-type': 'application/json',
        [DIGEST_HEADER]: digestOf(body),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const text = await response.text();
    if (!response.ok) throw failureOf(response, text);
    if (response.headers.get(DIGEST_HEADER) !== digestOf(text)) {
      throw new TidelockError({ code: 'BAD_FRAME', message: 'the answer has another digest' });
    }
    return answersOf(text);
  }
}

type Waiting = {
  readonly call: RunCall;
  readonly resolve: (answer: CallAnswer) => void;
  readonly reject: (error: unknown) => void;
};

function settle(
  answer: CallAnswer | undefined,
  resolve: Waiting['resolve'],
  reject: Waiting['reject'],
): void {
  if (answer === undefined) reject(notTheProtocol('a call has no answer'));
  else if ('error' in answer) reject(errorOf(answer.error));
  else resolve(answer);
}

function answersOf(text: string): readonly CallAnswer[] {
  const { version, answers } = JSON.parse(text) as AnswerFrame;
  if (version === RUNS_PROTOCOL && Array.isArray(answers)) return answers;
  throw notTheProtocol(`version ${version} is answered`);
}

function errorOf(wire: { readonly code: string; readonly message: string; hint?: unknown }) {
  const code = Object.hasOwn(ERROR_CODES, wire.code) ? (wire.code as ErrorCode) : 'PROTOCOL';
  const hint = typeof wire.hint === 'string' ? wire.hint : undefined;
  return new TidelockError({ code, message: wire.message, hint });
}

/** What an answer that is none says. */
export function failureOf(response: Response, text: string): TidelockError {
  const afterS = Number(response.headers.get('retry-after') ?? 0);
  const details = { retryAfterMs: Number.isFinite(afterS) ? afterS * 1000 : 0 };
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string } };
    const { code, message, hint } = errorOf(error);
    return new TidelockError({ code, message, hint, details });
  } catch {
    return new TidelockError({
      code: response.status >= 500 ? 'SERVER_UNREACHABLE' : 'PROTOCOL',
      message: `the server answered with status ${response.status}`,
      details,
    });
  }
}

function retryAfterMs({ details }: TidelockError): number {
  return typeof details?.retryAfterMs === 'number' ? details.retryAfterMs : 0;
}

export function nobodyServes(home = 'its home host'): TidelockError {
  return new TidelockError({
    code: 'OFF_HOME',
    message: `no server of this area is known; ${home} is its home`,
    hint: `start it on ${home}: tidelock runs serve --host <name or address of ${home}>`,
  });
}

export function unreachableServer(cause: unknown): TidelockError {
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: `the server of the area does not answer: ${messageOf(cause)}`,
    cause,
  });
}

function notTheProtocol(message: string): TidelockError {
  return new TidelockError({ code: 'PROTOCOL', message });
}

function digestOf(text: string): string {
  return `sha-256=${createHash('sha256').update(text).digest('hex')}`;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
