/**
 * What a proof leaves in the work area of its test, for people: the verdict of each property, counterexamples, how to repeat it, and
 * plots over its time. A test names the file as the datum `proof/file`.
 */
import { TidelockError } from '../core/errors.ts';

export const PROOF_FILE = 'proof.json';
/** Of the whole file: plots are thinned out and counterexamples cut by who writes it. */
export const PROOF_BYTES_MAX = 1024 * 1024;
/** Points of one line of a plot. */
export const PROOF_POINTS_MAX = 600;

export type ProvenProperty = {
  /** `P1` .. `P31`. */
  readonly property: string;
  readonly title: string;
  readonly verdict: 'pass' | 'fail' | 'not exercised';
  /** How many events were looked at. */
  readonly checked: number;
  /** Where the first counterexample is, and what it is; empty where there is none. */
  readonly witness: readonly string[];
};

export type ProofPlot = {
  readonly title: string;
  readonly unit: string;
  readonly series: readonly {
    readonly name: string;
    readonly values: readonly (number | null)[];
  }[];
};

export type ProofFault = {
  readonly name: string;
  /** Seconds since the beginning. */
  readonly from: number;
  readonly to: number;
  /** Null: nothing was seen of it. */
  readonly effect: string | null;
};

export type Proof = {
  readonly format: 1;
  readonly title: string;
  readonly verdict: 'PASS' | 'FAIL';
  readonly seed: number;
  /** Repeats it. */
  readonly command: string;
  /** Faults as the seed has drawn them. */
  readonly schedule: readonly string[];
  readonly properties: readonly ProvenProperty[];
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Folder of the evidence, relative to the work area. */
  readonly evidence: string;
  /** Seconds since the beginning, of all plots. */
  readonly times: readonly number[];
  readonly plots: readonly ProofPlot[];
  readonly faults: readonly ProofFault[];
};

const VERDICTS: readonly unknown[] = ['pass', 'fail', 'not exercised'];

/** Throws `BAD_REQUEST`: any program may have written the file. */
export function parseProof(text: string): Proof {
  let proof: Partial<Proof>;
  try {
    proof = JSON.parse(text) as Partial<Proof>;
  } catch {
    throw unfit('it is not JSON, or not whole');
  }
  const { format, properties, times, plots, faults, schedule, facts } = proof ?? {};
  if (format !== 1) throw unfit(`its format is ${String(format)}, this page knows 1`);
  const lists = { properties, times, plots, faults, schedule, facts };
  for (const [name, list] of Object.entries(lists)) {
    if (!Array.isArray(list)) throw unfit(`${name} is no list`);
  }
  if (!(properties ?? []).every(isProperty)) throw unfit('a property of it has no verdict');
  const count = times?.length ?? 0;
  if (!(plots ?? []).every((plot) => isPlot(plot, count))) throw unfit('a plot of it has gaps');
  return proof as Proof;
}

function isProperty(one: Partial<ProvenProperty> | null): boolean {
  if (one === null || typeof one.property !== 'string') return false;
  return VERDICTS.includes(one.verdict) && Array.isArray(one.witness);
}

function isPlot(plot: Partial<ProofPlot> | null, count: number): boolean {
  if (plot === null || !Array.isArray(plot.series)) return false;
  return plot.series.every(({ values }) => Array.isArray(values) && values.length === count);
}

function unfit(why: string): TidelockError {
  return new TidelockError({
    code: 'BAD_REQUEST',
    message: `the file of the proof cannot be shown: ${why}`,
    hint: 'the verdicts stand in the data of the test; run it again for the rest',
  });
}
