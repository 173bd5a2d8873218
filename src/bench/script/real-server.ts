/** The server of a script: a child process that can be stopped, killed, frozen, and told where to crash. */

import { parseLsn } from '../../core/lsn.ts';
import { ENGINE_CRASH_POINTS } from '../../engine/crash-points.ts';
import type { Arguments } from '../../script/arguments.ts';
import type { Call } from '../../script/run.ts';
import type { BugName } from '../stress/bugs/catalog.ts';
import { until } from '../until.ts';
import { Child } from './child.ts';
import { errorText } from './error-text.ts';
import type { PostgresLink } from './postgres-link.ts';
import { durationIn, positionIn, verbOf } from './real-names.ts';
import type { RealPostgres } from './real-postgres.ts';
import type { ServerCommand, ServerNews, ServerSettings } from './server-program.ts';

/** What `/v1/status` says, as far as scripts look at it. */
export type ServerStatus = {
  readonly timeline: string | null;
  readonly source: { readonly state: string; readonly reason?: string };
  readonly log: {
    readonly upper: string;
    readonly since: string;
    readonly state: string;
    readonly confirmed: string;
  };
  readonly tables: readonly { readonly name: string; readonly state: string }[];
  readonly leases: readonly { readonly replica: string; readonly ts: string }[];
};

const isSource = import.meta.url.endsWith('.ts');
const PROGRAM = new URL(isSource ? './server-program.ts' : './server-program.js', import.meta.url);
const WAIT_MS_MAX = 20_000;
export class RealServer {
  readonly #postgres: RealPostgres;
  readonly #source: PostgresLink;
  readonly #dir: string;
  readonly #plant: BugName | null;
  readonly #signal: AbortSignal;
  #child: Child<ServerNews> | null = null;
  #settings: ServerSettings | null = null;
  #url = '';
  #skewMs = 0;

  constructor(options: {
    readonly postgres: RealPostgres;
    readonly source: PostgresLink;
    readonly dir: string;
    readonly plant: BugName | null;
    readonly signal: AbortSignal;
  }) {
    this.#postgres = options.postgres;
    this.#source = options.source;
    this.#dir = options.dir;
    this.#plant = options.plant;
    this.#signal = options.signal;
  }

  /** Empty until it has listened once; it stays the same. */
  get url(): string {
    return this.#url;
  }

  /** The secret of its tokens; null without tokens. */
  get secret(): string | null {
    return this.#settings?.secret ?? null;
  }

  /** `server start|stop|kill|freeze|thaw`. */
  async server({ args }: Call): Promise<string> {
    switch (verbOf(args, ['start', 'stop', 'kill', 'freeze', 'thaw'])) {
      case 'start':
        return this.#start(args);
      case 'stop':
        this.#living(args).tell({ kind: 'stop' } satisfies ServerCommand);
        await this.#living(args).ended();
        return '';
      case 'kill':
        await this.#living(args).kill();
        return '';
      case 'freeze':
        this.#living(args).freeze();
        return '';
      default:
        this.#living(args).thaw();
        return '';
    }
  }

