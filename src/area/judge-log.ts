/**
 * Judges a log by rules, line by line: what is kept does not grow with the log. A line counts for the first rule that
 * matches it, in the order in which the rules are written, where the rule's section is open.
 *
 * Expressions come from users: they take time in proportion to the line, of which the first LOG_LINE_CHARS_MAX characters
 * are looked at. Only those of imported areas may be bound by steps instead; where these were not enough, the line does
 * not count, and the rule is never met.
 */
import { unreachable } from '../core/assert.ts';
import type { Match } from '../regex/linear.ts';
import type { Regex, RegexAnswer } from '../regex/regex.ts';
import { HITS_MAX, LOG_LINE_CHARS_MAX, VALUES_MAX } from './limits.ts';
import { compileLogRegex, compileRegex, type SureRegex } from './regex.ts';
import { BODY } from './rule-draft.ts';
import { type Datum, judgeValue } from './test-data.ts';
import type { Comparator, LogRule, LogRules, RuleKind } from './types.ts';

export type LogStatus = 'PASS' | 'FAIL' | 'WARN' | 'CHECK' | 'WAIVED' | 'ABORT' | 'SKIP';

/** The exit codes of the rule tool. */
const EXIT_CODES: Readonly<Record<LogStatus, number>> = {
  ...{ PASS: 0, FAIL: 1, WARN: 2, CHECK: 3, WAIVED: 4, ABORT: 5, SKIP: 6 },
};
/** Worst first. */
const RANK: readonly LogStatus[] = ['ABORT', 'FAIL', 'CHECK', 'WAIVED', 'WARN', 'SKIP', 'PASS'];
const EXCERPT_CHARS = 200;

/** Lines count from 1; `text` is cut to 200 characters. */
export type Hit = { readonly line: number; readonly text: string };

export type RuleResult = {
  readonly rule: LogRule;
  /** Lines that counted for it. */
  readonly count: number;
  /** The first HITS_MAX of them. */
  readonly hits: readonly Hit[];
  readonly isMet: boolean;
  /** A line on which an expression took too long to say; then the rule is not met. */
  readonly undecided: Hit | null;
  /** PASS, or what the rule makes of the test; CHECK when that is nothing, but it is undecided. */
  readonly status: LogStatus;
};

export type LogJudgement = {
  readonly status: LogStatus;
  readonly exitCode: number;
  /** Which rule decided, and where it fired; '' of PASS. */
  readonly message: string;
  readonly rules: readonly RuleResult[];
  /** A row per rule that counts, per value that was found, and three of how it ended. */
  readonly data: readonly Datum[];
  readonly lines: number;
  /** Lines of which only the beginning was looked at. */
  readonly cutLines: number;
};

export function judgeLog(lines: Iterable<string>, rules: LogRules): LogJudgement {
  const judge = new LogJudge(rules);
  for (const line of lines) judge.push(line);
  return judge.finish();
}

/** What an own area may not have was refused when its rules were read. */
const ANY = { isCompatible: true };

type Section = {
  readonly name: string;
  readonly from: SureRegex;
  readonly to: SureRegex;
  isOpen: boolean;
};

type Watched = {
  readonly rule: LogRule;
  readonly patterns: readonly Regex[];
  count: number;
  /** Values out of tolerance. */
  bad: number;
  readonly hits: Hit[];
  readonly badHits: Hit[];
  /** The first line on which an expression had not enough steps. */
  undecided: Hit | null;
};

/** For logs that come in pieces. */
export class LogJudge {
  readonly #sections: readonly Section[];
  readonly #rules: readonly Watched[];
  readonly #values: Datum[] = [];
  #lines = 0;
  #cutLines = 0;

