/**
 * A writable replica in a worker thread, so that the thread which asks may block: src/replica-session.ts starts it.
 * Tells events and how opening ended by `parentPort`; takes calls through the port that it was given.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { internalError } from './client/errors.ts';
import type { ReplicaEvent } from './client/events.ts';
import { TidelockError, type TidelockErrorInit } from './core/errors.ts';
import { openReplica, type WritableReplica } from './replica.ts';

export type WorkerSettings = {
  readonly server: string;
  readonly file: string;
  readonly token: string | undefined;
  readonly selectors: readonly string[] | undefined;
  readonly calls: MessagePort;
  /** Counts the answers: whoever waits for one is woken. */
  readonly answered: Int32Array;
};

export type WorkerCall = {
  readonly id: number;
  readonly command: 'send' | 'check' | 'sync' | 'rejected' | 'forget' | 'pending' | 'close';
  readonly timeoutMs: number;
};

export type WorkerFailure = Pick<TidelockErrorInit, 'code' | 'message' | 'hint'>;

export type WorkerAnswer = {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: WorkerFailure;
};

export type WorkerNews =
  | { readonly kind: 'opened' }
  | { readonly kind: 'failed'; readonly error: WorkerFailure }
  | { readonly kind: 'rejected'; readonly text: string }
  | { readonly kind: 'trouble'; readonly text: string };

function say(news: WorkerNews): void {
  parentPort?.postMessage(news);
}

function failureOf(cause: unknown): WorkerFailure {
  const { code, message, hint } = cause instanceof TidelockError ? cause : internalError(cause);
  return { code, message, hint };
}

async function perform(replica: WritableReplica, call: WorkerCall): Promise<unknown> {
  const { command, timeoutMs } = call;
  switch (command) {
    case 'send':
      return replica.send({ timeoutMs });
    case 'check':
      return replica.check({ timeoutMs });
    case 'sync':
      return replica.sync({ timeoutMs });
    case 'rejected':
      return replica.rejected();
    case 'forget':
      return replica.forgetRejected();
    case 'pending':
      return replica.pending;
    default:
      return replica.close();
  }
}

/** Tells why there is no first copy yet; what comes later is for the listeners of the open replica. */
function whileOpening(isOpened: () => boolean): (event: ReplicaEvent) => void {
  let told = '';
  return (event) => {
    if (event.kind !== 'error' || event.error.code === told || isOpened()) return;
    told = event.error.code;
    const { code, message } = event.error;
    say({ kind: 'trouble', text: `${code}: ${message}; the first copy waits for the server` });
  };
}

async function run(settings: WorkerSettings): Promise<void> {
  const { calls, answered, ...options } = settings;
  let isOpened = false;
  const onEvent = whileOpening(() => isOpened);
  const replica = await openReplica({ ...options, write: true, onEvent });
  isOpened = true;
  replica.on('rejected', ({ rejection: { table, operation, code, message } }) =>
    say({ kind: 'rejected', text: `${operation} on ${table}: ${code}, ${message}` }),
  );
  replica.on('warning', ({ message }) => say({ kind: 'trouble', text: `warning: ${message}` }));
  let trouble = '';
  replica.on('state', ({ state }) => {
    if (state.kind === 'live' && trouble !== '')
      say({ kind: 'trouble', text: 'the server is back' });
    if (state.kind === 'live') trouble = '';
  });
  replica.on('error', ({ error }) => {
    if (error.code === trouble) return; // tried again, the same again
    trouble = error.code;
    say({ kind: 'trouble', text: `${error.code}: ${error.message}; local work goes on` });
  });
  calls.on('message', async (call: WorkerCall) => {
    const { id } = call;
    const answer: WorkerAnswer = await perform(replica, call).then(
      (value) => ({ id, value }),
      (error: unknown) => ({ id, error: failureOf(error) }),
    );
    calls.postMessage(answer);
    Atomics.add(answered, 0, 1);
    Atomics.notify(answered, 0);
    if (call.command === 'close') calls.close();
  });
  say({ kind: 'opened' });
}

if (parentPort !== null) {
  run(workerData as WorkerSettings).catch((error: unknown) => {
    say({ kind: 'failed', error: failureOf(error) });
    (workerData as WorkerSettings).calls.close();
  });
}
