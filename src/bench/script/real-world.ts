/**
 * The world of scripts over the whole product: a Postgres, a server in a process of its own, replicas in processes of
 * their own, and a link to each of them. Nothing in it sleeps: a directive returns when what it is about has happened.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Arguments } from '../../script/arguments.ts';
import { ScriptError } from '../../script/errors.ts';
import type { Call } from '../../script/run.ts';
import { systemClock } from '../../server/clock.ts';
import { issueToken } from '../../server/tokens.ts';
import { until } from '../until.ts';
import { Link } from './link.ts';
import { PostgresLink } from './postgres-link.ts';
import { equality } from './real-equality.ts';
import { fault, file, tear } from './real-faults.ts';
import { linkDirectives } from './real-links.ts';
import { type Directives, durationIn, partyOf, positionIn, verbOf } from './real-names.ts';
import type { RealParts } from './real-parts.ts';
import { RealPostgres } from './real-postgres.ts';
import { RealReplica, trapAtOpen } from './real-replica.ts';
import { RealServer } from './real-server.ts';
import { show } from './real-show.ts';
import { twoway } from './real-twoway.ts';
import type { World, WorldContext } from './world.ts';

const WAIT_MS_MAX = 20_000;
const TOKEN_LIFETIME_S = 3600;

export async function openRealWorld(context: WorldContext): Promise<World> {
  const { signal, profile, file: path } = context;
  if (profile !== undefined) {
    const place = { file: path, line: 1, column: 1 };
    throw new ScriptError(place, `the real world has no profile ${profile}`, 'leave it out');
  }
  const dir = mkdtempSync(join(tmpdir(), 'tidelock-real-'));
  try {
    const postgres =
      context.settings.postgres === 'own'
        ? await RealPostgres.openOwn(signal)
        : await RealPostgres.open(await context.postgres(), signal);
    const source = await PostgresLink.start(postgres.url);
    return new RealWorld({ dir, postgres, source, plant: context.plant ?? null, signal });
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

class RealWorld implements World {
  readonly #dir: string;
  readonly #postgres: RealPostgres;
  readonly #source: PostgresLink;
  readonly #plant: RealParts['plant'];
  readonly #server: RealServer;
  readonly #replicas = new Map<string, RealReplica>();
  readonly #signal: AbortSignal;
  readonly #directives: Directives;

  constructor(own: Pick<RealParts, 'dir' | 'postgres' | 'source' | 'plant' | 'signal'>) {
    this.#dir = own.dir;
    this.#postgres = own.postgres;
    this.#source = own.source;
    this.#plant = own.plant;
    this.#signal = own.signal;
    this.#server = new RealServer(own);
    const parts: RealParts = { ...own, server: this.#server, replicas: this.#replicas };
    this.#directives = {
      sql: (call) => this.#sql(call),
      start: (call) => this.#postgres.start(call),
      await: (call) => this.#await(call),
      cancel: (call) => this.#postgres.cancel(call),
      position: async () => `${await this.#postgres.position()}\n`,
      server: (call) => this.#server.server(call),
      postgres: (call) => this.#postgres.power(call),
      replica: (call) => this.#replica(call),
      wait: (call) => this.#wait(call),
      crash: (call) => this.#crash(call),
      clock: (call) => this.#clock(call),
      twoway: (call) => twoway(call, parts),
      lease: (call) => this.#lease(call),
      ...this.#linkDirectives(),
      verify: (call) => equality(call, parts),
      show: (call) => show(call, parts),
      fault: (call) => fault(call, parts),
      tear: (call) => tear(call, parts),
      file: (call) => file(call, parts),
    };
  }

  folders = (): readonly string[] => [this.#dir];

  handle(call: Call): string | Promise<string> {
    const directive = this.#directives[call.command];
    if (directive !== undefined) return directive(call);
    const remedy = `one of: ${Object.keys(this.#directives).sort().join(', ')}`;
    throw new ScriptError(call.place, `there is no directive ${call.command}`, remedy);
  }

  async close(): Promise<void> {
    for (const replica of this.#replicas.values()) await replica.close();
    await this.#server.close();
    await this.#source.close();
    await this.#postgres.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #sql(call: Call): string | Promise<string> {
    const party = partyOf(call.args, 'on', ['pg', 'replica']);
    if (party.kind === 'pg') return this.#postgres.sql(call);
    return this.#named(call.args, 'on', party.name).sql(call.input);
  }

  /** `await session=s`, or `await crash on=server`. */
  #await(call: Call): Promise<string> {
    if (!call.args.flag('crash')) return this.#postgres.await(call);
    const party = partyOf(call.args, 'on', ['server', 'replica']);
    if (party.kind === 'server') return this.#server.crashed();
    return this.#named(call.args, 'on', party.name).crashed();
  }

  async #crash(call: Call): Promise<string> {
    const party = partyOf(call.args, 'on', ['server', 'replica']);
    if (party.kind === 'server') await this.#server.trap(call);
    else await this.#named(call.args, 'on', party.name).trap(call.args);
    return '';
  }

  /** `clock add=` lets the server's time pass; `clock skew= on=` makes a wall clock wrong. */
  async #clock(call: Call): Promise<string> {
    if (call.args.optional('skew') === undefined) return this.#server.clock(call);
    const party = partyOf(call.args, 'on', ['server', 'replica']);
    const ms = durationIn(call.args, 'skew');
    if (party.kind === 'server') await this.#server.skew(ms, call.args);
    else await this.#named(call.args, 'on', party.name).skew(ms);
    return '';
  }

  async #replica({ args }: Call): Promise<string> {
    const verb = verbOf(args, ['open', 'close', 'kill', 'freeze', 'thaw', 'resnapshot']);
    const name = args.text('name');
    if (verb === 'open') return this.#open(args, name);
    const replica = this.#named(args, 'name', name);
    if (verb === 'freeze') replica.freeze(args);
    if (verb === 'thaw') replica.thaw(args);
    if (verb === 'kill') await replica.kill();
    if (verb === 'close') await replica.stop(args);
    if (verb !== 'resnapshot') return '';
    await replica.kill();
    replica.remove();
    return replica.open({}, !args.flag('nowait'));
  }

  /** What was said at the first open holds for later ones, unless they say otherwise. */
  async #open(args: Arguments, name: string): Promise<string> {
    const known = this.#replicas.get(name);
    if (known?.isAlive === true) throw args.error('name', `${name} runs`, 'close or kill it first');
    const selectors = args.list('selectors');
    const user = args.optional('as');
    const settings = {
      ...(selectors.length > 0 ? { selectors } : {}),
      ...(user === undefined ? {} : { token: await this.#token(user) }),
      ...(args.flag('write') ? { write: true } : {}),
      repair: args.flag('repair'),
      trap: trapAtOpen(args),
    };
    const replica = known ?? (await this.#newReplica(name));
    return replica.open(settings, !args.flag('nowait'));
  }

  async #newReplica(name: string): Promise<RealReplica> {
    const link = await Link.start(() => this.#server.url);
    const file = join(this.#dir, `${name}.db`);
    const settings = { server: link.url, selectors: [], file, token: null, write: false };
    const replica = new RealReplica({
      ...{ link, signal: this.#signal },
      settings: { ...settings, repair: false, skewMs: 0, trap: null, plant: this.#plant },
    });
    this.#replicas.set(name, replica);
    return replica;
  }

  async #token(user: string): Promise<string | null> {
    const { secret } = this.#server;
    if (secret === null) return null;
    const request = { secret, subject: user, claims: {}, lifetimeS: TOKEN_LIFETIME_S };
    return issueToken({ ...request, selectors: [], scopes: ['read', 'write'] }, systemClock);
  }

  /** Waits for a position, an event, local writes, or for SQL (the input) to give `t`. */
  async #wait(call: Call): Promise<string> {
    const { args } = call;
    const party = partyOf(args, 'on', ['pg', 'server', 'replica']);
    if (party.kind === 'pg') return this.#until(call, (sql) => this.#postgres.ask(sql));
    if (party.kind === 'server') return this.#server.reach(call);
    const replica = this.#named(args, 'on', party.name);
    if (args.flag('ready')) return replica.ready();
    if (args.flag('writes')) return replica.written(args);
    const event = args.optional('event');
    if (event !== undefined) return replica.event(event, args);
    if (call.input !== '') return this.#until(call, (sql) => replica.sql(sql));
    return replica.reach(positionIn(call) ?? (await this.#postgres.position()), args);
  }

  /** Asks until one value says so; on timeout the last one is the output. */
  async #until(
    { input }: Call,
    ask: (sql: string) => string | null | Promise<string | null>,
  ): Promise<string> {
    let last: string | null = null;
    const isTrue = async (): Promise<boolean> => {
      last = await ask(input);
      return last === 't' || last?.trimEnd().endsWith('\n1') === true;
    };
    const wait = { limitMs: WAIT_MS_MAX, signal: this.#signal };
    try {
      await until('the condition holds', isTrue, wait);
      return '';
    } catch (error) {
      this.#signal.throwIfAborted();
      if (last === null) throw error;
      return `error: TIMEOUT the last value was:\n${last}`;
    }
  }

  /** `lease name=a` tells how far the replica's lease is; with `end` it goes. */
  async #lease({ args }: Call): Promise<string> {
    const { leases } = await this.#server.status();
    if (args.flag('end')) {
      for (const { replica } of leases) {
        await this.#server.fetch(`/v1/leases/${replica}`, { method: 'DELETE' });
      }
    }
    return leases.length === 0 ? '(none)\n' : leases.map(({ ts }) => `lease at ${ts}\n`).join('');
  }

  #linkDirectives(): Directives {
    const links = {
      source: this.#source,
      linkOf: (args: Arguments, name: string) => this.#named(args, 'link', name).link,
    };
    return linkDirectives(links, { limitMs: WAIT_MS_MAX, signal: this.#signal });
  }

  #named(args: Arguments, key: string, name: string): RealReplica {
    const replica = this.#replicas.get(name);
    if (replica !== undefined) return replica;
    const remedy = `open it first: replica open name=${name} selectors=(...)`;
    throw args.error(key, `there is no replica ${name}`, remedy);
  }
}