  async #start(args: Arguments): Promise<string> {
    if (this.#child?.isAlive === true) throw args.error('start', 'it runs', 'stop it first');
    this.#settings = this.#settingsOf(args);
    const child = new Child<ServerNews>({
      ...{ program: PROGRAM, settings: this.#settings, signal: this.#signal },
    });
    this.#child = child;
    const isAwaited = !args.flag('nowait');
    // With a trap it may die before it listens.
    if (!isAwaited && this.#settings.trap !== null) return '';
    this.#url = (await child.next('listening', 0)).url;
    if (!isAwaited) return '';
    await until('the server follows Postgres', () => this.#follows(), this.#wait);
    return '';
  }

  /** What was said at the first start holds for later ones, unless they say otherwise. */
  #settingsOf(args: Arguments): ServerSettings {
    const before = this.#settings;
    const tables = args.list('tables').map((text) => text.split('='));
    const bad = tables.find((pair) => pair.length !== 2);
    if (bad !== undefined) {
      throw args.error(
        'tables',
        `${bad.join('=')} is no table`,
        'write tables=(city=country, kind=*)',
      );
    }
    const pairs = tables.map(([name = '', rule = '']) => [`public.${name}`, rule] as const);
    const point = args.optionalChoice('crash', ENGINE_CRASH_POINTS);
    const keepS = args.optionalInteger('keep_s') ?? before?.policy?.keepS;
    const leaseS = args.optionalInteger('lease_s') ?? before?.policy?.leaseS;
    return {
      ...{ url: this.#source.url, name: this.#postgres.name, dir: this.#dir },
      skewMs: this.#skewMs,
      port: this.#url === '' ? 0 : Number(new URL(this.#url).port),
      tables: pairs.length > 0 ? Object.fromEntries(pairs) : (before?.tables ?? {}),
      secret: args.flag('tokens')
        ? 'a secret of more than thirty-two bytes'
        : (before?.secret ?? null),
      plant: this.#plant,
      trap: point === undefined ? null : { point, hit: 1 },
      replicaIdentity:
        args.optionalChoice('identity', ['full', 'leave']) ?? before?.replicaIdentity ?? 'full',
      policy: {
        reconnectMsMax: 200,
        ...(keepS === undefined ? {} : { keepS }),
        ...(leaseS === undefined ? {} : { leaseS }),
      },
    };
  }

  async #follows(): Promise<boolean> {
    if (this.#child?.isAlive !== true) return true; // the next directive tells
    return (await this.status()).source.state === 'streaming';
  }

  /** `crash at=POINT on=server`: at its `hit`-th passing of the point. */
  async trap({ args }: Call): Promise<void> {
    const point = args.choice('at', ENGINE_CRASH_POINTS);
    const hit = args.optionalInteger('hit') ?? 1;
    await this.#perform({ kind: 'trap', trap: { point, hit } }, args);
  }

  /** Waits for the crash that was asked for. */
  async crashed(): Promise<string> {
    await this.#child?.ended();
    return `${this.#child?.end ?? 'it never ran'}\n`;
  }

  /** `clock add=5min`: what is due by then happens now. */
  async clock({ args }: Call): Promise<string> {
    const ms = durationIn(args, 'add');
    if (ms < 0) throw args.error('add', 'time does not go back', 'clock skew=-2h on=server');
    const child = this.#living(args);
    const from = child.news.length;
    child.tell({ kind: 'leap', ms } satisfies ServerCommand);
    const isDone = (): boolean => child.news.slice(from).some(({ kind }) => kind === 'done');
    // What happens now may be where it was to crash.
    await until('the clock has gone on', () => isDone() || !child.isAlive, this.#wait);
    return '';
  }

  /** Its wall clock is wrong by so much, now and in later lives. */
  async skew(ms: number, args: Arguments): Promise<void> {
    this.#skewMs = ms;
    if (this.#child?.isAlive === true) await this.#perform({ kind: 'skew', ms }, args);
  }

  /** Waits for `leases=N`, `table=T` to be live, `purged=POSITION`, or until the log is past a position. */
  async reach(call: Call): Promise<string> {
    try {
      await this.#condition(call);
      return '';
    } catch (error) {
      return errorText(error);
    }
  }

  async #condition(call: Call): Promise<void> {
    const { args, names } = call;
    const leases = args.optionalInteger('leases');
    const table = args.optional('table');
    const purged = args.optional('purged');
    if (leases !== undefined) {
      const isSo = async (): Promise<boolean> => (await this.status()).leases.length === leases;
      await until(`there are ${leases} leases`, isSo, this.#wait);
    } else if (table !== undefined) {
      const isSo = async (): Promise<boolean> => isLive(await this.status(), table);
      await until(`table ${table} is live`, isSo, this.#wait);
    } else if (purged !== undefined) {
      const since = parseLsn(names.actual(purged) ?? purged, 'purged');
      const isSo = async (): Promise<boolean> =>
        parseLsn((await this.status()).log.since, 'since') >= since;
      await until('the log is purged', isSo, this.#wait);
    } else {
      const position = positionIn(call) ?? (await this.#postgres.position());
      await until('the log is past the position', () => this.#isPast(position), this.#wait);
    }
  }

  async #isPast(position: string): Promise<boolean> {
    const answer = await this.fetch(`/v1/wait?timeout_s=2&ts=${encodeURIComponent(position)}`);
    return answer.status === 200;
  }

  async status(): Promise<ServerStatus> {
    return (await this.ask('/v1/status')) as ServerStatus;
  }

  async ask(path: string): Promise<unknown> {
    return (await this.fetch(path)).json();
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#url}${path}`, { ...init, signal: this.#signal });
  }

  async close(): Promise<void> {
    this.#child?.thaw();
    await this.#child?.kill();
  }

  async #perform(command: ServerCommand, args: Arguments): Promise<void> {
    const child = this.#living(args);
    const from = child.news.length;
    child.tell(command);
    await child.next('done', from);
  }

  #living(args: Arguments): Child<ServerNews> {
    if (this.#child?.isAlive === true) return this.#child;
    throw args.error('on', 'the server does not run', 'start it: server start tables=(...)');
  }

  get #wait() {
    return { limitMs: WAIT_MS_MAX, signal: this.#signal };
  }
}

function isLive({ tables }: ServerStatus, table: string): boolean {
  return tables.some(({ name, state }) => name === `public.${table}` && state === 'live');
}
