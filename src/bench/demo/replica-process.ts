/**
 * One replica as its own process: `tidelock replicate --json`, as anybody runs it. What it holds is asked of
 * its SQLite file, not of the process, so it can be killed at any time and still be questioned.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReplicaEventOf } from '../../client/events.ts';
import { TidelockError } from '../../core/errors.ts';
import { formatLsn, type Lsn, parseLsn } from '../../core/lsn.ts';
import { asNumber, asText, openSql } from '../../sqlite/sql.ts';
import { until } from '../until.ts';

const REACH_MS_MAX = 60_000;
const STOP_MS_MAX = 5000;
const WORDS_LINES_MAX = 10;
const BUSY_WAIT_MS = 2000;

/** How this very program is started. */
export type Launch = {
  readonly command: string;
  readonly programArguments: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
};

export type ReplicaProcessOptions = {
  readonly launch: Launch;
  readonly server: string;
  readonly selector: string;
  readonly file: string;
};

/** What the file says about itself. */
export type ReplicaIdentity = { readonly replica: string; readonly position: Lsn };

export class ReplicaProcess {
  readonly selector: string;
  readonly file: string;
  /** Every local transaction that the process has told of, over all its lives. */
  readonly applied: ReplicaEventOf<'applied'>[] = [];
  /** Called for every one of them. */
  onApplied: ((event: ReplicaEventOf<'applied'>) => void) | null = null;
  /** Called when the process ends although nobody wanted it. */
  onLost: (() => void) | null = null;
  readonly #options: ReplicaProcessOptions;
  #child: ChildProcess | null = null;
  #words: string[] = [];
  #copiedBytes = 0;
  #isExpectedToEnd = false;

  constructor(options: ReplicaProcessOptions) {
    this.#options = options;
    this.selector = options.selector;
    this.file = options.file;
  }

  /** Starts the process. It follows until `kill` or `stop`, and never outlives this one. */
  start(): void {
    const { launch, server, selector, file } = this.#options;
    const own = ['replicate', '--server', server, '--selector', selector, '--db', file, '--json'];
    this.#words = [];
    this.#copiedBytes = 0;
    this.#isExpectedToEnd = false;
    const child = spawn(launch.command, [...launch.programArguments, ...own], {
      env: { ...launch.environment, TIDELOCK_LAUNCHED: '1' },
      // The channel is how the child notices that this process is gone.
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A terminal's Ctrl-C is for this process, which then stops the replicas in order.
      detached: true,
    });
    this.#child = child;
    child.on('error', (error) => this.#words.push(error.message));
    child.on('exit', () => {
      if (!this.#isExpectedToEnd) this.onLost?.();
    });
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => this.#take(line));
    }
    if (child.stderr !== null) {
      createInterface({ input: child.stderr }).on('line', (line) => this.#hear(line));
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Bytes of a first copy that this life of the process has received; 0 when it found its file. */
  get copiedBytes(): number {
    return this.#copiedBytes;
  }

  /** Throws when the process has ended although nobody wanted it. */
  requireAlive(): void {
    const child = this.#child;
    if (this.#isExpectedToEnd || child === null || !hasEnded(child)) return;
    throw new TidelockError({
      code: 'INTERNAL',
      message: `replica ${this.selector} ended (${child.signalCode ?? child.exitCode}): ${this.#words.join('\n') || 'without a word'}`,
      hint: `its file is ${this.file}; to begin again, remove it`,
    });
  }

  /** Who the file belongs to and where it stands; null while there is none. */
  identity(): ReplicaIdentity | null {
    if (!existsSync(this.file)) return null;
    const sql = openSql(this.file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    try {
      const row = sql.prepare('SELECT replica, position FROM tidelock_replica').get();
      if (row === undefined) return null;
      return {
        replica: asText(row.replica),
        position: parseLsn(asText(row.position), 'position of the replica'),
      };
    } finally {
      sql.close();
    }
  }

  /** Rows that the file holds. */
  rows(): number {
    const sql = openSql(this.file, { timeoutMs: BUSY_WAIT_MS, isReadOnly: true });
    try {
      const row = sql.prepare('SELECT coalesce(sum(rows), 0) AS rows FROM tidelock_digests').get();
      return asNumber(row?.rows);
    } finally {
      sql.close();
    }
  }

  /** Waits until the file stands at `position` or past it. Throws `TIMEOUT`. */
  reach(position: Lsn, signal: AbortSignal): Promise<ReplicaIdentity> {
    const look = (): ReplicaIdentity | undefined => {
      this.requireAlive();
      const identity = this.identity();
      return identity !== null && identity.position >= position ? identity : undefined;
    };
    const what = `replica ${this.selector} reaches ${formatLsn(position)}`;
    return until(what, look, { limitMs: REACH_MS_MAX, signal });
  }

  /** Kills the process as `kill -9` does. Resolves with its pid when it is gone. */
  async kill(): Promise<number | undefined> {
    const child = this.#child;
    this.#isExpectedToEnd = true;
    if (child === null) return undefined;
    const gone = hasEnded(child) ? undefined : once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    return child.pid;
  }

  /** Ends the process in order, by force when it takes too long. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#isExpectedToEnd = true;
    if (child === null || hasEnded(child)) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const patience = new AbortController();
    const late = sleep(STOP_MS_MAX, 'late', { signal: patience.signal }).catch(() => undefined);
    if ((await Promise.race([gone, late])) === 'late') child.kill('SIGKILL');
    patience.abort();
    await gone;
  }

  #take(line: string): void {
    const event = parseEvent(line);
    if (event === null) {
      this.#hear(line);
    } else if (event.kind === 'progress') {
      this.#copiedBytes = event.receivedBytes;
    } else {
      this.applied.push(event);
      this.onApplied?.(event);
    }
  }

  /** Kept for the case that the process ends on its own. */
  #hear(line: string): void {
    this.#words.push(line);
    if (this.#words.length > WORDS_LINES_MAX) this.#words.shift();
  }
}

/** The lines of `replicate --json` that matter here; null for all others. */
function parseEvent(line: string): ReplicaEventOf<'applied' | 'progress'> | null {
  if (!line.startsWith('{')) return null;
  const event = JSON.parse(line) as { readonly kind?: unknown };
  if (event.kind !== 'applied' && event.kind !== 'progress') return null;
  return event as ReplicaEventOf<'applied' | 'progress'>;
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** True while a process of this number exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
