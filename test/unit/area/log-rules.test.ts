import { describe, expect, test } from 'vitest';
import { judgeLog, type LogJudgement } from '../../../src/area/judge-log.ts';
import { HITS_MAX, LOG_LINE_CHARS_MAX, RULES_MAX, VALUES_MAX } from '../../../src/area/limits.ts';
import { readLogRules } from '../../../src/area/log-rules.ts';
import type { LogRules } from '../../../src/area/types.ts';

const OURS = { isCompatible: false };
const IMPORTED = { isCompatible: true };
const ORIGIN = { file: '/t/testconfig', line: 4 };

function rulesOf(value: string): LogRules {
  return readLogRules({ key: 'run', value, origin: ORIGIN }, OURS);
}

function judged(rules: string, ...lines: readonly string[]): LogJudgement {
  return judgeLog(lines, rulesOf(rules));
}

const ERROR = 'error "errors" /error/';

describe('L1: rules of our own', () => {
  test.each([
    ['error "e" /x/', { kind: 'error', section: 'LogFileBody', comparator: '=', count: 0 }],
    ['required "e" /x/', { kind: 'required', comparator: '>=', count: 1 }],
    ['ignore "e" /x/', { kind: 'ignore', comparator: '>=', count: 0 }],
    ['warning in Body < 3 "e" /x/', { section: 'Body', comparator: '<', count: 3 }],
    ['check in "two words" "e" /x/', { section: 'two words' }],
    ['waive "a \\"b\\"" /x/', { kind: 'waive', description: 'a "b"' }],
    [
      'abort "e" /x/i, /y\\/z/ /[/]/',
      {
        kind: 'abort',
        patterns: [
          { source: 'x', flags: 'i' },
          { source: 'y\\/z', flags: '' },
          { source: '[/]', flags: '' },
        ],
      },
    ],
    ['skip >= 2 "e" /x/', { kind: 'skip', comparator: '>=', count: 2 }],
    [
      'value 1.9 0.1 "v" /(x)/',
      { kind: 'value', value: { expected: '1.9', tolerance: '0.1', match: 1 } },
    ],
    [
      'value in B 20 < "v" /(x)(y)/ match 2',
      { section: 'B', value: { expected: '20', tolerance: '<', match: 2 } },
    ],
  ])('%s', (text, expected) => {
    expect(rulesOf(text).rules).toMatchObject([expected]);
  });

  test('sections, and the line of each rule', () => {
    const value = `\nsection Body from /^begin/i to /^end/\n\n${ERROR}`;
    const rules = readLogRules({ key: 'run', value, origin: ORIGIN, lines: [4, 5, 8, 9] }, OURS);
    expect(rules.sections).toEqual([{ name: 'Body', from: '(?i)^begin', to: '^end' }]);
    expect(rules.rules[0]?.origin).toEqual({ file: '/t/testconfig', line: 9 });
  });

  test.each([
    ['\n\nwrong "e" /x/', '/t/testconfig:6: wrong is no kind of rule'],
    ['error /x/', 'a description in "quotes" is missing'],
    ['error "e"', 'a /regex/ is missing'],
    ['error ~ 3 "e" /x/', '~ is no comparison'],
    ['error = x "e" /x/', 'x is no whole number'],
    ['error "e" /(/', 'this is no regular expression'],
    ['error "e" /x', 'the rule cannot be read from here'],
    ['error "e" /x/ more', 'the rule goes on after its end'],
    ['section B from /x/', 'the word to is missing'],
    ['section B /x/ to /y/', 'the word from is missing'],
    ['"error"', 'the kind of the rule is missing'],
    [`error "e" /${'x'.repeat(2001)}/`, 'more than 2000 characters'],
    [`${ERROR}\n`.repeat(RULES_MAX + 1), `more than ${RULES_MAX} rules`],
  ])('%j is an error', (text, message) => {
    expect(() => rulesOf(text)).toThrow(message);
  });
});

