/** What befalls the databases, drawn from the seed: kills between and in steps, offline stretches, faults of network and server. */
import { NETWORK_FAULTS, type NetworkFault, WRITE_FAULTS } from '../proxy/fault-proxy.ts';
import { SeededRandom } from '../random.ts';
import type { FaultLevel } from './options.ts';
import type { Step } from './steps.ts';
import type { Leave } from './worker-process.ts';

const MILD: readonly NetworkFault[] = ['net-delay', 'net-slice', 'net-reset', 'net-cut'];

/** Shares of the steps before and in which a database is killed, and of the iterations that it is offline. */
const SHARES = {
  none: { kill: 0, killDuring: 0, offline: 0 },
  mild: { kill: 0, killDuring: 0, offline: 0.2 },
  harsh: { kill: 0.05, killDuring: 0.05, offline: 0.25 },
} as const;
const KILL_DURING_MS_MAX = 60;
const STEPS_FROM = 2;

/** What befalls all databases at once; only in a harsh run, and only what is ours. */
export const CENTRAL_FAULTS = ['kill-server', 'kill-postgres', 'freeze-postgres'] as const;
export type CentralFault = (typeof CENTRAL_FAULTS)[number];

/**
 * The faults of the network of a level, in an order that the seed decides: each comes before one comes twice. Those of
 * uploads come first: a short run has met them too.
 */
export function networkDeck(level: FaultLevel, random: SeededRandom): () => NetworkFault | null {
  if (level === 'none') return () => null;
  const all = level === 'mild' ? MILD : NETWORK_FAULTS;
  const isOfUploads = (fault: NetworkFault): boolean => WRITE_FAULTS.includes(fault);
  return deckOf([all.filter(isOfUploads), all.filter((fault) => !isOfUploads(fault))], random);
}

/** One after the other, by chance; of a part only when those before it are through. Null when there are none. */
export function deckOf<T>(parts: readonly (readonly T[])[], random: SeededRandom): () => T | null {
  let left: T[][] = [];
  return () => {
    left = left.filter(({ length }) => length > 0);
    if (left.length === 0) left = parts.map((part) => [...part]);
    const part = left.find(({ length }) => length > 0);
    if (part === undefined) return null;
    const [drawn] = part.splice(random.between(0, part.length - 1), 1);
    return drawn ?? null;
  };
}

/** What is planned for one database. The same seed gives the same plan. */
export class Schedule {
  readonly #leaves = new Map<number, Leave>();
  readonly #offline = new Set<number>();

  constructor(
    level: FaultLevel,
    {
      seed,
      database,
      steps,
    }: { readonly seed: number; readonly database: number; readonly steps: readonly Step[] },
  ) {
    const random = new SeededRandom(seed ^ (database * 0x9e3779b1));
    const { kill, killDuring, offline } = SHARES[level];
    const iterations = steps.at(-1)?.iteration ?? 0;
    for (let iteration = 1; iteration <= iterations; iteration++) {
      // The last one is for everybody to meet in.
      if (random.next() < offline && iteration < iterations) this.#offline.add(iteration);
    }
    if (offline > 0 && this.#offline.size === 0 && iterations > 1) {
      this.#offline.add(random.between(1, iterations - 1));
    }
    for (const { index } of steps) {
      const [draw, afterMs] = [random.next(), random.between(0, KILL_DURING_MS_MAX)];
      if (index < STEPS_FROM) continue;
      if (draw < kill) this.#leaves.set(index, { kind: 'kill' });
      else if (draw < kill + killDuring) this.#leaves.set(index, { kind: 'kill-during', afterMs });
    }
  }

  /** Each is given once: a life that goes on with the same step is left alone. */
  take({ index, iteration }: Step): Leave {
    const leave = this.#leaves.get(index);
    this.#leaves.delete(index);
    return leave ?? { kind: 'go', isOffline: this.#offline.has(iteration) };
  }

  isOffline({ iteration }: Step): boolean {
    return this.#offline.has(iteration);
  }
}
