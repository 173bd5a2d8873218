/**
 * A replica in a process of its own, which may kill itself at a named point.
 *
 *   node replica-process.ts '<ReplicaSettings as JSON>'
 *
 * Tells its parent what happens; takes a `Trap`, or `{ waitFor: position }`.
 */
import { flushCompileCache } from 'node:module';
import { type Trap, Trapdoor } from '../../src/bench/script/trap.ts';
import { openReplicaWith } from '../../src/replica.ts';

export type ReplicaSettings = {
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  readonly retryMsMax: number;
  /** Set from the start on. */
  readonly trap?: Trap | undefined;
};

export type ReplicaNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reached'; readonly position: string }
  | { readonly kind: 'resync'; readonly reason: string }
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'error'; readonly code: string; readonly message: string };

/** Transactions above this are applied in pieces. */
const OPEN_BYTES_MAX = 32 * 1024;
const LEASE_REPORT_MS = 50;
const WAIT_MS = 20_000;

function say(news: ReplicaNews): void {
  process.send?.(news);
}

async function run({ trap, retryMsMax, ...options }: ReplicaSettings): Promise<void> {
  const trapdoor = new Trapdoor();
  trapdoor.set(trap);
  process.on('disconnect', () => process.exit());
  const opening = openReplicaWith(
    {
      ...options,
      onEvent: (event) => {
        if (event.kind === 'resync') say({ kind: 'resync', reason: event.reason });
        if (event.kind === 'mismatch') say({ kind: 'mismatch' });
        if (event.kind !== 'error') return;
        say({ kind: 'error', code: event.error.code, message: event.error.message });
      },
    },
    {
      ...{ heartbeatS: 1, leaseReportMs: LEASE_REPORT_MS, openBytesMax: OPEN_BYTES_MAX },
      retryMsMax,
      crashPoint: trapdoor.pass,
    },
  );
  process.on('message', async (command: Trap | { readonly waitFor: string }) => {
    if ('point' in command) {
      trapdoor.set(command);
      return;
    }
    const position = command.waitFor;
    await (await opening).waitFor(position, { timeoutMs: WAIT_MS });
    say({ kind: 'reached', position });
  });
  await opening;
  say({ kind: 'ready' });
  flushCompileCache(); // it is killed, and would write it at its exit
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as ReplicaSettings);
