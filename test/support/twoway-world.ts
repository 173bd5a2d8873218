/** Two-way tables under row-level security, with real tokens: what a user receives, as bytes. */
import { readdirSync, readFileSync } from 'node:fs';
import { inject, onTestFinished } from 'vitest';
import { parseLsn } from '../../src/core/lsn.ts';
import { PgSession } from '../../src/postgres/session.ts';
import { enableTwoway } from '../../src/postgres/twoway/enable.ts';
import { openReplicaWith, type Replica } from '../../src/replica.ts';
import { systemClock } from '../../src/server/clock.ts';
import { NO_TOKENS } from '../../src/server/config.ts';
import { issueToken } from '../../src/server/tokens.ts';
import { Stack } from './stack.ts';

const SECRET = 'a secret of more than thirty-two bytes';
const SQLITE = 'application/vnd.sqlite3';

export type TwowayWorldOptions = {
  readonly schema: string;
  /** Enabled before the server starts. */
  readonly tables: readonly string[];
};

export class TwowayWorld {
  readonly stack: Stack;
  readonly session: PgSession;

  private constructor(stack: Stack, session: PgSession) {
    this.stack = stack;
    this.session = session;
  }

  /** Ends with the test that asks. */
  static async open({ schema, tables }: TwowayWorldOptions): Promise<TwowayWorld> {
    const stack = await Stack.prepare({
      ...{ postgresUrl: inject('postgresUrl'), schema: 'SELECT', tables: {} },
      server: { tokens: { ...NO_TOKENS, secrets: [SECRET] } },
    });
    onTestFinished(() => stack.close());
    const session = await PgSession.connect({ url: stack.url });
    onTestFinished(() => session.end());
    // Policies call functions that come with the first table.
    await session.query('CREATE TABLE public.first (id text PRIMARY KEY)');
    await enableTwoway(session, { table: 'public.first' });
    await stack.sql.query(schema);
    for (const table of tables) await enableTwoway(session, { table });
    await stack.start();
    return new TwowayWorld(stack, session);
  }

  token(userid: string, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const request = { secret: SECRET, subject: userid, claims, lifetimeS: 600 };
    return issueToken({ ...request, selectors: [], scopes: ['read', 'write'] }, systemClock);
  }

  /** The end of everything that is committed now, which is in the log when this resolves. */
  async logged(): Promise<string> {
    const position = await this.stack.position();
    await this.stack.engine.waitFor(
      parseLsn(position, 'here'),
      20_000,
      new AbortController().signal,
    );
    return position;
  }

  /** One answer of the server for this token, whatever its status. */
  async get(
    token: string,
    path: string,
    accept = 'application/x-ndjson, application/json',
  ): Promise<Buffer> {
    const answer = await fetch(`${this.stack.server}${path}`, {
      headers: { authorization: `Bearer ${token}`, accept },
    });
    return Buffer.from(await answer.arrayBuffer());
  }

  async selectorsOf(token: string): Promise<readonly string[]> {
    const session = JSON.parse(String(await this.get(token, '/v1/session'))) as {
      selectors: string[];
    };
    return session.selectors;
  }

  async replica(name: string, token: string): Promise<Replica> {
    const selectors = await this.selectorsOf(token);
    const replica = await openReplicaWith(
      { server: this.stack.server, file: this.stack.file(name), selectors, token },
      { heartbeatS: 1 },
    );
    onTestFinished(() => replica.close());
    return replica;
  }

  /** Everything that a user can get out of the server since `since`, by what was asked; errors too. */
  async received(token: string, since: string): Promise<ReadonlyMap<string, Buffer>> {
    const own = (await this.selectorsOf(token)).map((one) => `selector=${encodeURIComponent(one)}`);
    const asked = own.join('&');
    const from = encodeURIComponent(since);
    const paths: [string, string?][] = [
      [`/v1/feed?${asked}&since=${from}&follow=0&wait_s=0`],
      [`/v1/snapshot?${asked}`],
      [`/v1/snapshot?${asked}`, SQLITE],
      [`/v1/digest?${asked}&buckets=4`],
      ['/v1/session'],
      ['/v1/tables'],
      ['/v1/status'],
      ...['user:ann', 'user:bob', '*', 'claim.org:x'].flatMap((selector): [string][] => {
        const foreign = `selector=${encodeURIComponent(selector)}`;
        return [[`/v1/feed?${foreign}&since=${from}&follow=0`], [`/v1/snapshot?${foreign}`]];
      }),
    ];
    const found = new Map<string, Buffer>();
    for (const [path, accept] of paths) {
      found.set(`${path} ${accept ?? ''}`, await this.get(token, path, accept));
    }
    return found;
  }

  /** The bytes of a replica's files, free pages and journal included. */
  fileBytes(name: string): Buffer {
    const files = readdirSync(this.stack.dir).filter((one) => one.startsWith(`${name}.db`));
    return Buffer.concat(
      files
        .filter((one) => !one.endsWith('-shm'))
        .map((one) => readFileSync(`${this.stack.dir}/${one}`)),
    );
  }
}
