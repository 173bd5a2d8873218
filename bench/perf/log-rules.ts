/**
 * A log judged by typical rules, against the same expressions as plain RegExp and as automata only: what it costs that no
 * expression can hold the runner up. The three take turns.
 *
 *   node bench/perf/log-rules.ts [--mib 10] [--rounds 5]
 */
import { parseArgs } from 'node:util';
import { LogJudge } from '../../src/area/judge-log.ts';
import { readLogRules } from '../../src/area/log-rules.ts';
import type { LogRules } from '../../src/area/types.ts';
import { LinearRegex } from '../../src/regex/linear.ts';
import { readScript } from '../../src/regex/script-syntax.ts';
import { spread } from './numbers.ts';

const { values } = parseArgs({
  options: { mib: { type: 'string', default: '10' }, rounds: { type: 'string', default: '5' } },
});
const LOG_CHARS = Number(values.mib) * 1024 * 1024;
const ROUNDS = Number(values.rounds);
const STATES_MAX = 5000;

const RULES = `
ignore "a count of none" /\\b0 errors/
error "errors" /error:/i, /^fatal/
error "crashes" /Segmentation fault|core dumped|Traceback/
warning < 1000000 "old calls" /warning: .*deprecated/
check "slow" /took (\\d{4,}) ms$/
abort "no space" /No space left on device/
skip "nothing to do" /^\\s*nothing to be done/
required "ends" /^done$/
value 12 1000 "milliseconds" /linked in ([0-9.]+) ms/
error "words that fail" /\\w+ failed\\b/
`;

const WORDS = [
  'compiling',
  'module',
  'src/foo/bar.c',
  '-O2',
  'warning',
  'of',
  'something',
  '0',
  'errors',
];
const MORE = [
  'took',
  '12',
  'ms',
  'INFO',
  '[main]',
  '2026-11-22',
  '19:33:58.123',
  'linked',
  'value',
];

function logLines(): readonly string[] {
  const words = [...WORDS, ...MORE];
  const lines: string[] = [];
  let seed = 1;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (seed >> 8) % below;
  };
  for (let size = 0; size < LOG_CHARS; size += (lines.at(-1) ?? '').length + 1) {
    const count = 5 + random(15);
    lines.push(Array.from({ length: count }, () => words[random(words.length)]).join(' '));
  }
  return [...lines, 'linked in 14.2 ms', 'done'];
}

/** Lines that count for a rule: the first one that has it takes it. */
function counted(lines: readonly string[], tests: readonly ((line: string) => boolean)[]): number {
  let count = 0;
  for (const line of lines) if (tests.some((test) => test(line))) count += 1;
  return count;
}

function plain({ rules }: LogRules): readonly ((line: string) => boolean)[] {
  return rules.flatMap(({ patterns }) =>
    patterns.map(({ source, flags }) => {
      const regex = new RegExp(source, flags);
      return (line: string) => regex.exec(line) !== null;
    }),
  );
}

function automata({ rules }: LogRules): readonly ((line: string) => boolean)[] {
  return rules.flatMap(({ patterns }) =>
    patterns.map(({ source, flags }) => {
      const read = readScript(source, { ignoresCase: flags === 'i', isDotAll: false });
      const regex = read === null ? null : LinearRegex.of(read.node, read.groups, STATES_MAX);
      return (line: string) => regex?.test(line) === true;
    }),
  );
}

function judged(lines: readonly string[], rules: LogRules): number {
  const judge = new LogJudge(rules);
  for (const line of lines) judge.push(line);
  return judge.finish().rules.reduce((sum, { count }) => sum + count, 0);
}

const origin = { file: 'rules', line: 1 };
const rules = readLogRules({ key: 'run', value: RULES, origin }, { isCompatible: false });
const lines = logLines();
const [natives, linears] = [plain(rules), automata(rules)];
const ways: readonly (readonly [string, () => number])[] = [
  ['RegExp', () => counted(lines, natives)],
  ['judge', () => judged(lines, rules)],
  ['automata', () => counted(lines, linears)],
];
const times = new Map<string, number[]>(ways.map(([name]) => [name, []]));
for (let round = 0; round <= ROUNDS; round += 1) {
  for (const [name, run] of ways) {
    const start = performance.now();
    const count = run();
    // The first round warms up.
    if (round > 0) times.get(name)?.push(performance.now() - start);
    if (round === 0) console.log(`${name}: ${count} lines counted`);
  }
}
const base = times.get('RegExp') ?? [];
for (const [name, all] of times) {
  const ratios = all.map((time, round) => time / (base[round] ?? time));
  console.log(`${name.padEnd(9)} ms ${spread(all)}  of RegExp ${spread(ratios)}`);
}
