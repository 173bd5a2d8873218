/**
 * Follows a Lockstep stream: reads objects, hands them on together with the position that may be stored once they
 * are processed, and connects again from there for ever.
 *
 *   connecting --2xx--> reading --end, error or silence--> waiting --time over--> connecting
 *   connecting --4xx--> failed
 */
import { hasCode, messageOf, TidelockError } from '../core/errors.ts';
import type { HttpAnswer, Transport } from './transport.ts';

/** Opaque: a number or a text, as the server gave it. */
export type LockstepPosition = number | string;

export type LockstepRow = {
  readonly txid: number | string;
  readonly since: LockstepPosition;
  readonly deleted: boolean;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
};

export type LockstepControl = {
  readonly control: true;
  readonly type: string;
  readonly since?: LockstepPosition;
  readonly error?: { readonly code: string; readonly message: string };
};

/** What one read of the network brought. */
export type LockstepBatch = {
  readonly rows: readonly LockstepRow[];
  readonly controls: readonly LockstepControl[];
  /** Both in their order, and heartbeats of whatever form. */
  readonly objects: readonly object[];
  /** The position after all of it. */
  readonly since: LockstepPosition;
};

export type LockstepFollowerOptions = {
  readonly transport: Transport;
  /** `/lockstep/domains`, with the query but without `since`. */
  readonly path: string;
  readonly since: LockstepPosition;
  /** False: end when the server ends properly. */
  readonly isFollowing: boolean;
  /** Must be done with the batch, durably, when it returns. What it throws ends the following. */
  readonly onBatch: (batch: LockstepBatch) => void;
  readonly onTrouble: (reason: string, retryMs: number) => void;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
};

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;
/** As the original client: whoever says nothing for so long is gone. */
const SILENCE_MS = 60_000;
/** A row is at most what one value of Postgres may be, in JSON. */
/** Ends of a stream that coming back does not mend: the server would say the same. */
const LASTING = ['TOO_OLD', 'TIMELINE_CHANGED', 'BAD_POSITION'] as const;
const LINE_CHARS_MAX = 256 * 1024 * 1024;
const EXCERPT_CHARS = 120;

/** Resolves when the signal aborts, or at the server's proper end without `isFollowing`. Throws what waiting cannot mend. */
export async function followLockstep(options: LockstepFollowerOptions): Promise<void> {
  const { signal, isFollowing, onTrouble } = options;
  let { since } = options;
  let retryMs = RETRY_MS_MIN;
  while (!signal.aborted) {
    try {
      await readOnce({
        ...options,
        since,
        onBatch: (batch) => {
          options.onBatch(batch);
          since = batch.since;
          if (isWhole(batch)) retryMs = RETRY_MS_MIN;
        },
      });
      if (!isFollowing) return;
    } catch (error) {
      if (signal.aborted) return;
      if (!isPassing(error)) throw error;
      onTrouble(messageOf(error), retryMs);
    }
    // Also behind a proper end: a server that ends every stream at once is not asked without a pause.
    await options.sleep(retryMs, signal).catch(() => undefined); // aborted
    retryMs = Math.min(RETRY_MS_MAX, retryMs * 2);
  }
}

/** A group of rows was completed. A stream that breaks before each time is asked less and less often. */
function isWhole({ controls }: LockstepBatch): boolean {
  return controls.length > 0 && controls.every(({ error }) => error === undefined);
}

async function readOnce(options: LockstepFollowerOptions): Promise<void> {
  const { transport, path, onBatch } = options;
  let { since } = options;
  const silence = new SilenceGuard(options);
  const signal = AbortSignal.any([options.signal, silence.signal]);
  const url = `${path}${path.includes('?') ? '&' : '?'}since=${encodeURIComponent(since)}`;
  try {
    const answer = await transport.request({ method: 'GET', path: url, accept: '*/*', signal });
    if (answer.status !== 200) throw await refusal(answer);
    const lines = new ObjectSplitter();
    for await (const chunk of answer.body) {
      silence.heard();
      const batch = batchOf(lines.push(chunk), since);
      since = batch.since;
      onBatch(batch);
      const failed = batch.controls.find(({ error }) => error !== undefined);
      if (failed?.error !== undefined) throw ended(failed.error);
    }
  } catch (error) {
    if (error instanceof TidelockError || options.signal.aborted) throw error;
    throw unreachable(error, silence.signal.aborted);
  } finally {
    silence.stop();
  }
}

