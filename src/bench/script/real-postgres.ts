/** Postgres in a script: a database of its own, sessions that stay open, statements that wait for each other. */
import { randomUUID } from 'node:crypto';
import { type PlainAnswer, PlainSession } from '../../postgres/plain-session.ts';
import type { Call } from '../../script/run.ts';
import { until } from '../until.ts';
import { type OwnPostgres, startOwnPostgres } from './own-postgres.ts';
import { answerText } from './print-table.ts';
import { verbOf } from './real-names.ts';

const WAIT_MS_MAX = 20_000;
const FREE_MS_MAX = 20_000;
/** Nothing but a script kills it, so the disk need not be waited for; the slot is stored when the script says so. */
const OWN_SETTINGS = { fsync: 'off', checkpoint_timeout: '1h', max_wal_size: '2GB' };

type Session = {
  readonly connection: PlainSession;
  /** A statement that was started and not awaited. */
  running: Promise<PlainAnswer> | null;
  answer: PlainAnswer | null;
};

export class RealPostgres {
  /** Name of the database; also of slot and publication. */
  readonly name: string;
  readonly url: string;
  readonly #adminUrl: string;
  readonly #signal: AbortSignal;
  readonly #sessions = new Map<string, Session>();
  #plain: PlainSession;
  readonly #own: OwnPostgres | null;
  #thaw: (() => void) | null = null;

  private constructor(options: {
    readonly name: string;
    readonly url: string;
    readonly adminUrl: string;
    readonly plain: PlainSession;
    readonly own: OwnPostgres | null;
    readonly signal: AbortSignal;
  }) {
    this.name = options.name;
    this.url = options.url;
    this.#adminUrl = options.adminUrl;
    this.#plain = options.plain;
    this.#own = options.own;
    this.#signal = options.signal;
  }

  /** A server for one script alone. */
  static async openOwn(signal: AbortSignal): Promise<RealPostgres> {
    const own = await startOwnPostgres(OWN_SETTINGS);
    try {
      return await RealPostgres.open(own.postgres.url, signal, own);
    } catch (error) {
      await own.end();
      throw error;
    }
  }

  static async open(
    adminUrl: string,
    signal: AbortSignal,
    own: OwnPostgres | null = null,
  ): Promise<RealPostgres> {
    const name = `s_${randomUUID().replaceAll('-', '').slice(0, 16)}`;
    await asAdmin(adminUrl, `CREATE DATABASE ${name}`);
    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    const plain = await PlainSession.connect(url.href);
    return new RealPostgres({ name, url: url.href, adminUrl, plain, own, signal });
  }

