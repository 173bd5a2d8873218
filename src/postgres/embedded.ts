/**
 * A private Postgres in a folder: the real server, loopback only, for the demo, the tests and small
 * installations.
 *
 *   start: claim folder -> stop an orphan -> initdb (once) -> launch -> ready
 *   kill (SIGKILL) or stop -> restart on the same port
 *
 * The server runs detached from the terminal and ends with its owner: by stop(), at the end of this
 * process, and on Linux even when the owner is killed with -9. Where that signal is missing, the next
 * start in the folder stops the left over server first.
 */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { assert } from '../core/assert.ts';
import { messageOf, TidelockError } from '../core/errors.ts';
import { isHeldByOrphans, isPortTaken, startFailure } from './embedded-failure.ts';
import {
  choosePort,
  claimFolder,
  dataDirOf,
  passwordOf,
  prepareFolder,
  readPidFile,
  releaseFolder,
  rememberPort,
  socketDirOf,
  stopOrphan,
  within,
  writePrivately,
} from './embedded-folder.ts';
import { findHost, type Host, launch } from './embedded-host.ts';
import { Revival } from './embedded-revival.ts';

export type EmbeddedOptions = {
  readonly dir: string;
  /** 0 or left out: a free one, kept over restarts while it stays free. */
  readonly port?: number | undefined;
  /** Server settings, by name; they win over the ones below. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
  /** Receives each line of the server's log. */
  readonly onLog?: ((line: string) => void) | undefined;
  /** When given, a server that dies by itself is started again, and it is told here. */
  readonly onRevival?: ((notice: string) => void) | undefined;
};

const USER = 'postgres';
const LOG_LINES_MAX = 30;
const FAST_STOP_MS = 10_000;
const IMMEDIATE_STOP_MS = 10_000;
/** Crash recovery may take its time, but not for ever. */
const READY_MAX_MS = 120_000;
/** How often a start is repeated while another program takes the chosen port before us. */
const PORT_TRIES_MAX = 5;
/** Backends of a killed server hold its memory until they notice; a long statement notices late. */
const ORPHANS_MAX_MS = 60_000;
const ORPHANS_RETRY_MS = 100;
const DRAIN_MAX_MS = 500;

const SETTINGS: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  max_wal_senders: '20',
  max_replication_slots: '20',
  max_connections: '100',
  shared_buffers: '128MB',
  password_encryption: 'scram-sha-256',
  log_line_prefix: '%m [%p] ',
  lc_messages: 'C',
  timezone: 'UTC',
  log_timezone: 'UTC',
  default_text_search_config: 'pg_catalog.english',
};

