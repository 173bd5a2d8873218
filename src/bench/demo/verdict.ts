/**
 * What the demo found: the verdict of the stress' judge over the evidence, and what a demo must have shown
 * besides. Decides only.
 */
import type { Comparison } from '../stress/compare.ts';
import type { VerdictFile } from '../stress/evidence.ts';
import type { PlannedFault } from '../stress/plan.ts';
import type { FaultOutcome } from '../stress/run-faults.ts';
import type { TransactionKind } from './atlas.ts';

export type ReplicaCheck = {
  readonly selector: string;
  readonly file: string;
  /** Where it stood when it was compared. */
  readonly position: string;
  /** One digest over all its tables, as Postgres has it. */
  readonly digest: string;
  /** By the product's own exact comparison. */
  readonly isDigestEqual: boolean;
  /** Every column of every row, by plain SQL. */
  readonly comparison: Comparison;
};

export type Findings = {
  readonly replicas: readonly ReplicaCheck[];
  readonly plan: readonly PlannedFault[];
  readonly faults: readonly FaultOutcome[];
  readonly judged: Pick<VerdictFile, 'properties' | 'latency'>;
  /** Committed transactions by kind. */
  readonly kinds: Readonly<Record<TransactionKind, number>>;
  readonly rolledBackRows: number;
};

/** What a run of a few seconds must have exercised, whatever else there is. */
const EXERCISED = ['P1', 'P3', 'P4', 'P5', 'P11', 'P17', 'P19'];

/** Why this is no PASS, one sentence each; empty: it is one. */
export function problemsOf(findings: Findings): readonly string[] {
  return [
    ...findings.replicas.flatMap(problemsOfReplica),
    ...problemsOfJudge(findings),
    ...problemsOfFaults(findings),
    ...problemsOfCoverage(findings),
  ];
}

function problemsOfReplica({
  selector,
  file,
  comparison,
  isDigestEqual,
}: ReplicaCheck): readonly string[] {
  const { differences } = comparison;
  const problems: string[] = [];
  if (differences.length > 0) {
    const named = differences.map((line) => `\n    ${line}`).join('');
    const count = differences.length === 1 ? '1 row differs' : `${differences.length} rows differ`;
    problems.push(`replica ${selector}: ${count} from Postgres (${file})${named}`);
  }
  if (!isDigestEqual) problems.push(`replica ${selector}: its digest differs from Postgres'`);
  return problems;
}

function problemsOfJudge({ judged }: Findings): readonly string[] {
  return judged.properties.flatMap(({ property, title, verdict, witness }) => {
    if (verdict === 'fail') {
      const shown = witness.map((line) => `\n    ${line}`).join('');
      return [`${property}, ${title}: FAILS${shown}`];
    }
    const isMissed = verdict === 'not exercised' && EXERCISED.includes(property);
    return isMissed ? [`NOT EXERCISED: ${property}, ${title}`] : [];
  });
}

function problemsOfFaults({ plan, faults }: Findings): readonly string[] {
  return plan.flatMap(({ id, fault }) => {
    const outcome = faults.find(({ planned }) => planned.id === id);
    if (outcome === undefined || outcome.effects.length === 0) {
      return [`NOT EXERCISED: no effect of ${fault} was seen`];
    }
    return outcome.isHealed ? [] : [`after ${fault} things were not as before in time`];
  });
}

function problemsOfCoverage({ kinds, judged, rolledBackRows }: Findings): readonly string[] {
  const missing = Object.entries(kinds).filter(([, count]) => count === 0);
  return [
    ...missing.map(([kind]) => `NOT EXERCISED: no transaction of kind ${kind}`),
    ...(rolledBackRows === 0 ? ['NOT EXERCISED: no transaction was rolled back'] : []),
    ...(judged.latency.samples === 0 ? ['NOT EXERCISED: no delay was measured'] : []),
  ];
}
