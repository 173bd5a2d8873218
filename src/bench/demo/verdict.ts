/** What the demo found, and what follows from it. Decides only. */
import { unreachable } from '../../core/assert.ts';
import type { TransactionKind } from './atlas.ts';
import type { RowComparison } from './compare.ts';
import type { Fault } from './faults.ts';
import type { Latencies } from './latency.ts';
import type { RolledBack } from './workload.ts';

export type ReplicaCheck = {
  readonly selector: string;
  readonly file: string;
  /** Where it stood when it was compared. */
  readonly position: string;
  /** One digest over all its tables, as Postgres has it. */
  readonly digest: string;
  /** By the product's own exact comparison: digests of both sides by full scan, and the stored ones. */
  readonly isDigestEqual: boolean;
  /** Row by row, by plain SQL. */
  readonly comparison: RowComparison;
  /** Rows of the rolled-back transaction that it has. */
  readonly ghosts: number;
};

export type Findings = {
  readonly replicas: readonly ReplicaCheck[];
  readonly faults: readonly Fault[];
  readonly latencies: Latencies;
  /** Committed transactions by kind. */
  readonly kinds: Readonly<Record<TransactionKind, number>>;
  readonly rolledBack: RolledBack | null;
  /** Rows of the rolled-back transaction that Postgres has. */
  readonly ghostsInPostgres: number;
};

/** Why this is no PASS, one sentence each; empty: it is one. */
export function judge(findings: Findings): readonly string[] {
  return [
    ...findings.replicas.flatMap(judgeReplica),
    ...findings.faults.flatMap(judgeFault),
    ...judgeRollBack(findings),
    ...judgeCoverage(findings),
  ];
}

function judgeReplica(check: ReplicaCheck): readonly string[] {
  const { selector, file, comparison, ghosts } = check;
  const problems: string[] = [];
  if (comparison.wrong > 0) {
    const more = comparison.wrong - comparison.named.length;
    const rest = more > 0 ? [`and ${more} more`] : [];
    const named = [...comparison.named, ...rest].map((line) => `\n    ${line}`).join('');
    problems.push(
      `replica ${selector}: ${rowsThat(comparison.wrong, 'differ')} from Postgres (${file})${named}`,
    );
  }
  if (!check.isDigestEqual) problems.push(`replica ${selector}: its digest differs from Postgres'`);
  if (comparison.lost > 0) {
    problems.push(`replica ${selector}: lost writes: ${comparison.lost} rows`);
  }
  if (comparison.foreign > 0) {
    problems.push(
      `Postgres: ${comparison.foreign} rows of ${selector} are not as written: does another program write?`,
    );
  }
  if (ghosts > 0) problems.push(`replica ${selector}: has ${ghosts} rows that were rolled back`);
  return problems;
}

function rowsThat(count: number, verb: string): string {
  return count === 1 ? `1 row ${verb}s` : `${count} rows ${verb}`;
}

function judgeFault(fault: Fault): readonly string[] {
  switch (fault.kind) {
    case 'connection cut':
      return fault.observed === null ? ['NOT EXERCISED: the connection was not seen to break'] : [];
    case 'replica killed': {
      if (fault.observed === null) return ['NOT EXERCISED: no replica was seen to die'];
      return fault.isCopied ? [`replica ${fault.selector} was copied anew after the kill`] : [];
    }
    default:
      return unreachable(fault);
  }
}

function judgeRollBack({ rolledBack, ghostsInPostgres }: Findings): readonly string[] {
  if (rolledBack === null || rolledBack.seenInside === 0) {
    return ['NOT EXERCISED: no transaction was rolled back'];
  }
  return ghostsInPostgres > 0
    ? [`Postgres has ${ghostsInPostgres} rows that were rolled back`]
    : [];
}

function judgeCoverage({ kinds, latencies }: Findings): readonly string[] {
  const missing = Object.entries(kinds).filter(([, count]) => count === 0);
  return [
    ...missing.map(([kind]) => `NOT EXERCISED: no transaction of kind ${kind}`),
    ...(latencies.count === 0 ? ['NOT EXERCISED: no delay was measured'] : []),
  ];
}