function batchOf(objects: readonly object[], before: LockstepPosition): LockstepBatch {
  const rows: LockstepRow[] = [];
  const controls: LockstepControl[] = [];
  let since = before;
  for (const object of objects) {
    if ('control' in object) controls.push(object as LockstepControl);
    else if ('data' in object) rows.push(object as LockstepRow);
    else if (!('heartbeat' in object)) throw notALine(JSON.stringify(object));
    // In the order of the stream positions never go back.
    if ('since' in object && isPosition(object.since)) since = object.since;
  }
  return { rows, controls, objects, since };
}

function isPosition(value: unknown): value is LockstepPosition {
  return typeof value === 'number' || typeof value === 'string';
}

/** Cuts the body into objects, one a line; blank lines are heartbeats of the oldest servers. */
class ObjectSplitter {
  readonly #decoder = new TextDecoder('utf-8', { fatal: true });
  #carry = '';

  push(chunk: Uint8Array): readonly object[] {
    const text = this.#decoder.decode(chunk, { stream: true });
    const end = text.lastIndexOf('\n');
    const before = this.#carry;
    // Only what is new is looked through: a line of many megabytes comes in thousands of pieces.
    this.#carry = end < 0 ? before + text : text.slice(end + 1);
    if (this.#carry.length > LINE_CHARS_MAX) throw notALine(this.#carry);
    if (end < 0) return [];
    return (before + text.slice(0, end))
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(parseObject);
  }
}

function parseObject(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // told below, with the line
  }
  throw notALine(line);
}

class SilenceGuard {
  readonly #controller = new AbortController();
  readonly #options: LockstepFollowerOptions;
  #stop = new AbortController();

  constructor(options: LockstepFollowerOptions) {
    this.#options = options;
    this.heard();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  heard(): void {
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    this.#options.sleep(SILENCE_MS, stop.signal).then(
      () => this.#controller.abort(),
      () => undefined, // stopped
    );
  }

  stop(): void {
    this.#stop.abort();
  }
}

async function refusal(answer: HttpAnswer): Promise<TidelockError> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of answer.body) {
    if (text.length < EXCERPT_CHARS * 10) text += decoder.decode(chunk, { stream: true });
  }
  const isLasting = answer.status >= 400 && answer.status < 500 && answer.status !== 429;
  return new TidelockError({
    code: isLasting ? 'BAD_REQUEST' : 'SERVER_UNREACHABLE',
    message: `the server answered ${answer.status}: ${toldBy(text)}`,
    hint: isLasting ? 'check the address, the relation and the token' : undefined,
  });
}

function toldBy(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: string; hint?: string } };
    if (error?.message !== undefined) return [error.message, error.hint].filter(Boolean).join('; ');
  } catch {
    // not ours
  }
  return text.slice(0, EXCERPT_CHARS);
}

function isPassing(error: unknown): boolean {
  return hasCode(error, 'SERVER_UNREACHABLE');
}

function ended({ code, message }: { code: string; message: string }): TidelockError {
  const lasting = LASTING.find((name) => name === code);
  if (lasting !== undefined) {
    return new TidelockError({
      code: lasting,
      message: `the stream cannot be resumed: ${message}`,
      hint: 'begin again with since=0 and an empty table: with --db, name a new file or remove this one',
    });
  }
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: `the stream ended: ${code}: ${message}`,
  });
}

function unreachable(cause: unknown, isSilence: boolean): TidelockError {
  return new TidelockError({
    code: 'SERVER_UNREACHABLE',
    message: isSilence ? `nothing came for ${SILENCE_MS / 1000} s` : messageOf(cause),
    cause,
  });
}

function notALine(line: string): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `the server sent something that is no object of a Lockstep stream: ${line.slice(0, EXCERPT_CHARS)}`,
    hint: 'is the address that of /lockstep/<relation>?',
  });
}
