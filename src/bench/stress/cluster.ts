/**
 * The system under test: Postgres and a server. Our own (an embedded Postgres, `tidelock serve` as a child
 * process), which faults may kill and freeze, or somebody else's, which they may not.
 */
import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { TidelockError } from '../../core/errors.ts';
import { EmbeddedPostgres } from '../../postgres/embedded.ts';
import { until } from '../until.ts';
import { BUGS, type Bug, type BugName } from './bugs/catalog.ts';
import type { PlantedServerSettings } from './bugs/planted-server.ts';
import type { EvidenceWriter } from './evidence-writer.ts';
import { type Launch, Launched } from './launched.ts';
import type { Protocol } from './receiver-news.ts';

const DATABASE = 'stress';
const READY_MS_MAX = 60_000;
const PATIENCE_MS = 2000;

/** Checkpoints are rare and dead connections are noticed soon: a crash has something to redo. */
const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  wal_sender_timeout: '10s',
  checkpoint_timeout: '10min',
  max_wal_size: '2GB',
  max_connections: '150',
};

/** What `/v1/status` says, as far as it is asked. */
export type ServerStatus = {
  readonly timeline: string | null;
  readonly source: { readonly state: string };
  readonly log: { readonly upper: string };
  readonly counters: { readonly redelivered: number };
};

export type Cluster = {
  /** Of the database of the stress. */
  readonly url: string;
  readonly server: string;
  /** Null: not ours, and out of the reach of faults. */
  readonly postgres: EmbeddedPostgres | null;
  readonly serverProcess: ServerProcess | null;
};

export type ServerProcessOptions = {
  readonly launch: Launch;
  readonly evidence: EvidenceWriter;
  readonly postgresUrl: string;
  readonly dir: string;
  readonly protocol: Protocol;
  readonly bug: BugName | null;
  /** Another command than `serve`, given the port. */
  readonly programArguments?: ((port: string) => readonly string[]) | undefined;
};

/** The server as a child process, in all its lives. */
export class ServerProcess {
  #launched: Launched | null = null;
  #url = '';
  #isReady = false;
  readonly #options: ServerProcessOptions;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
  }

  get process(): Launched | null {
    return this.#launched;
  }

  get url(): string {
    return this.#url;
  }

  /** Starts a life; later ones listen where the first one did. Resolves when it listens. */
  async start(signal: AbortSignal): Promise<void> {
    const { launch, evidence, dir } = this.#options;
    this.#isReady = false;
    const port = this.#url === '' ? '0' : new URL(this.#url).port;
    const launched = new Launched({
      ...{ launch, evidence, process: 'server', isPiped: true },
      logFile: join(dir, 'logs', 'server.log'),
      programArguments: this.#options.programArguments?.(port) ?? argumentsOf(this.#options, port),
    });
    this.#launched = launched;
    if (launched.child.stdout !== null) {
      createInterface({ input: launched.child.stdout }).on('line', (line) => this.#hear(line));
    }
    await until('the server listens', () => this.#isReady || !launched.isAlive, {
      ...{ limitMs: READY_MS_MAX, signal },
    });
    if (this.#isReady) return;
    throw new TidelockError({
      code: 'INTERNAL',
      message: 'the server ended before it listened',
      hint: `its last words are in ${join(dir, 'logs', 'server.log')}`,
    });
  }

  #hear(line: string): void {
    if (!line.startsWith('{')) return;
    this.#url = String((JSON.parse(line) as { readonly url?: unknown }).url ?? '');
    this.#isReady = true;
  }
}

/** As anybody starts it; with a bug, a server that has it. */
function argumentsOf(options: ServerProcessOptions, port: string): readonly string[] {
  const { postgresUrl: postgres, dir, bug, protocol } = options;
  const data = join(dir, 'server');
  if (bug === null || BUGS[bug].place !== 'server') {
    const others = protocol === 'transicator' ? ['--transicator'] : [];
    return ['serve', '--json', '--postgres', postgres, '--port', port, '--data', data, ...others];
  }
  const settings: PlantedServerSettings = { bug, postgres, port: Number(port), data };
  return ['stress', 'server', JSON.stringify(settings)];
}

export async function startPostgres(
  { dir, bug }: { readonly dir: string; readonly bug: BugName | null },
  closers: { add(stop: () => Promise<void>): void },
): Promise<{ readonly postgres: EmbeddedPostgres; readonly url: string }> {
  mkdirSync(join(dir, 'logs'), { recursive: true, mode: 0o755 });
  const logFile = join(dir, 'logs', 'postgres.log');
  const postgres = await EmbeddedPostgres.start({
    dir: join(dir, 'postgres'),
    settings: { ...POSTGRES_SETTINGS, ...settingsFor(bug) },
    onLog: (line) => appendFileSync(logFile, `${line}\n`),
  });
  closers.add(() => postgres.stop());
  return { postgres, url: await postgres.createDatabase(DATABASE) };
}

function settingsFor(bug: BugName | null): Readonly<Record<string, string>> {
  if (bug === null) return {};
  const settings: Bug = BUGS[bug];
  return settings.postgres ?? {};
}

/** What the server says about itself; null when it does not answer in time. */
export async function statusOf(
  server: string,
  patienceMs = PATIENCE_MS,
  adminToken: string | null = null,
): Promise<ServerStatus | null> {
  try {
    const signal = AbortSignal.timeout(patienceMs);
    const headers = adminToken === null ? {} : { authorization: `Bearer ${adminToken}` };
    const answer = await fetch(`${server}/v1/status`, { signal, headers });
    return answer.ok ? ((await answer.json()) as ServerStatus) : null;
  } catch {
    return null;
  }
}