  /** Throws AREA_UNFIT when an expression cannot be compiled. */
  constructor({ sections, rules }: LogRules) {
    const here = rules[0]?.origin ?? { file: 'rules', line: 1 };
    this.#sections = sections.map(({ name, from, to }) => ({
      ...{ name, isOpen: false },
      from: compileRegex({ source: from, flags: '' }, here),
      to: compileRegex({ source: to, flags: '' }, here),
    }));
    this.#rules = rules.map((rule) => ({
      ...{ rule, count: 0, bad: 0, hits: [], badHits: [], undecided: null },
      patterns: rule.patterns.map((pattern) => compileLogRegex(pattern, rule.origin, ANY)),
    }));
  }

  /** One line, without its end. */
  push(whole: string): void {
    this.#lines += 1;
    const isCut = whole.length > LOG_LINE_CHARS_MAX;
    if (isCut) this.#cutLines += 1;
    const line = isCut ? whole.slice(0, LOG_LINE_CHARS_MAX) : whole;
    for (const section of this.#sections) {
      if (!section.isOpen && section.from.test(line)) section.isOpen = true;
    }
    this.#count(line);
    for (const section of this.#sections) {
      if (section.isOpen && section.to.test(line)) section.isOpen = false;
    }
  }

  #count(line: string): void {
    for (const watched of this.#rules) {
      if (!this.#isOpen(watched.rule.section)) continue;
      const match = firstMatch(watched.patterns, line);
      if (match === null) continue;
      const hit = { line: this.#lines, text: line.slice(0, EXCERPT_CHARS) };
      if (match === 'undecided') {
        watched.undecided ??= hit;
        continue;
      }
      watched.count += 1;
      if (watched.hits.length < HITS_MAX) watched.hits.push(hit);
      if (watched.rule.value !== null) this.#measure(watched, match, hit);
      return;
    }
  }

  /** The whole log is open always; a section of that name may narrow it. */
  #isOpen(name: string): boolean {
    const own = this.#sections.filter((section) => section.name === name);
    return own.length === 0 ? name === BODY : own.some(({ isOpen }) => isOpen);
  }

  #measure(watched: Watched, match: Match, hit: Hit): void {
    const { rule } = watched;
    if (rule.value === null) return;
    const { expected, tolerance, match: group } = rule.value;
    const value = match[group] ?? '';
    const verdict = judgeValue({ value, expected, tolerance });
    const isGood = verdict === 'PASS' || (verdict === 'n/a' && value === expected);
    if (!isGood) {
      watched.bad += 1;
      if (watched.badHits.length < HITS_MAX) watched.badHits.push(hit);
    }
    if (this.#values.length >= VALUES_MAX) return;
    this.#values.push({
      ...{ category: rule.section, variable: rule.description, value, expected, tolerance },
      ...{
        units: '',
        comment: `line ${hit.line}`,
        status: isGood ? 'PASS' : 'FAIL',
        type: 'value',
      },
    });
  }

  finish(): LogJudgement {
    const rules = this.#rules.map(resultOf);
    const deciding = RANK.map((status) => rules.find((result) => result.status === status)).find(
      (result) => result !== undefined,
    );
    const status = deciding?.status ?? 'PASS';
    const message = deciding === undefined || status === 'PASS' ? '' : messageOf(deciding);
    const exitCode = EXIT_CODES[status];
    const counted = rules.filter(({ rule, count }) => rule.value === null || count === 0);
    const ending = finalData(status, exitCode, message);
    const data = [...counted.map(datumOf), ...this.#values, ...ending];
    const counts = { lines: this.#lines, cutLines: this.#cutLines };
    return { status, exitCode, message, rules, data, ...counts };
  }
}

const isMatch = (answer: RegexAnswer): answer is Match => answer !== null && answer !== 'undecided';

function firstMatch(patterns: readonly Regex[], line: string): RegexAnswer {
  let isUndecided = false;
  for (const pattern of patterns) {
    const answer = pattern.exec(line);
    if (isMatch(answer)) return answer;
    if (answer === 'undecided') isUndecided = true;
  }
  return isUndecided ? 'undecided' : null;
}

function resultOf({ rule, count, bad, hits, badHits, undecided }: Watched): RuleResult {
  const isKept = compare(count, rule.comparator, rule.count) && bad === 0;
  const isMet = isKept && undecided === null;
  const unmet = isKept ? 'CHECK' : statusOf(rule.kind);
  const status = isMet ? 'PASS' : unmet;
  return { rule, count, hits: bad > 0 ? badHits : hits, isMet, undecided, status };
}

/** What a rule makes of a test when it is not met. */
function statusOf(kind: RuleKind): LogStatus {
  switch (kind) {
    case 'error':
    case 'required':
    case 'value':
      return 'FAIL';
    case 'warning':
      return 'WARN';
    case 'check':
      return 'CHECK';
    case 'waive':
      return 'WAIVED';
    case 'abort':
      return 'ABORT';
    case 'skip':
      return 'SKIP';
    case 'ignore':
      return 'PASS';
    default:
      return unreachable(kind);
  }
}

function compare(left: number, comparator: Comparator, right: number): boolean {
  switch (comparator) {
    case '=':
      return left === right;
    case '>':
      return left > right;
    case '<':
      return left < right;
    case '>=':
      return left >= right;
    case '<=':
      return left <= right;
    default:
      return unreachable(comparator);
  }
}

function messageOf({ rule, count, hits, undecided, status }: RuleResult): string {
  if (status === 'CHECK' && undecided !== null) {
    const where = `line ${undecided.line}: ${undecided.text}`;
    return `${rule.kind} "${rule.description}": the expression took too long to say; ${where}`;
  }
  const [first] = hits;
  const where = first === undefined ? '' : `; line ${first.line}: ${first.text}`;
  if (rule.value !== null && count > 0) {
    const { expected, tolerance } = rule.value;
    return `value "${rule.description}" is not ${expected} (${tolerance})${where}`;
  }
  const wanted = `${rule.comparator} ${rule.count}`;
  const lines = count === 1 ? '1 line' : `${count} lines`;
  return `${rule.kind} "${rule.description}": ${lines}, wanted ${wanted}${where}`;
}

function datumOf({ rule, count, status }: RuleResult): Datum {
  return {
    ...{ category: rule.section, variable: rule.description, value: String(count) },
    ...{ expected: String(rule.count), tolerance: rule.comparator, units: 'lines', comment: '' },
    ...{ status, type: rule.kind },
  };
}

function finalData(status: LogStatus, exitCode: number, message: string): readonly Datum[] {
  const row = (variable: string, value: string): Datum => ({
    ...{ category: 'final', variable, value, expected: '', tolerance: '', units: '' },
    ...{ comment: '', status: 'n/a', type: 'final' },
  });
  return [row('exit-code', String(exitCode)), row('status', status), row('message', message)];
}
