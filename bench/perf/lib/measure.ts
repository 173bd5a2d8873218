/**
 * Ratios, not absolute figures: these machines are shared and drift. Sides are measured alternately in one
 * run, in rotated order, with a fixed control job around each; a round whose control drifted is repeated.
 */
import { createHash } from 'node:crypto';

export type Side = { readonly name: string; readonly run: () => Promise<number> };

export type Measured = {
  readonly name: string;
  readonly unit: string;
  readonly rounds: number;
  /** Median per side, in the order given. */
  readonly medians: Readonly<Record<string, number>>;
  readonly ranges: Readonly<Record<string, readonly [number, number]>>;
  /** First side over second side: median of the ratios of each round. */
  readonly ratio: number;
  readonly ratioRange: readonly [number, number];
  readonly driftedRounds: number;
};

const DRIFT_MAX = 1.25;
const REPEATS_MAX = 3;
const CONTROL_BYTES = 8 * 1024 * 1024;

/** Runs both sides `rounds` times, alternately, after one warm-up of each. */
export async function compare(options: {
  readonly name: string;
  readonly unit: string;
  readonly rounds: number;
  readonly sides: readonly [Side, Side];
}): Promise<Measured> {
  const { sides, rounds } = options;
  const figures = new Map<string, number[]>(sides.map((side) => [side.name, []]));
  let drifted = 0;
  for (let round = 0, repeats = 0; round < rounds; round += 1) {
    const before = control();
    const order = round % 2 === 0 ? sides : [...sides].reverse();
    const results = new Map<string, number>();
    for (const side of order) results.set(side.name, await side.run());
    const drift = control() / before;
    if ((drift > DRIFT_MAX || drift < 1 / DRIFT_MAX) && repeats < REPEATS_MAX) {
      drifted += 1;
      repeats += 1;
      round -= 1;
      continue;
    }
    for (const [name, value] of results) figures.get(name)?.push(value);
  }
  return summarize(options, figures, drifted);
}

function summarize(
  options: { name: string; unit: string; sides: readonly [Side, Side] },
  figures: ReadonlyMap<string, number[]>,
  driftedRounds: number,
): Measured {
  const [first, second] = options.sides.map((side) => figures.get(side.name) ?? []);
  const ratios = (first ?? []).map((value, index) => value / (second?.[index] ?? Number.NaN));
  return {
    name: options.name,
    unit: options.unit,
    rounds: ratios.length,
    medians: Object.fromEntries([...figures].map(([name, values]) => [name, median(values)])),
    ranges: Object.fromEntries([...figures].map(([name, values]) => [name, range(values)])),
    ratio: median(ratios),
    ratioRange: range(ratios),
    driftedRounds,
  };
}

/** One line per comparison, ratio first. */
export function print(measured: Measured): void {
  const sides = Object.entries(measured.medians)
    .map(([name, value]) => `${name} ${short(value)} ${measured.unit}`)
    .join(', ');
  const [low, high] = measured.ratioRange;
  process.stderr.write(
    `${measured.name}: ratio ${measured.ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)}), ${sides}, ${measured.rounds} rounds\n`,
  );
  process.stdout.write(`${JSON.stringify(measured)}\n`);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function range(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** Milliseconds of a fixed native job: tells whether the machine itself changed its pace. */
function control(): number {
  const block = Buffer.alloc(CONTROL_BYTES, 7);
  const start = performance.now();
  createHash('sha256').update(block).digest();
  return performance.now() - start;
}

function short(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}
