/** The few connections over which followed relations are read, however many relations those are. */
import { assert } from '../core/assert.ts';
import { PgSession } from '../postgres/session.ts';

const SESSIONS_MAX = 4;
/** A relation that somebody has locked is asked again later: its connection serves the others meanwhile. */
const LOCK_TIMEOUT = '3s';

export class SessionPool {
  readonly #url: string;
  readonly #idle: PgSession[] = [];
  readonly #waiting: (() => void)[] = [];
  #taken = 0;
  #isClosed = false;

  constructor(url: string) {
    this.#url = url;
  }

  /** Lends a connection; one whose work failed is not used again. Throws `SOURCE_DOWN`, and what the work throws. */
  async use<T>(work: (session: PgSession) => Promise<T>): Promise<T> {
    if (this.#taken < SESSIONS_MAX) this.#taken += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#use(work);
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#taken -= 1;
      else next();
      assert(this.#taken >= 0, 'no more is given back than was lent');
    }
  }

  /** Ends the connections that nobody uses. */
  rest(): void {
    for (const session of this.#idle.splice(0)) void session.end();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#idle.splice(0).map((session) => session.end()));
  }

  async #use<T>(work: (session: PgSession) => Promise<T>): Promise<T> {
    const session = this.#takeIdle() ?? (await this.#connect());
    let isFit = false;
    try {
      const result = await work(session);
      isFit = !session.isLost;
      return result;
    } finally {
      if (!isFit) session.destroy();
      else if (this.#isClosed) void session.end();
      else this.#idle.push(session);
    }
  }

  #takeIdle(): PgSession | undefined {
    for (let session = this.#idle.pop(); session !== undefined; session = this.#idle.pop()) {
      if (!session.isLost) return session;
    }
    return undefined;
  }

  #connect(): Promise<PgSession> {
    return PgSession.connect({ url: this.#url, settings: { lock_timeout: LOCK_TIMEOUT } });
  }
}