/** Order and case rules come from the server itself, so they are the same on every machine. */
const INITDB = [
  ...['--encoding=UTF8', '--locale=C'],
  ...['--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
  ...['--auth=scram-sha-256', `--username=${USER}`, '--no-instructions'],
];

const DUPLICATE_DATABASE = '42P04';

type Place = { readonly dir: string; readonly host: Host };

export class EmbeddedPostgres {
  readonly url: string;
  readonly port: number;
  readonly #place: Place;
  readonly #settings: Readonly<Record<string, string>>;
  readonly #log: ServerLog;
  #server: ChildProcess | undefined;
  #isClaimed = true;
  #isEnding = false;
  readonly #revival: Revival | null;
  /** Work of `restart`: `stop` waits for it. */
  #restarting: Promise<void> = Promise.resolve();
  readonly #stopAtExit = (): void => {
    this.#server?.kill('SIGINT');
  };

  private constructor(options: EmbeddedOptions, place: Place, port: number) {
    this.#place = place;
    this.#settings = { ...SETTINGS, ...options.settings };
    this.#log = new ServerLog(options.onLog);
    const { onRevival } = options;
    this.#revival = onRevival ? new Revival(() => this.restart(), onRevival) : null;
    this.port = port;
    this.url = `postgres://${USER}:${passwordOf(place.dir)}@127.0.0.1:${port}/postgres`;
  }

  /** Starts the server of `dir`, which is made on first use. */
  static async start(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    try {
      const dir = prepareFolder(options.dir);
      claimFolder(dir);
      return await EmbeddedPostgres.#startIn(dir, options);
    } catch (error) {
      if (error instanceof TidelockError) throw error;
      const what = `the folder ${options.dir} cannot be used for Postgres`;
      throw startFailure(what, [messageOf(error)], error);
    }
  }

  static async #startIn(dir: string, options: EmbeddedOptions): Promise<EmbeddedPostgres> {
    try {
      const place = { dir, host: findHost(dir) };
      await stopOrphan(dir);
      await initialise(place, new ServerLog(options.onLog));
      return await EmbeddedPostgres.#startOnSomePort(options, place);
    } catch (error) {
      releaseFolder(dir);
      throw error;
    }
  }

  static async #startOnSomePort(options: EmbeddedOptions, place: Place): Promise<EmbeddedPostgres> {
    for (let tries = 1; ; tries++) {
      const port = options.port || (await choosePort(place.dir));
      const postgres = new EmbeddedPostgres(options, place, port);
      try {
        await postgres.#launch();
        rememberPort(place.dir, port);
        return postgres;
      } catch (error) {
        // Between choosing a free port and listening on it, another program may have taken it.
        const isWorthwhile = !options.port && tries < PORT_TRIES_MAX;
        if (!isWorthwhile || !isPortTaken(postgres.#log.lines)) throw error;
      }
    }
  }

  /** Process number of the running postmaster. */
  get pid(): number {
    const pid = this.#server?.pid;
    assert(pid !== undefined, 'the pid of an embedded server is asked only while it runs');
    return pid;
  }

  /** Stops fast: open transactions are rolled back, everything committed is on disk. */
  async stop(): Promise<void> {
    this.#revival?.stop();
    await this.#restarting.catch(() => undefined); // whoever asked for it is told
    await this.#end();
    if (this.#isClaimed) releaseFolder(this.#place.dir);
    this.#isClaimed = false;
  }

  /** Kills the postmaster as a power cut would; `restart` then goes through crash recovery. */
  kill(): void {
    this.#server?.kill('SIGKILL');
  }

  /** Starts again on the same port, after `kill`, `stop` or a crash; a running server stops first. */
  restart(): Promise<void> {
    this.#restarting = this.#restart();
    return this.#restarting;
  }

  async #restart(): Promise<void> {
    await this.#end();
    if (!this.#isClaimed) claimFolder(this.#place.dir);
    this.#isClaimed = true;
    const deadline = performance.now() + ORPHANS_MAX_MS;
    for (;;) {
      try {
        return await this.#launch();
      } catch (error) {
        // The server itself refuses while processes of the killed one live; its word is awaited.
        const isHeld = isHeldByOrphans(this.#log.lines) || isPortTaken(this.#log.lines);
        if (!isHeld || performance.now() > deadline) throw error;
        await sleep(ORPHANS_RETRY_MS);
      }
    }
  }

  /** Makes a database unless it is there already; returns its URL. */
  async createDatabase(name: string): Promise<string> {
    const client = new pg.Client({ connectionString: this.url });
    await client.connect();
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== DUPLICATE_DATABASE) throw error;
    } finally {
      await client.end();
    }
    const url = new URL(this.url);
    url.pathname = `/${encodeURIComponent(name)}`;
    return url.href;
  }

  async #launch(): Promise<void> {
    const { dir, host } = this.#place;
    writePrivately(
      join(dataDirOf(dir), 'postgresql.conf'),
      configText(this.#settings),
      host.account,
    );
    const server = launch(host, 'postgres', { dir, programArguments: this.#programArguments() });
    this.#server = server;
    process.once('exit', this.#stopAtExit);
    this.#log.follow(server);
    await within(READY_MAX_MS, () => hasEnded(server) || isReady(dir, server));
    if (!hasEnded(server) && isReady(dir, server)) {
      server.once('exit', () => this.#isEnding || this.#revival?.died());
      return;
    }
    await this.#end();
    throw startFailure(`Postgres in ${dir} did not start on port ${this.port}`, this.#log.lines);
  }

  /** These are not settings: the folder's owner decides them, and no ALTER SYSTEM may change them. */
  #programArguments(): string[] {
    const { dir } = this.#place;
    const fixed = {
      listen_addresses: '127.0.0.1',
      port: `${this.port}`,
      unix_socket_directories: socketDirOf(dir),
    };
    const options = Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    return ['-D', dataDirOf(dir), ...options];
  }

  async #end(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#isEnding = true;
    const steps = [
      ['SIGINT', FAST_STOP_MS],
      ['SIGQUIT', IMMEDIATE_STOP_MS],
      ['SIGKILL', IMMEDIATE_STOP_MS],
    ] as const;
    for (const [signal, patienceMs] of steps) {
      if (hasEnded(server)) break;
      server.kill(signal);
      await within(patienceMs, () => hasEnded(server));
    }
    await this.#log.drained();
    process.off('exit', this.#stopAtExit);
    this.#server = undefined;
    this.#isEnding = false;
  }
}

/** The last lines of a program's output, kept for an error message. */
class ServerLog {
  readonly lines: string[] = [];
  readonly #onLine: ((line: string) => void) | undefined;
  #end: Promise<unknown> = Promise.resolve();

  constructor(onLine: ((line: string) => void) | undefined) {
    this.#onLine = onLine;
  }

  follow(program: ChildProcess): void {
    this.lines.length = 0;
    program.on('error', (error) => this.#add(error.message));
    const streams = [program.stdout, program.stderr].filter((stream) => stream !== null);
    const ends = streams.map((stream) => {
      const reader = createInterface({ input: stream });
      reader.on('line', (line) => this.#add(line));
      return once(reader, 'close');
    });
    this.#end = Promise.all(ends);
  }

  /** All that the program itself has said; orphans of a killed server may hold the pipe longer. */
  async drained(): Promise<void> {
    await Promise.race([this.#end, sleep(DRAIN_MAX_MS)]);
  }

  #add(line: string): void {
    this.lines.push(line);
    if (this.lines.length > LOG_LINES_MAX) this.lines.shift();
    this.#onLine?.(line);
  }
}

/** Runs initdb beside the final place, so that a half made cluster is never taken for a whole one. */
async function initialise({ dir, host }: Place, log: ServerLog): Promise<void> {
  if (existsSync(dataDirOf(dir))) return;
  const fresh = `${dataDirOf(dir)}.new`;
  rmSync(fresh, { recursive: true, force: true });
  const passwordFile = join(dir, 'password.new');
  writePrivately(passwordFile, passwordOf(dir), host.account);
  mkdirSync(fresh, { mode: 0o700 });
  if (host.account) chownSync(fresh, host.account.uid, host.account.gid);
  const programArguments = [...INITDB, `--pgdata=${fresh}`, `--pwfile=${passwordFile}`];
  const initdb = launch(host, 'initdb', { dir, programArguments });
  log.follow(initdb);
  const isDone = await within(READY_MAX_MS, () => hasEnded(initdb));
  if (!isDone) initdb.kill('SIGKILL');
  await log.drained();
  rmSync(passwordFile, { force: true });
  if (initdb.exitCode !== 0) {
    throw startFailure(`initdb could not make the database in ${dir}`, log.lines);
  }
  renameSync(fresh, dataDirOf(dir));
}

function configText(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(
    ([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`,
  );
  return `# Written at every start; use ALTER SYSTEM for changes that stay.\n${lines.join('')}`;
}

function hasEnded(program: ChildProcess): boolean {
  return program.pid === undefined || program.exitCode !== null || program.signalCode !== null;
}

function isReady(dir: string, server: ChildProcess): boolean {
  const file = readPidFile(dir);
  return file !== undefined && file.pid === server.pid && file.isReady;
}
