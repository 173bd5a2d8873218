import fc from 'fast-check';
import { expect, test } from 'vitest';
import { csvOf } from '../../../src/report/csv.ts';
import { htmlOf } from '../../../src/report/html.ts';
import { junitOf } from '../../../src/report/junit.ts';
import { escapeMarkup } from '../../../src/report/markup.ts';
import { parseQuarantine } from '../../../src/report/quarantine.ts';
import { junitProblems } from './junit-schema.ts';
import { RUN, stepRow, testRow } from './rows.ts';

const OPTIONS = { fields: ['SYSTEM', 'RELEASE'], tail: () => null };

test('JUnit: a suite per test, a case per item, and what each verdict is', () => {
  const tests = [
    testRow('net', { isToplevel: true }),
    testRow('net/a'),
    testRow('net/b', { status: 'FAIL', comment: 'port <taken>' }),
    testRow('net/c', { state: 'KILLED', status: 'KILLED' }),
    testRow('disk', { state: 'NOT_STARTED', status: 'PREQ_FAIL', startedAt: null, endedAt: null }),
  ];
  const tail = ({ itemPath }: { itemPath: string }): string | null =>
    itemPath === 'b' ? 'line & ]]> \u001b[31mred' : null;
  expect(junitOf([{ run: RUN, tests, steps: [], data: [] }], { ...OPTIONS, tail })).toBe(`\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="linux/small w47" tests="4" failures="1" errors="1" skipped="1" time="7.500">
  <testsuite name="disk" tests="1" failures="0" errors="0" skipped="1" time="0.000">
    <properties>
      <property name="SYSTEM" value="linux"/>
      <property name="RELEASE" value="small"/>
      <property name="runname" value="w47"/>
    </properties>
    <testcase classname="disk" name="disk" time="0.000">
      <skipped message="NOT_STARTED/PREQ_FAIL"/>
    </testcase>
  </testsuite>
  <testsuite name="net" tests="3" failures="1" errors="1" skipped="0" time="7.500" timestamp="1970-01-01T00:00:10">
    <properties>
      <property name="SYSTEM" value="linux"/>
      <property name="RELEASE" value="small"/>
      <property name="runname" value="w47"/>
    </properties>
    <testcase classname="net" name="net/a" time="2.500"/>
    <testcase classname="net" name="net/b" time="2.500">
      <failure message="COMPLETED/FAIL: port &lt;taken&gt;" type="FAIL"/>
      <system-out>line &amp; ]]&gt; \ufffd[31mred</system-out>
    </testcase>
    <testcase classname="net" name="net/c" time="2.500">
      <error message="KILLED/KILLED" type="KILLED"/>
    </testcase>
  </testsuite>
</testsuites>
`);
});

test('JUnit: a test without items has a case per step, unless it failed without one of them', () => {
  const failed = testRow('t', { status: 'FAIL' });
  const steps = [stepRow(failed.id, 'build'), stepRow(failed.id, 'check', { status: 'FAIL' })];
  const names = (of: readonly (typeof steps)[number][]): (string | undefined)[] =>
    [
      ...junitOf([{ run: RUN, tests: [failed], steps: of, data: [] }], OPTIONS).matchAll(
        /<testcase classname="t" name="(.*?)"/g,
      ),
    ].map((match) => match[1]);
  expect(names(steps)).toEqual(['build', 'check']);
  expect(names(steps.slice(0, 1))).toEqual(['t']);
});

test('JUnit of any runs is well-formed, has only what readers of it know, and counts what is in it', () => {
  const status = fc.constantFrom('PASS', 'FAIL', 'SKIP', 'ABORT', 'DEAD', 'any < text', 'n/a');
  const state = fc.constantFrom('COMPLETED', 'NOT_STARTED', 'KILLED', 'RUNNING', 'INCOMPLETE');
  const row = fc.tuple(fc.string({ minLength: 1 }), state, status, fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(fc.array(row, { maxLength: 4 }), { maxLength: 3 }), (runs) => {
      const all = runs.map((rows) => ({
        ...{ run: RUN, steps: [], data: [] },
        tests: rows.map(([name, of, verdict, comment]) =>
          testRow(name, { state: of as 'COMPLETED', status: verdict, comment }),
        ),
      }));
      const tail = (): string => '\u0000]]><b>';
      expect(junitProblems(junitOf(all, { ...OPTIONS, tail }))).toEqual([]);
    }),
  );
});

test('CSV quotes what needs it and leaves every other text as it is', () => {
  const tests = [testRow('t', { comment: 'a "b", c\nd', exitCode: null })];
  const [head, ...lines] = csvOf([{ run: RUN, tests, steps: [], data: [] }]).split('\r\n');
  expect(head).toMatch(/^target,run,test,item,state,status,comment,/);
  expect(lines.join('\r\n')).toBe(
    'linux/small,w47,t,,COMPLETED,PASS,"a ""b"", c\nd",1,h1,1970-01-01T00:00:10.000Z,' +
      '1970-01-01T00:00:12.500Z,2.5,,,,no\r\n',
  );
});

test('no text of a test is a formula in CSV, and numbers stay numbers', () => {
  for (const comment of ['=1+1', '@SUM(A1)', '+1', '-1', '\t=1', '\r=1']) {
    const tests = [testRow('t', { comment, exitCode: -1 })];
    const csv = csvOf([{ run: RUN, tests, steps: [], data: [] }]);
    expect(csv).toMatch(/,PASS,"?'[=@+\t\r-]/);
    expect(csv).toContain(',-1,no\r\n');
  }
});

test('whatever a test prints, it is text and never markup', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const escaped = escapeMarkup(text);
      expect(escaped).not.toMatch(/[<>"']/);
      expect(escaped.replaceAll(/&(?:amp|lt|gt|quot|#39);/g, '')).not.toContain('&');
    }),
  );
  const hostile = testRow('t', { status: 'FAIL', comment: '<script>alert(1)</script>' });
  const page = htmlOf([{ run: RUN, tests: [hostile], steps: [], data: [] }], {
    tail: () => '<img src=x onerror=alert(1)>',
  });
  expect(page).not.toMatch(/<script|<img/);
});

test('a page shows what failed first, with the end of its log', () => {
  const tests = [testRow('good'), testRow('bad', { status: 'FAIL' })];
  const page = htmlOf([{ run: RUN, tests, steps: [], data: [] }], { tail: () => 'the last line' });
  expect(page.indexOf('<h3>bad</h3>')).toBeGreaterThan(0);
  expect(page.indexOf('the last line')).toBeLessThan(page.indexOf('<h2>All</h2>'));
  expect(page).toContain('2 executions: 1 COMPLETED/FAIL, 1 COMPLETED/PASS');
});

test('an entry of a quarantine has an owner, a day and a reason; anything else is an error with its line', () => {
  const text = '# known\nnet/% ann 2027-01-31 flaky port\n';
  expect(parseQuarantine(text, 'q')).toEqual([
    { pattern: 'net/%', owner: 'ann', until: Date.UTC(2027, 0, 31), reason: 'flaky port' },
  ]);
  for (const bad of ['net/%', 'net/% ann 2027-13-01 why', 'net/% ann 2027-01-31'])
    expect(() => parseQuarantine(`\n${bad}`, 'q')).toThrow(/^q:2 is no entry of a quarantine/);
});
