/** How `replicate` tells what happens: JSON lines on stdout, or words on stderr. */
import type { FollowerState, ReplicaEvent, ReplicaStatus } from '../index.ts';

/** Progress of a long copy: often enough for a terminal, seldom enough for a log file. */
const TERMINAL_MS = 200;
const PLAIN_MS = 5000;

export interface Reporter {
  event(event: ReplicaEvent): void;
  /** The last word of a run that ended well. */
  result(status: ReplicaStatus): void;
  /** Leaves the terminal clean. */
  end(): void;
}

export type Outputs = {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { readonly isTTY?: boolean; write(text: string): unknown };
  readonly now: () => number;
};

const SYSTEM: Outputs = { stdout: process.stdout, stderr: process.stderr, now: Date.now };

export function createReporter(
  flags: { readonly json?: boolean; readonly db: string },
  outputs: Outputs = SYSTEM,
): Reporter {
  return flags.json === true ? new JsonReporter(outputs) : new PlainReporter(flags.db, outputs);
}

class JsonReporter implements Reporter {
  readonly #outputs: Outputs;

  constructor(outputs: Outputs) {
    this.#outputs = outputs;
  }

  event(event: ReplicaEvent): void {
    switch (event.kind) {
      case 'applied':
        this.#print({ ...event, latencyMs: latencyMs(event) });
        return;
      case 'error':
        this.#print({ kind: 'error', ...event.error.toJSON().error });
        return;
      case 'state':
        // The line's kind is `state`; the state's own name stands beside it.
        this.#print({ ...event.state, kind: 'state', state: event.state.kind });
        return;
      default:
        this.#print(event);
    }
  }

  result(status: ReplicaStatus): void {
    const { position, timeline, selectors, file } = status;
    this.#print({ kind: 'done', position, timeline, selectors, file });
  }

  end(): void {}

  #print(value: object): void {
    this.#outputs.stdout.write(`${JSON.stringify(value)}\n`);
  }
}

class PlainReporter implements Reporter {
  readonly #file: string;
  readonly #outputs: Outputs;
  readonly #isTerminal: boolean;
  #shownAtMs = 0;
  #isLineOpen = false;
  #last = '';
  #transactions = 0;
  #changes = 0;

  constructor(file: string, outputs: Outputs) {
    this.#file = file;
    this.#outputs = outputs;
    this.#isTerminal = outputs.stderr.isTTY === true;
  }

  event(event: ReplicaEvent): void {
    switch (event.kind) {
      case 'progress':
        this.#passing(`copying: ${copied(event.receivedBytes, event.totalBytes)}`);
        return;
      case 'applied':
        this.#applied(event);
        return;
      case 'state':
        this.#say(describe(event.state));
        return;
      case 'resync':
        this.#say(
          `synchronised by difference at ${event.ts}: ${rows(event.inserted)} inserted, ` +
            `${event.updated} updated, ${event.deleted} deleted (${event.reason})`,
        );
        return;
      case 'warning':
        this.#say(`warning: ${event.message}`);
        return;
      case 'sent':
        this.#passing(
          `sent ${changes(event.changes)} at ${event.position}, ${event.pending} to go`,
        );
        return;
      case 'rejected': {
        const { operation, table, key, code, message } = event.rejection;
        this.#say(`refused: ${operation} on ${table} (${key.join(', ')}): ${code}, ${message}`);
        return;
      }
      case 'upload':
        this.#upload(event);
        return;
      default: // an error is part of the state that follows it; agreeing digests are no news
    }
  }

  result(status: ReplicaStatus): void {
    this.end();
    this.#outputs.stdout.write(
      `${this.#file} stands at ${status.position}: ${status.selectors.join(', ')}\n`,
    );
  }

  end(): void {
    if (this.#isLineOpen) this.#outputs.stderr.write('\n');
    this.#isLineOpen = false;
  }

  #applied(event: ReplicaEvent & { kind: 'applied' }): void {
    this.#transactions += event.transactions;
    this.#changes += event.changes;
    if (!this.#isTerminal) return;
    const totals = `${this.#changes} changes in ${this.#transactions} transactions`;
    this.#passing(
      `live at ${event.ts}: ${totals}, the last ${latencyMs(event)} ms after its commit`,
    );
  }

  #upload({ state, pending }: ReplicaEvent & { kind: 'upload' }): void {
    if (state.kind === 'idle' || pending === 0) return;
    const { trouble } = state;
    this.#say(`${pending} local transactions wait: ${trouble.code}, ${trouble.message}`);
  }

  /** News that the next news may overwrite. */
  #passing(text: string): void {
    const now = this.#outputs.now();
    if (now - this.#shownAtMs < (this.#isTerminal ? TERMINAL_MS : PLAIN_MS)) return;
    this.#shownAtMs = now;
    if (!this.#isTerminal) {
      this.#outputs.stderr.write(`${text}\n`);
      return;
    }
    this.#outputs.stderr.write(`\r\u001b[K${text}`);
    this.#isLineOpen = true;
  }

  #say(text: string): void {
    if (text === '' || text === this.#last) return;
    this.#last = text;
    this.#outputs.stderr.write(this.#isLineOpen ? `\r\u001b[K${text}\n` : `${text}\n`);
    this.#isLineOpen = false;
  }
}

function describe(state: FollowerState): string {
  switch (state.kind) {
    case 'bootstrapping':
      return 'making the first copy';
    case 'live':
      return state.isCaughtUp ? 'live: everything that the server has is here' : '';
    case 'resyncing':
      return `synchronising by difference: ${state.reason}`;
    case 'waiting': {
      const { trouble, delayMs } = state;
      return `${trouble.code}: ${trouble.message}; next try in ${(delayMs / 1000).toFixed(1)} s`;
    }
    case 'failed':
    case 'connecting':
      return '';
    default:
      return 'closed';
  }
}

function copied(receivedBytes: number, totalBytes: number | null): string {
  const [unit, name] = (totalBytes ?? receivedBytes) < 1_000_000 ? [1000, 'kB'] : [1_000_000, 'MB'];
  const received = (receivedBytes / unit).toFixed(1);
  if (totalBytes === null || totalBytes === 0) return `${received} ${name}`;
  const percent = Math.floor((receivedBytes / totalBytes) * 100);
  return `${received} of ${(totalBytes / unit).toFixed(1)} ${name} (${percent} %)`;
}

function rows(count: number): string {
  return count === 1 ? '1 row' : `${count} rows`;
}

function changes(count: number): string {
  return count === 1 ? '1 change' : `${count} changes`;
}

/** From Postgres' commit to the commit in the file. Clocks of two machines may differ. */
function latencyMs(event: ReplicaEvent & { kind: 'applied' }): number {
  return Math.round((event.appliedAtMs - event.micros / 1000) * 10) / 10;
}
