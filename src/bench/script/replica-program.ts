/**
 * A replica of a script, in a process of its own: a crash is a real one.
 *
 *   node replica-program.ts '<ReplicaSettings as JSON>'
 */
import { flushCompileCache } from 'node:module';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { openReplicaWith, type Replica, type WritableReplica } from '../../replica.ts';
import type { BugName } from '../stress/bugs/catalog.ts';
import { plantInFiles } from '../stress/bugs/store-bugs.ts';
import { type Trap, Trapdoor } from './trap.ts';

export type ReplicaSettings = {
  readonly server: string;
  readonly selectors: readonly string[];
  readonly file: string;
  readonly token: string | null;
  /** Local writes are sent. */
  readonly write: boolean;
  readonly repair: boolean;
  /** By how much its wall clock is wrong. */
  readonly skewMs: number;
  /** Set from the start on. */
  readonly trap: Trap | null;
  /** For tests of the scripts: what they must find. */
  readonly plant: BugName | null;
};

export type ReplicaCommand =
  | { readonly kind: 'trap'; readonly trap: Trap }
  | { readonly kind: 'waitFor'; readonly position: string }
  | { readonly kind: 'waitForWrites' }
  | { readonly kind: 'skew'; readonly ms: number }
  /** Answered in a later turn: what was told together has all been told before. */
  | { readonly kind: 'finishTurn' }
  | { readonly kind: 'stop' };

/** What is worth showing in a script: it happens or not, whatever the timing. */
export type ReplicaNews =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'event'; readonly text: string };

/** Silence longer than this times a few means a dead connection; a script holds deliveries for longer. */
const HEARTBEAT_S = 20;
const LEASE_REPORT_MS = 50;
const RETRY_MS_MAX = 200;
/** Transactions above this are applied in pieces. */
const OPEN_BYTES_MAX = 32 * 1024;
const WAIT_MS = 20_000;

function say(news: ReplicaNews): void {
  process.send?.(news);
}

const realNow = Date.now.bind(Date);

/** Everything in this process is told a wrong time, and timers are right. */
function skewClock(ms: number): void {
  Date.now = () => realNow() + ms;
}

async function run(settings: ReplicaSettings): Promise<void> {
  process.on('disconnect', () => process.exit());
  const trapdoor = new Trapdoor();
  trapdoor.set(settings.trap ?? undefined);
  skewClock(settings.skewMs);
  const opening = open(settings, trapdoor);
  process.on('message', (command: ReplicaCommand) => {
    if (command.kind === 'trap') trapdoor.set(command.trap);
    if (command.kind === 'skew') skewClock(command.ms);
    opening
      .then((replica) => perform(replica, command))
      .then(
        () => say({ kind: 'done' }),
        (error) => say(failureOf(error)),
      );
  });
  try {
    await opening;
    say({ kind: 'ready' });
    flushCompileCache(); // it is killed, and would write it at its exit
  } catch (error) {
    say(failureOf(error));
  }
}

function open(settings: ReplicaSettings, { pass }: Trapdoor): Promise<Replica> {
  const { server, selectors, file, token, write, repair, plant } = settings;
  const hooks = { heartbeatS: HEARTBEAT_S, leaseReportMs: LEASE_REPORT_MS, crashPoint: pass };
  return openReplicaWith(
    {
      ...{ server, file, repair, token: token ?? undefined },
      ...(write ? { write } : { selectors }),
      onEvent: (event) => {
        const text = textOf(event);
        if (text !== null) say({ kind: 'event', text });
      },
    },
    {
      ...(plant === null ? {} : { wrapFiles: (files) => plantInFiles(plant, files, file) }),
      ...hooks,
      retryMsMax: RETRY_MS_MAX,
      openBytesMax: OPEN_BYTES_MAX,
    },
  );
}

type Event = Parameters<NonNullable<Parameters<typeof openReplicaWith>[0]['onEvent']>>[0];

function textOf(event: Event): string | null {
  switch (event.kind) {
    case 'resync':
      return `resync: ${event.reason}: ${event.inserted} inserted, ${event.updated} updated, ${event.deleted} deleted`;
    case 'mismatch':
      return `mismatch: ${event.differences.map(({ table, selector }) => `${table} ${selector}`).join(', ')}`;
    case 'rejected':
      return `rejected: ${event.rejection.code}`;
    // Warnings are left out: whether a lease report meets a server that is away depends on time.
    default:
      return null;
  }
}

async function perform(replica: Replica, command: ReplicaCommand): Promise<void> {
  if (command.kind === 'waitFor') {
    await replica.waitFor(command.position, { timeoutMs: WAIT_MS });
  }
  if (command.kind === 'waitForWrites') {
    await (replica as WritableReplica).waitForWrites({ timeoutMs: WAIT_MS });
  }
  if (command.kind !== 'stop') return;
  await replica.close();
  process.disconnect();
}

function failureOf(error: unknown): ReplicaNews {
  const code = error instanceof TidelockError ? error.code : 'INTERNAL';
  return { kind: 'failed', code, message: messageOf(error) };
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? '{}') as ReplicaSettings);