describe('L2: rules of logpro', () => {
  test.each([
    [
      '(expect:error in "LogFileBody" = 0 "e" #/x/)',
      {
        kind: 'error',
        section: 'LogFileBody',
        comparator: '=',
        count: 0,
        description: 'e',
        patterns: [{ source: 'x', flags: '' }],
      },
    ],
    [
      '(expect:warning in "B" <= 2 "e" (list #/x/i #/y/))',
      {
        kind: 'warning',
        section: 'B',
        comparator: '<=',
        count: 2,
        patterns: [
          { source: 'x', flags: 'i' },
          { source: 'y', flags: '' },
        ],
      },
    ],
    [
      '(expect:required in "B" > 0 "e" \'(#/x/))',
      { kind: 'required', comparator: '>', patterns: [{ source: 'x', flags: '' }] },
    ],
    [
      '(expect:ignore in "B" < 99 "e" #/\\/a/)',
      { kind: 'ignore', count: 99, patterns: [{ source: '\\/a', flags: '' }] },
    ],
    [
      '(expect:check in "B" = 0 "e" (regexp "x+"))',
      { kind: 'check', patterns: [{ source: 'x+', flags: '' }] },
    ],
    ['(expect:waive in "B" = 0 "e" #/x/)', { kind: 'waive' }],
    ['(expect:abort in "B" = 0 "e" #/x/)', { kind: 'abort' }],
    ['(expect:skip in "B" = 0 "e" #/x/)', { kind: 'skip' }],
    [
      '(expect:value in "B" 1.9 0.1 "v" #/(x)/)',
      { kind: 'value', value: { expected: '1.9', tolerance: '0.1', match: 1 } },
    ],
    [
      '(expect:value in "B" 5 > "v" #/(x)(y)/ match: 2)',
      { value: { expected: '5', tolerance: '>', match: 2 } },
    ],
    [
      '; a comment (not (read\n(expect:error in "B" = 0 "e;f" #/x;y/) ; more',
      { description: 'e;f', patterns: [{ source: 'x;y', flags: '' }] },
    ],
  ])('%s', (text, expected) => {
    expect(rulesOf(text).rules).toMatchObject([expected]);
  });

  test('sections between triggers; hooks are left out', () => {
    const text =
      '(trigger "S" #/^s/)\n(trigger "E" #/^e/i)\n(section "B" "S" "E")\n(hook:first-error "echo")';
    expect(rulesOf(text)).toEqual({
      sections: [{ name: 'B', from: '^s', to: '(?i)^e' }],
      rules: [],
    });
  });

  test.each([
    ['\n\n(define x 1)', '/t/testconfig:6: unsupported expression: (define ...)'],
    ['(for-each (lambda (x) x) (list 1))', 'unsupported expression: (for-each ...)'],
    ['(expect:error in "B" = 0 "e" (conc "a" "b"))', 'unsupported expression: (expect:error ...)'],
    ['(expect:error in "B" = count "e" #/x/)', 'unsupported expression'],
    ['(expect:error in "B" = 0 "e")', '(expect:error ...) ends too early'],
    ['(section "B" "S" "E")', 'no trigger has the name S'],
    ['(expect:error', 'a "(" is never closed'],
    [';\n)', '/t/testconfig:5: a ")" closes nothing'],
    ['(expect:error in "B" = 0 "e" #/(/)', 'this is no regular expression'],
    ['('.repeat(60), 'nested too deeply'],
    ['(expect:error in "B" = 0 "open', 'unsupported expression'],
  ])('%j is an error', (text, message) => {
    expect(() => rulesOf(text)).toThrow(message);
  });
});

