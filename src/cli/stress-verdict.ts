/** A verdict for people: one line per property, the witness of what failed, faults, delays. */
import type { Verdict, VerdictFile } from '../bench/stress/evidence.ts';

const TITLE_COLUMNS = 74;

export function stressVerdictLines(verdict: VerdictFile): readonly string[] {
  const failed = verdict.properties.filter((one) => one.verdict === 'fail');
  return [
    ...verdict.properties.map(propertyLine),
    ...failed.flatMap(witnessLines),
    ...faultLines(verdict),
    latencyLine(verdict),
    speedLine(verdict),
    verdict.verdict,
  ];
}

function propertyLine({ property, title, verdict, checked }: Verdict): string {
  const count = verdict === 'not exercised' ? '' : `${checked} checked`;
  return `  ${property.padEnd(4)}${title.padEnd(TITLE_COLUMNS)} ${verdict.padEnd(14)}${count}`.trimEnd();
}

function witnessLines({ property, witness }: Verdict): readonly string[] {
  return ['', `${property} fails:`, ...witness.map((line) => `  ${line}`), ''];
}

function faultLines({ faults }: VerdictFile): readonly string[] {
  if (faults.length === 0) return [];
  const seen = faults.filter(({ effects }) => effects > 0);
  const unseen = faults.filter(({ effects }) => effects === 0);
  const names = seen.map(({ fault, effects }) => `${fault} ${effects}`).join(', ');
  return [
    `faults with an effect: ${names || 'none'}`,
    ...(unseen.length === 0
      ? []
      : [`faults not exercised: ${unseen.map(({ fault }) => fault).join(', ')}`]),
  ];
}

function latencyLine({ latency }: VerdictFile): string {
  const { samples, p50, p90, p99, max } = latency;
  if (samples === 0) return 'commit to replica: nothing was measured outside of faults';
  return `commit to replica, outside of faults: p50 ${p50} ms, p90 ${p90} ms, p99 ${p99} ms, max ${max} ms`;
}

function speedLine({ rowsPerSecond, cpuPerRowMs }: VerdictFile): string {
  const cpu = cpuPerRowMs === null ? '' : `, ${cpuPerRowMs} ms of the server's CPU per row`;
  return `${rowsPerSecond} rows/s verified${cpu}`;
}
