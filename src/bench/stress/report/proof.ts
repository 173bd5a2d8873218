/** The proof of a stress, for the page of its test in the dashboard: `proof.json` beside the evidence. */
import { writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  PROOF_FILE,
  PROOF_POINTS_MAX,
  type Proof,
  type ProvenProperty,
} from '../../../report/proof.ts';
import type { RunFile, VerdictFile } from '../evidence.ts';
import type { ReportData } from './data.ts';

const WITNESS_LINES = 40;
const WITNESS_CHARS = 500;
const FAULTS_MAX = 1000;

export type StressProof = Pick<
  Proof,
  'title' | 'verdict' | 'seed' | 'command' | 'schedule' | 'properties' | 'facts'
>;

/** Writes it into the folder of the evidence. */
export function writeProof(folder: string, proof: StressProof, data: ReportData): void {
  const step = Math.max(1, Math.ceil(data.times.length / PROOF_POINTS_MAX));
  const thinned = <T>(values: readonly T[]): T[] => values.filter((_, at) => at % step === 0);
  const whole: Proof = {
    ...{ format: 1, ...proof, evidence: basename(folder) },
    properties: proof.properties.map(bounded),
    times: thinned(data.times),
    plots: data.plots.map(({ title, unit, series }) => ({
      ...{ title, unit },
      series: series.map(({ name, values }) => ({ name, values: thinned(values) })),
    })),
    faults: data.faults.slice(0, FAULTS_MAX),
  };
  writeFileSync(join(folder, PROOF_FILE), JSON.stringify(whole));
}

function bounded(property: ProvenProperty): ProvenProperty {
  const witness = property.witness
    .slice(0, WITNESS_LINES)
    .map((line) => (line.length <= WITNESS_CHARS ? line : `${line.slice(0, WITNESS_CHARS)}…`));
  return { ...property, witness };
}

export function oneWayProof(run: RunFile, verdict: VerdictFile): StressProof {
  const { options, seed, protocol, plan, end } = run;
  const { latency, rowsPerSecond } = verdict;
  const { durationMs, senders, receivers, faults } = options;
  return {
    ...{ title: `stress one-way, ${protocol}`, verdict: verdict.verdict, seed },
    command:
      `bin/tidelock stress one-way --protocol ${protocol} --senders ${senders} --receivers ${receivers} ` +
      `--duration ${Number(durationMs) / 1000}s --faults ${faults} --seed ${seed}`,
    schedule: plan.map(({ atMs, fault, target }) => `${atMs / 1000} s ${fault} ${target}`.trim()),
    properties: verdict.properties,
    facts: [
      ['ended', end === null ? 'not yet' : endWords(end)],
      ['rows verified per second', String(rowsPerSecond)],
      [
        'commit to replica, outside of faults',
        `p50 ${latency.p50} ms, p99 ${latency.p99} ms, at most ${latency.max} ms, of ${latency.samples}`,
      ],
    ],
  };
}

/** How a run ended, in a few words. */
export function endWords(end: { readonly how: string; readonly reason: string | null }): string {
  return end.reason === null ? end.how : `${end.how}: ${end.reason}`;
}