describe('L3: a log is judged', () => {
  test.each([
    ['error', 'FAIL', 1],
    ['warning', 'WARN', 2],
    ['check', 'CHECK', 3],
    ['waive', 'WAIVED', 4],
    ['abort', 'ABORT', 5],
    ['skip', 'SKIP', 6],
    ['ignore', 'PASS', 0],
  ])('%s that is not met: %s, exit code %i', (kind, status, exitCode) => {
    expect(judged(`${kind} = 0 "d" /x/`, 'a', 'xx')).toMatchObject({ status, exitCode });
    expect(judged(`${kind} = 0 "d" /x/`, 'a')).toMatchObject({
      status: 'PASS',
      exitCode: 0,
      message: '',
    });
  });

  test.each([
    ['= 1', [false, true, false]],
    ['> 1', [false, false, true]],
    ['< 1', [true, false, false]],
    ['>= 1', [false, true, true]],
    ['<= 1', [true, true, false]],
  ])('a count %s of 0, 1 and 2 lines', (comparison, expected) => {
    const met = [0, 1, 2].map(
      (count) =>
        judged(`error ${comparison} "d" /x/`, ...Array<string>(count).fill('x')).rules[0]?.isMet,
    );
    expect(met).toEqual(expected);
  });

  test('says which rule fired on which line', () => {
    const { message, rules } = judged(
      `required "begins" /^a/\n${ERROR}`,
      'a',
      'b',
      'an error?',
      'error',
      'x error',
    );
    expect(
      rules.map(({ count, isMet, hits }) => [count, isMet, hits.map(({ line }) => line)]),
    ).toEqual([
      [2, true, [1, 3]],
      [2, false, [4, 5]],
    ]);
    expect(message).toBe('error "errors": 2 lines, wanted = 0; line 4: error');
  });

  test('a line counts for the first rule that matches it', () => {
    expect(judged(`ignore "none" /0 errors/\n${ERROR}`, '0 errors').status).toBe('PASS');
    expect(judged(`${ERROR}\nignore "none" /0 errors/`, '0 errors').status).toBe('FAIL');
    expect(judged('required "ends" /done/\nwarning "w" /warning/', 'warning: done').status).toBe(
      'PASS',
    );
  });

  test('the worst rule decides: ABORT, FAIL, CHECK, WAIVED, WARN, SKIP', () => {
    const kinds = ['skip', 'warning', 'waive', 'check', 'error', 'abort'];
    const statuses = kinds.map(
      (_, at) =>
        judged(
          kinds
            .slice(0, at + 1)
            .map((kind) => `${kind} "d" /${kind}/`)
            .join('\n'),
          ...kinds,
        ).status,
    );
    expect(statuses).toEqual(['SKIP', 'WARN', 'WAIVED', 'CHECK', 'FAIL', 'ABORT']);
  });

  test.each([
    ['before', ['error', 'begin', 'end'], 'PASS'],
    ['inside', ['begin', 'error', 'end'], 'FAIL'],
    ['after', ['begin', 'end', 'error'], 'PASS'],
    ['in the line that begins it', ['begin error', 'end'], 'FAIL'],
    ['in the line that ends it', ['begin', 'end error'], 'FAIL'],
    ['when it is opened again', ['begin', 'end', 'begin', 'error'], 'FAIL'],
    ['of a section that never begins', ['error'], 'PASS'],
  ])('a section: %s', (_what, lines, status) => {
    const rules = 'section B from /^begin/ to /^end/\nerror in B "e" /error/';
    expect(judged(rules, ...lines).status).toBe(status);
  });

  test('a section that nothing defines is never open', () => {
    expect(judged('error in Nowhere "e" /x/', 'x').status).toBe('PASS');
    expect(judged('required in Nowhere "e" /x/', 'x').status).toBe('FAIL');
  });

  test.each([
    ['1.9 0.1', '2.0', 'PASS'],
    ['1.9 0.1', '1.8', 'PASS'],
    ['1.9 0.1', '2.01', 'FAIL'],
    ['5 >', '6', 'PASS'],
    ['5 >', '5', 'FAIL'],
    ['5 >=', '5', 'PASS'],
    ['5 <', '5', 'FAIL'],
    ['5 <=', '5', 'PASS'],
    ['5 0', 'many', 'FAIL'],
    ['fast 0', 'fast', 'PASS'],
    ['fast 0', 'slow', 'FAIL'],
  ])('a value: %s of %s', (expected, value, status) => {
    const read = judged(`value ${expected} "v" /v=(\\S+)/`, `v=${value}`);
    expect(read.status).toBe(status);
    expect(read.data.find(({ type }) => type === 'value')).toMatchObject({
      variable: 'v',
      value,
      status,
    });
  });

  test('a value that is not there is a failure', () => {
    expect(judged('value 1 0 "v" /v=(\\d)/', 'nothing')).toMatchObject({
      status: 'FAIL',
      message: 'value "v": 0 lines, wanted >= 1',
    });
    expect(judged('value 1 0 "v" /v=(\\d)/', 'v=1', 'v=2').message).toBe(
      'value "v" is not 1 (0); line 2: v=2',
    );
  });

  test('the data: a row per rule, then how it ended', () => {
    expect(
      judged(ERROR, 'error').data.map(({ category, variable, value, status }) => [
        category,
        variable,
        value,
        status,
      ]),
    ).toEqual([
      ['LogFileBody', 'errors', '1', 'FAIL'],
      ['final', 'exit-code', '1', 'n/a'],
      ['final', 'status', 'FAIL', 'n/a'],
      ['final', 'message', 'error "errors": 1 line, wanted = 0; line 1: error', 'n/a'],
    ]);
  });

  test('keeps no more of a long log than its limits', () => {
    const lines = function* () {
      for (let at = 0; at < 50_000; at += 1) yield `error v=${at}`;
    };
    const read = judgeLog(lines(), rulesOf('value 5 >= "v" /v=(\\d+)/'));
    expect(read).toMatchObject({ lines: 50_000, status: 'FAIL' });
    expect(read.rules[0]?.count).toBe(50_000);
    expect(read.rules[0]?.hits.length).toBeLessThanOrEqual(HITS_MAX);
    expect(read.data.length).toBe(VALUES_MAX + 3);
  });

  test('looks at the beginning of a line that is too long', () => {
    const long = `${'x'.repeat(LOG_LINE_CHARS_MAX)}error`;
    expect(judged(ERROR, long, 'fine')).toMatchObject({ status: 'PASS', cutLines: 1, lines: 2 });
  });

  test('POSIX classes and (?i) are understood', () => {
    expect(judged('error "e" /(?i)e[[:alpha:]]+r[[:space:]]$/', 'ERROR ').status).toBe('FAIL');
  });
});