  /** Runs a batch on the shared connection, or on that of `session`. */
  async sql({ args, input }: Call): Promise<string> {
    const role = args.optional('as');
    const sql = role === undefined ? input : `SET ROLE ${quoted(role)};\n${input}`;
    const session = args.optional('session');
    const answer = await (session === undefined
      ? this.#plain.run(sql)
      : (await this.#session(session)).connection.run(sql));
    if (role === undefined) return answerText(answer);
    await (session === undefined ? this.#plain : (await this.#session(session)).connection).run(
      'RESET ROLE',
    );
    return answerText(answer).replace(/^SET\n/, '');
  }

  /** Starts a batch and returns when it is done or waits for a lock: `done` or `blocked`. */
  async start({ args, input }: Call): Promise<string> {
    const session = await this.#session(args.text('session'));
    if (session.running !== null) {
      throw args.error('session', 'it runs something already', 'await it first');
    }
    session.answer = null;
    session.running = session.connection.run(input).then((answer) => {
      session.answer = answer;
      return answer;
    });
    return this.#settled(session);
  }

  /** The end of what was started. */
  async await({ args }: Call): Promise<string> {
    const session = this.#started(args.text('session'));
    if (session?.running == null) {
      throw args.error('session', 'it runs nothing', 'start it first');
    }
    await until('the statement ends', () => session.answer !== null, this.#wait);
    const answer = await session.running;
    session.running = null;
    return answerText(answer);
  }

  async cancel({ args }: Call): Promise<string> {
    const session = this.#started(args.text('session'));
    if (session === undefined) throw args.error('session', 'it runs nothing', 'start it first');
    await this.#plain.run(`SELECT pg_cancel_backend(${session.connection.pid})`);
    return '';
  }

  /** One value of the shared connection. */
  async ask(sql: string): Promise<string | null> {
    const answer = await this.#plain.run(sql);
    if (answer.kind === 'refused') throw new Error(`${sql}: ${answer.message}`);
    return answer.results.at(-1)?.rows[0]?.[0] ?? null;
  }

  async run(sql: string): Promise<PlainAnswer> {
    return this.#plain.run(sql);
  }

  /** The end of everything that is committed now. */
  async position(): Promise<string> {
    return (await this.ask('SELECT pg_current_wal_insert_lsn()::text')) ?? '';
  }

  /** `postgres kill|stop|start|freeze|thaw|copy|restore`. */
  async power({ args }: Call): Promise<string> {
    const verb = verbOf(args, ['kill', 'stop', 'start', 'freeze', 'thaw', 'copy', 'restore']);
    const own = this.#own;
    if (own === null) {
      throw args.error(verb, 'this Postgres is for all files', 'add to the top: #: postgres=own');
    }
    const { postgres } = own;
    if (verb === 'kill' || verb === 'stop') await this.#disconnect();
    if (verb === 'kill') postgres.kill();
    if (verb === 'stop') await postgres.stop();
    if (verb === 'copy') own.keepCopy();
    if (verb === 'restore') own.goBack();
    if (verb === 'freeze') this.#thaw = await own.freeze();
    if (verb === 'thaw') this.#goOn();
    if (verb !== 'start') return '';
    await postgres.restart();
    this.#plain = await PlainSession.connect(this.url);
    return '';
  }

  #goOn(): void {
    this.#thaw?.();
    this.#thaw = null;
  }

  /** What was open goes with the server. */
  async #disconnect(): Promise<void> {
    for (const { connection } of this.#sessions.values()) await connection.end();
    this.#sessions.clear();
    await this.#plain.end();
  }

  /** Removes what the script has made, also what its server left behind. */
  async close(): Promise<void> {
    this.#goOn();
    await this.#disconnect();
    if (this.#own !== null) return this.#own.end();
    const slot = `slot_name = '${this.name}'`;
    const free = `SELECT 1 FROM pg_replication_slots WHERE ${slot} AND active`;
    const wait = { limitMs: FREE_MS_MAX, signal: new AbortController().signal };
    await until('the slot is free', async () => (await asAdmin(this.#adminUrl, free)) === 0, wait);
    const drop = `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE ${slot}`;
    await asAdmin(this.#adminUrl, drop);
    await asAdmin(this.#adminUrl, `DROP DATABASE ${this.name} WITH (FORCE)`);
  }

  async #session(name: string): Promise<Session> {
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const connection = await PlainSession.connect(this.url);
    const session: Session = { connection, running: null, answer: null };
    this.#sessions.set(name, session);
    return session;
  }

  #started(name: string): Session | undefined {
    return this.#sessions.get(name);
  }

  async #settled(session: Session): Promise<string> {
    const isBlocked = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${session.connection.pid} AND wait_event_type = 'Lock'`;
    return until(
      'the statement ends or waits for a lock',
      async () => {
        if (session.answer !== null) return 'done\n';
        return (await this.ask(isBlocked)) === '1' && 'blocked\n';
      },
      this.#wait,
    );
  }

  get #wait() {
    return { limitMs: WAIT_MS_MAX, signal: this.#signal };
  }
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Number of rows of the answer. */
async function asAdmin(url: string, sql: string): Promise<number> {
  const admin = await PlainSession.connect(url);
  try {
    const answer = await admin.run(sql);
    if (answer.kind === 'refused') throw new Error(`${sql}: ${answer.message}`);
    return answer.results[0]?.rows.length ?? 0;
  } finally {
    await admin.end();
  }
}
