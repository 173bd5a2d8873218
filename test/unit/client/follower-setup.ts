/** A follower with everything around it in memory: model server, memory files, a clock that stands still. */
import { expect, onTestFinished } from 'vitest';
import type { ReplicaEvent, ReplicaEventOf } from '../../../src/client/events.ts';
import { Follower } from '../../../src/client/follower.ts';
import { ServerApi } from '../../../src/client/server-api.ts';
import { ManualClock, until } from './manual-clock.ts';
import { MemoryFiles } from './memory-files.ts';
import { CITIES, type MemoryStore } from './memory-store.ts';
import { ModelServer, type textAnswer } from './model-server.ts';

export type Setup = {
  readonly server: ModelServer;
  readonly files: MemoryFiles;
  readonly clock: ManualClock;
  readonly events: ReplicaEvent[];
  readonly passed: Set<string>;
  readonly follower: Follower;
};

export function setup(
  options: {
    store?: MemoryStore;
    selectors?: string[];
    server?: ModelServer;
    repair?: boolean;
  } = {},
): Setup {
  const server = options.server ?? new ModelServer();
  const files = new MemoryFiles(options.store ?? null);
  const clock = new ManualClock();
  const events: ReplicaEvent[] = [];
  const passed = new Set<string>();
  const follower = new Follower({
    ...{ files, clock, api: new ServerApi(server), server: 'http://model' },
    random: () => 0.5,
    newId: () => 'r1',
    selectors: options.selectors ?? ['FR'],
    repair: options.repair ?? false,
    onEvent: (event) => events.push(event),
    crashPoint: (point) => passed.add(point),
  });
  onTestFinished(() => follower.close());
  return { server, files, clock, events, passed, follower };
}

/** A follower that has its first copy and is caught up. */
export async function live(options: Parameters<typeof setup>[0] = {}): Promise<Setup> {
  const made = setup(options);
  made.follower.start();
  await caughtUp(made);
  return made;
}

export async function caughtUp({ follower }: Setup): Promise<void> {
  await until('the replica is caught up', () => {
    const { state } = follower;
    return state.kind === 'live' && state.isCaughtUp;
  });
}

export function last<K extends ReplicaEvent['kind']>(
  made: Setup,
  kind: K,
): ReplicaEventOf<K> | undefined {
  return made.events.findLast((event) => event.kind === kind) as ReplicaEventOf<K> | undefined;
}

export function states(made: Setup): string[] {
  return made.events.flatMap((event) => (event.kind === 'state' ? [event.state.kind] : []));
}

/** Postgres and the replica hold the same for these selectors. */
export function expectEqual({ files, server }: Setup, selectors = ['FR']): void {
  const theirs = server.content(selectors).rows.get(CITIES.name)?.values() ?? [];
  expect(files.store?.dump()).toEqual([...theirs].map((row) => JSON.stringify(row.cells)).sort());
}

/** A network that fails a number of times, then works. */
export function failing(
  times: number,
  make: () => ReturnType<typeof textAnswer>,
): ModelServer['fault'] {
  let left = times;
  return () => (left-- > 0 ? make() : undefined);
}

export function storeOf({ files }: Setup): { store: MemoryStore } {
  if (files.store === null) throw new Error('there is no store yet');
  return { store: files.store };
}

/** Passes so many bytes, then breaks. */
export async function* cutAfter(
  body: AsyncIterable<Uint8Array>,
  bytesMax: number,
): AsyncGenerator<Uint8Array> {
  let left = bytesMax;
  for await (const chunk of body) {
    yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left <= 0) throw new Error('ECONNRESET');
  }
}

export async function* replaced(
  body: AsyncIterable<Uint8Array>,
  from: string,
  to: string,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    yield new TextEncoder().encode(new TextDecoder().decode(chunk).replaceAll(from, to));
  }
}