describe('L4: an expression takes time in proportion to the line', () => {
  const LONG = 'a'.repeat(LOG_LINE_CHARS_MAX);
  const imported = (value: string, ...lines: readonly string[]): LogJudgement =>
    judgeLog(lines, readLogRules({ key: 'run', value, origin: ORIGIN }, IMPORTED));

  // The others take time that doubles with every character: the test would end with the world.
  test.each(['(a+)+b', '(a|a)*b', '(a*)*b', '(a|aa)+$b', '(?:a+){2,}b', '(\\w+\\s?)*!'])(
    '/%s/ is judged on a line of the greatest length',
    (source) => {
      expect(judged(`error "e" /${source}/`, LONG, 'aab').status).toBe(
        source.endsWith('$b') || source.endsWith('!') ? 'PASS' : 'FAIL',
      );
    },
  );

  test.each(['(a)\\1', 'a(?=b)', '(?<!a)b', '(?<x>a)\\k<x>'])(
    '/%s/ is refused in areas of ours, with the line',
    (source) => {
      expect(() => rulesOf(`${ERROR}\n\nerror "e" /${source}/`)).toThrow(
        `/t/testconfig:6: this regular expression could take very long: ${source}`,
      );
    },
  );

  test('in imported areas such a one is tried, and what it says counts', () => {
    expect(imported('error "e" /(ab|c)\\1/', 'abc', 'xcc').status).toBe('FAIL');
    expect(imported('error "e" /fail(?!ed 0)/', 'failed 0').status).toBe('PASS');
  });

  test('a line on which it takes too many steps leaves the rule undecided, and the test is to be checked', () => {
    const read = imported('error "e" /(?=a)(a+)+b/\nwarning "w" /x/', 'fine', LONG);
    expect(read).toMatchObject({ status: 'CHECK', exitCode: 3 });
    expect(read.message).toMatch(/^error "e": the expression took too long to say; line 2: aaa/);
    expect(imported('ignore "i" /(?=a)(a+)+b/', LONG).status).toBe('CHECK');
    expect(imported('error "e" /(?=a)(a+)+b/', LONG, 'ab').status).toBe('FAIL');
  });

  test('what opens or closes a section is sure in imported areas too', () => {
    expect(() => imported('section S from /(a)\\1/ to /b/', 'x')).toThrow('could take very long');
  });
});
