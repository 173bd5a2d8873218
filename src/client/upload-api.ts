/** The server's routes for replicas that write: parameters in, checked answers out. */
import { TidelockError } from '../core/errors.ts';
import { parseLsn, type Ts } from '../core/lsn.ts';
import type { UploadAnswer, UploadHead } from '../core/upload.ts';
import { encodeHead, readUploadAnswer } from '../protocol/upload.ts';
import type { ServerApi } from './server-api.ts';

export type UploadRequest = UploadHead & {
  /** After the first one, without line ends. */
  readonly lines: readonly string[];
  /** Further ones, some thousand at a time. */
  readonly rest?: (() => Iterable<readonly string[]>) | undefined;
};

/** `user` is empty where the server asks for no tokens. */
export type Session = { readonly user: string; readonly selectors: readonly string[] };

export class UploadApi {
  readonly #api: ServerApi;

  constructor(api: ServerApi) {
    this.#api = api;
  }

  /** Without lines it only asks where Postgres stands. Throws what the server refuses, and `PROTOCOL`. */
  async upload(request: UploadRequest, signal: AbortSignal): Promise<UploadAnswer> {
    const { lines, rest, ...head } = request;
    const start = textOf([encodeHead(head), ...lines]);
    const text = rest === undefined ? start : withRest(start, rest());
    return readUploadAnswer(await this.#api.postLines('/v1/upload', text, signal));
  }

  /** Up to where the server's log reaches: for those who may not ask Postgres. */
  async logEnd(signal: AbortSignal): Promise<Ts> {
    const status = (await this.#api.getJson('/v1/status', signal)) as { log?: { upper?: unknown } };
    return parseLsn(String(status?.log?.upper), 'log.upper');
  }

  /** For whom the token is, and the selectors that this user may hold now. */
  async session(signal: AbortSignal): Promise<Session> {
    const answer = await this.#api.getJson('/v1/session', signal);
    const { selectors, user } = (answer ?? {}) as { selectors?: unknown; user?: unknown };
    const isText = (value: unknown): value is string => typeof value === 'string';
    if (Array.isArray(selectors) && selectors.every(isText) && isText(user)) {
      return { user, selectors };
    }
    throw new TidelockError({
      code: 'PROTOCOL',
      message: 'the server’s answer to /v1/session cannot be read',
      hint: 'compare the versions of client and server in /v1/status',
    });
  }
}

function textOf(lines: readonly string[]): string {
  return `${lines.join('\n')}\n`;
}

function* withRest(start: string, rest: Iterable<readonly string[]>): Generator<string> {
  yield start;
  for (const lines of rest) yield textOf(lines);
}
