/** What else happened in a run: faults with their effects, lives of processes, histories, samples. */
import type { FaultEvent, ProcEvent, SampleEvent, StateEvent } from '../evidence.ts';
import type { Streams } from './streams.ts';

export type Fault = {
  readonly id: string;
  readonly fault: string;
  readonly target: string;
  readonly startedAt: number;
  /** What was seen of it, and when; null: nothing. */
  effect: { readonly t: number; readonly text: string } | null;
  endedAt: number | null;
  isMended: boolean;
};

export type Facts = {
  readonly faults: readonly Fault[];
  /** Transactions that Postgres delivered again. */
  readonly redelivered: number;
  /** Histories (timelines) that the server was seen on, the first one included. */
  readonly histories: readonly { readonly t: number; readonly reason: string }[];
  /** Readers that were told that they are older than the log. */
  readonly tooOld: number;
  /** Processes that were killed, and when they were back. */
  readonly killed: readonly { readonly process: string; readonly t: number }[];
  /** Ends of processes that nobody wanted. */
  readonly lost: readonly { readonly process: string; readonly t: number; readonly how: string }[];
  /** CPU seconds of the server, over all its lives. */
  readonly serverCpuS: number | null;
};

const SERVER = 'server';

export async function readFacts(streams: Streams): Promise<Facts> {
  const faults = await readFaults(streams);
  const histories: { t: number; reason: string }[] = [];
  let tooOld = 0;
  await streams.each<StateEvent>('state', ({ t, process, state, note }) => {
    if (process === SERVER && state === 'timeline') {
      const reason = `it is on timeline ${note}`;
      if (histories.at(-1)?.reason !== reason) histories.push({ t, reason });
    }
    if (`${state} ${note ?? ''}`.includes('TOO_OLD')) tooOld += 1;
  });
  const killed: { process: string; t: number }[] = [];
  const lost: { process: string; t: number; how: string }[] = [];
  await streams.each<ProcEvent>('proc', (event) => {
    if (event.kind !== 'exit') return;
    const { process, t, signal, code, isExpected } = event;
    if (signal === 'SIGKILL') killed.push({ process, t });
    if (!isExpected) lost.push({ process, t, how: signal ?? `exit code ${code}` });
  });
  const samples = await readSamples(streams);
  return { faults, histories, tooOld, killed, lost, ...samples };
}

async function readFaults(streams: Streams): Promise<readonly Fault[]> {
  const faults = new Map<string, Fault>();
  await streams.each<FaultEvent>('fault', (event) => {
    const { id, t, fault, target } = event;
    if (event.kind === 'start') {
      const none = { effect: null, endedAt: null, isMended: false };
      faults.set(id, { id, fault, target, startedAt: t, ...none });
      return;
    }
    const known = faults.get(id);
    if (known === undefined) return;
    if (event.kind === 'effect') known.effect ??= { t, text: event.effect };
    else {
      known.endedAt = t;
      known.isMended = event.ok;
    }
  });
  return [...faults.values()];
}

async function readSamples(streams: Streams): Promise<Pick<Facts, 'redelivered' | 'serverCpuS'>> {
  let redelivered = 0;
  let before = 0;
  let cpuS: number | null = null;
  let cpuBefore = 0;
  await streams.each<SampleEvent>('sample', (event) => {
    const count = event.redelivered ?? before;
    // A server that was started anew counts from nothing.
    redelivered += count >= before ? count - before : count;
    before = count;
    const cpu = event.cpu[SERVER];
    if (cpu === undefined) return;
    cpuS = (cpuS ?? 0) + (cpu >= cpuBefore ? cpu - cpuBefore : cpu);
    cpuBefore = cpu;
  });
  return { redelivered, serverCpuS: cpuS };
}
