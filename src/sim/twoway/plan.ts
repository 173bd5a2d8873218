/**
 * Everything that happens in a run of sites that write and is not decided by the product. Like the plan of the one-way
 * run it is data: drawn from a seed, cut down when it fails, and written as a script.
 */
import { UPLOAD_CRASH_POINTS } from '../../client/crash-points.ts';
import { Chance } from '../chance.ts';
import type { NetworkOptions } from '../plan.ts';
import type { Write } from './site-disk.ts';

/** One transaction. */
export type WriteAction = {
  readonly kind: 'write';
  readonly at: number;
  /** Where; null is Postgres itself. */
  readonly site: string | null;
  readonly writes: readonly Write[];
};

/** `kill` and `partition` mend by themselves. */
export const TWOWAY_FAULTS = ['kill', 'crash', 'partition', 'cut'] as const;

export type TwowayFault = {
  readonly kind: 'fault';
  readonly at: number;
  readonly fault: (typeof TWOWAY_FAULTS)[number];
  readonly site: string;
  /** How long; 0 where it takes no time. */
  readonly ms: number;
  /** Of `crash`: the place in the program. */
  readonly point?: string | undefined;
};

export type TwowayAction = WriteAction | TwowayFault;

export type TwowayPlan = {
  readonly seed: number;
  readonly network: NetworkOptions;
  /** Names of those that write, beside Postgres. */
  readonly sites: readonly string[];
  /** Faults happen before this; afterwards everything must come to rest. */
  readonly safetyMs: number;
  /** In order of time. */
  readonly actions: readonly TwowayAction[];
};

const SAFETY_MS = 15_000;
const SITES = { least: 2, most: 4 };
const WRITES = { least: 10, most: 40 };
const FAULTS_MAX = 6;
const KEYS = ['k1', 'k2', 'k3', 'k4'];

/** Runs in which every value tells who wrote it; in the others different writes may have equal values. */
const STAMPED = 0.7;
/** Numbers of writes begin with who wrote. */
export const WRITES_PER_SITE = 10_000_000;
const POSTGRES_NUMBER = 9;

/** The number by which the writes of a site begin: 2 for `s2`. */
export function siteNumber(site: string | null): number {
  return site === null ? POSTGRES_NUMBER : Number(site.slice(1));
}

function writeNumber(site: string | null, count: number): number {
  return siteNumber(site) * WRITES_PER_SITE + count;
}

/** With values that no other transaction writes. */
function stamped(writes: readonly Write[], number: number): readonly Write[] {
  return writes.map((write) =>
    write.kind === 'delete' ? write : { ...write, a: `w${number}~`, b: BigInt(number) },
  );
}

/** The same seed gives the same plan, everywhere and always. */
export function twowayPlanOf(seed: number): TwowayPlan {
  const chance = new Chance(seed, 'two-way');
  const network = {
    ...{ delayMsMin: 0, delayMsMax: chance.pick([5, 50, 400]), splits: 0, windowBytes: 100_000 },
    breaks: chance.pick([0, 0.05, 0.2]),
    repeats: chance.pick([0, 0.2, 0.6]),
  };
  const count = chance.between(SITES.least, SITES.most);
  const sites = Array.from({ length: count }, (_, index) => `s${index + 1}`);
  const isStamped = chance.stream('stamps').hits(STAMPED);
  const actions = drawActions(chance.stream('plan'), sites, isStamped);
  return { seed, network, sites, safetyMs: SAFETY_MS, actions };
}

function drawActions(
  chance: Chance,
  sites: readonly string[],
  isStamped: boolean,
): readonly TwowayAction[] {
  let values = 0;
  const drawWrite = (): Write => {
    values += 1;
    const kind = chance.pick(['put', 'put', 'put', 'delete', 'replace'] as const);
    // Few values, so that equal versions with equal values come up too.
    const a = chance.pick(['', 'x', 'y', `${values}`]);
    return { kind, key: chance.pick(KEYS), a, b: BigInt(chance.between(-2, 2)) };
  };
  let count = 0;
  const length = chance.between(WRITES.least, WRITES.most);
  const written = Array.from({ length }, (): WriteAction => {
    const site = sites[chance.between(-1, sites.length - 1)] ?? null;
    const drawn = Array.from({ length: chance.between(1, 3) }, drawWrite);
    count += 1;
    const writes = isStamped ? stamped(drawn, writeNumber(site, count)) : drawn;
    return { kind: 'write', at: chance.between(0, SAFETY_MS - 500), site, writes };
  });
  const faults = Array.from({ length: chance.between(0, FAULTS_MAX) }, () =>
    drawFault(chance, sites),
  );
  return [...written, ...faults].sort((a, b) => a.at - b.at);
}

function drawFault(chance: Chance, sites: readonly string[]): TwowayFault {
  const site = chance.pick(sites);
  const at = chance.between(100, SAFETY_MS - 500);
  const fault = chance.pick(TWOWAY_FAULTS);
  const point = chance.pick(UPLOAD_CRASH_POINTS);
  const ms = chance.pick([100, 2000, 8000]);
  const action = { kind: 'fault', at, fault, site, ms: 0 } as const;
  if (fault === 'crash') return { ...action, point };
  return fault === 'cut' ? action : { ...action, ms };
}
