/** The demo in words: one or two aligned lines per fact, and a verdict. */

import type { DemoResult } from '../bench/demo/demo.ts';
import type { Fact, WorkloadFacts } from '../bench/demo/report.ts';
import type { ReplicaCheck } from '../bench/demo/verdict.ts';
import type { FaultOutcome } from '../bench/stress/run-faults.ts';
import { unreachable } from '../core/assert.ts';

const LABEL_WIDTH = 11;
const DIGEST_CHARS = 8;

/** The lines of one fact. */
export function factLines(fact: Fact): readonly string[] {
  const [first = '', ...rest] = wordsOf(fact);
  const label = labelOf(fact).padEnd(LABEL_WIDTH);
  return [`${label}${first}`, ...rest.map((line) => `${' '.repeat(LABEL_WIDTH)}${line}`)];
}

/** The last line, and before it what is wrong. */
export function verdictLines(result: DemoResult): readonly string[] {
  const { verdict, problems, replicas, position, rows, changes, transactions, lost } = result;
  const writes = `${count(changes)} changes in ${count(transactions)} transactions`;
  if (verdict === 'PASS') {
    return [
      `PASS  ${replicas.length} replicas equal to Postgres at ${position}: ` +
        `${count(rows)} rows, ${writes}, ${lost} lost`,
    ];
  }
  return [
    ...problems.map((problem) => `  - ${problem}`),
    `FAIL  at ${position}: ${writes}, ${lost} lost; seed ${result.seed}, files in ${result.dir}`,
  ];
}

/** What to do while the demo goes on serving. `program` is how the command line is called. */
export function servingLines(result: DemoResult, program: string): readonly string[] {
  const { server, postgres, recent } = result;
  const sql = 'UPDATE city SET population = population + 1 WHERE name = $$Lyon$$';
  return [
    '',
    `serving until Ctrl-C: ${server}; watch it in a browser: ${server}/dashboard/`,
    'try in another terminal, in this folder:',
    `  curl -N '${server}/v1/feed?selector=FR&since=${recent}'`,
    `  ${program} replicate --server ${server} --selector FR --db fr.db`,
    'and write, with any client of Postgres or with this one:',
    `  export DB='${postgres}'`,
    `  node -e 'const c = new (require("pg").Client)(process.env.DB);`,
    `    c.connect().then(() => c.query("${sql}")).then(() => c.end())'`,
  ];
}

function labelOf(fact: Fact): string {
  if (fact.kind !== 'fault') return fact.kind;
  return fact.fault.planned.fault === 'cut-walsender' ? 'cut' : 'kill -9';
}

function wordsOf(fact: Fact): readonly string[] {
  switch (fact.kind) {
    case 'postgres':
      return [`${fact.version}, embedded, on 127.0.0.1:${fact.port} (${seconds(fact.durationMs)})`];
    case 'places': {
      const how = fact.isNew ? `loaded in ${seconds(fact.durationMs)}` : 'from an earlier start';
      return [`${count(fact.rows)} GeoNames places in ${fact.countries} countries, ${how}`];
    }
    case 'server': {
      const why = fact.isOtherPort ? '; port 7700 was taken' : '';
      return [`${fact.url} (${seconds(fact.durationMs)}${why})`];
    }
    case 'replica':
      return [`${fact.selector} ${rows(fact.rows)} ${openedHow(fact)} at ${fact.position}`];
    case 'workload':
      return workloadWords(fact);
    case 'fault':
      return faultWords(fact.fault);
    case 'quiet':
      return [
        `every replica has all up to ${fact.position} after ${milliseconds(fact.durationMs)}`,
      ];
    case 'check':
      return [checkWords(fact.check)];
    case 'judge': {
      const found = fact.failed.length === 0 ? 'none fails' : `FAILED: ${fact.failed.join(', ')}`;
      return [
        `${fact.passed} properties pass, ${found}; ${count(fact.checked)} local transactions ` +
          'held against an independent slot',
      ];
    }
    case 'latency': {
      const { p50, p99, max, samples } = fact.latency;
      return [
        `commit to replica p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, longest ` +
          `${milliseconds(max)} (${count(samples)}, outside of faults)`,
      ];
    }
    default:
      return unreachable(fact);
  }
}

function openedHow({ copiedBytes, durationMs }: Fact & { kind: 'replica' }): string {
  if (copiedBytes === 0) return `found, continued in ${seconds(durationMs)}`;
  return `copied (${(copiedBytes / 1e6).toFixed(1)} MB) in ${seconds(durationMs)}`;
}

function workloadWords({ kinds, ...facts }: WorkloadFacts): readonly string[] {
  const of = [
    `${kinds.insert} inserts, ${kinds.update} updates, ${kinds.delete} deletes`,
    `${kinds.move} selector moves, ${kinds.relocation} over two tables`,
  ];
  const more = [
    `${kinds.bulk} of 40 rows, ${kinds.everyone} for everyone`,
    `1 rolled back (${facts.rolledBackRows} rows)`,
  ];
  return [
    `${count(facts.transactions)} transactions, ${count(facts.changes)} changes in ${seconds(facts.durationMs)}:`,
    `${of.join(', ')},`,
    more.join(', '),
  ];
}

function faultWords({ planned, effects, isHealed, ms }: FaultOutcome): readonly string[] {
  if (effects.length === 0) return ['NOT EXERCISED'];
  const whom = planned.fault === 'kill-receiver' ? `replica ${planned.target}: ` : '';
  const how = isHealed ? `as before after ${milliseconds(ms)}` : 'NOT AS BEFORE IN TIME';
  return [`${whom}${effects.join('; ')}; ${how}`];
}

function checkWords({ selector, comparison, digest, isDigestEqual }: ReplicaCheck): string {
  const equal = isDigestEqual ? 'equal' : 'DIFFERENT';
  const wrong = comparison.differences.length;
  const same = wrong === 0 ? 'every column of every row equal' : `${wrong} ROWS DIFFER`;
  return `${selector} ${rows(comparison.rows)} digest ${digest.slice(0, DIGEST_CHARS)} ${equal}, ${same}`;
}

function rows(value: number): string {
  return `${count(value).padStart(7)} rows`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function milliseconds(ms: number): string {
  return ms < 10_000 ? `${count(Math.round(ms))} ms` : seconds(ms);
}
