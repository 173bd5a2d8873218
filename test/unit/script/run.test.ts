/** The runner, the normalisers and the differences it shows. */
import { describe, expect, test } from 'vitest';
import { unifiedDiff } from '../../../src/script/diff.ts';
import { ScriptError } from '../../../src/script/errors.ts';
import { Normaliser } from '../../../src/script/normalise.ts';
import { parseScript } from '../../../src/script/parse.ts';
import { printScript } from '../../../src/script/print.ts';
import { type Call, runAtOnce, runSteps } from '../../../src/script/run.ts';

const parse = (text: string) => parseScript(text, { file: 'a.test' });
const THREE = 'a\n----\n1\n\nb\n----\n2\n\nc\n----\n3\n';
const kinds = (results: readonly { kind: string }[]) => results.map(({ kind }) => kind);

describe('a run', () => {
  test('gives commands, arguments and input to the handler, in order', () => {
    const seen: string[] = [];
    runAtOnce(
      parse('a n=3 l=(x, y)\nin\n----\n\nb f\n----\n'),
      ({ command, args, input }: Call) => {
        seen.push(
          `${command} ${args.optionalInteger('n')} ${args.list('l')} ${args.flag('f')} ${input}`,
        );
        return '';
      },
    );
    expect(seen).toEqual(['a 3 x,y false in\n', 'b undefined  true ']);
  });

  test('ends at the first difference, or goes on when told to', () => {
    const answer = ({ command }: Call) =>
      command === 'b' ? 'other\n' : `${'abc'.indexOf(command) + 1}\n`;
    expect(kinds(runAtOnce(parse(THREE), answer))).toEqual(['passed', 'differs']);
    expect(kinds(runAtOnce(parse(THREE), answer, { goOn: true }))).toEqual([
      'passed',
      'differs',
      'passed',
    ]);
  });

  test('ends at a broken case', () => {
    const results = runAtOnce(
      parse(THREE),
      () => {
        throw new Error('no such thing');
      },
      { goOn: true },
    );
    expect(kinds(results)).toEqual(['broken']);
  });

  test('through a line runs the cases up to it, because state adds up', () => {
    const run = (throughLine: number) =>
      runAtOnce(parse(THREE), () => '', { throughLine, goOn: true });
    expect([1, 3, 4, 5, 7, 99].map((line) => run(line).length)).toEqual([1, 1, 1, 2, 2, 3]);
    expect(() => runAtOnce(parse(`# x\n${THREE}`), () => '', { throughLine: 1 })).toThrow(
      ScriptError,
    );
  });

  test('waits for answers that come later', () => {
    const steps = runSteps(parse('a\n----\n1\n'));
    const first = steps.next();
    expect(first).toMatchObject({ done: false, value: { command: 'a' } });
    const last = steps.next({ kind: 'output', text: '1\n' });
    expect(last).toMatchObject({ done: true, value: [{ kind: 'passed' }] });
  });

  test.each([
    ['a x', (call: Call) => call.args.text('x'), 'x takes one value'],
    ['a x=(1)', (call: Call) => call.args.text('x'), 'x takes one value'],
    ['a x=1', (call: Call) => String(call.args.flag('x')), 'x takes no value'],
    ['a', (call: Call) => call.args.text('x'), 'argument x is missing'],
    ['a x=1.5', (call: Call) => String(call.args.integer('x')), 'x=1.5 is not a whole number'],
    ['a x=c', (call: Call) => call.args.choice('x', ['a', 'b']), 'x=c is unknown'],
    ['a x', (call: Call) => String(call.args.list('x')), 'x takes values'],
  ])('%s: an argument that does not fit breaks the case', (directive, handler, message) => {
    const [result] = runAtOnce(parse(`${directive}\n----\n`), handler);
    expect(result).toMatchObject({ kind: 'broken', error: { message } });
  });
});

describe('normalisers', () => {
  const shown = (header: string, ...outputs: string[]) => {
    const names = Normaliser.of(
      parse(`#: ${header}\n`).settings,
      { file: 'a', line: 1, column: 1 },
      () => ['/tmp/x', '/tmp/x/y'],
    );
    return outputs.map((output) => names.shown(output));
  };

  test('positions get names in the order of their appearance, equal ones the same', () => {
    expect(
      shown('normalise=(lsn)', 'at 0/16B3748 and 1/A', '0/16B3748', 'a/b and 0/16B3748/x'),
    ).toEqual(['at L1 and L2', 'L1', 'a/b and 0/16B3748/x']);
  });

  test('transaction ids, ports, durations and folders too', () => {
    const header = 'normalise=(txid, port, duration, temp)';
    expect(
      shown(
        header,
        'txid=731 xmin: 731 "xid":732',
        'http://127.0.0.1:4411/',
        '3 ms, 2.5s',
        '/tmp/x/y/z /tmp/x/a',
      ),
    ).toEqual([
      'txid=X1 xmin: X1 "xid":X2',
      'http://127.0.0.1:P1/',
      '<duration>, <duration>',
      '<TEMP>/z <TEMP>/a',
    ]);
  });

  test('only what the header names is replaced', () => {
    expect(shown('normalise=(txid)', '0/16B3748 /tmp/x')).toEqual(['0/16B3748 /tmp/x']);
  });

  test("a mask of one's own replaces its group", () => {
    expect(shown('mask=("D=digest ([0-9a-f]+)")', 'digest ab digest cd digest ab')).toEqual([
      'digest D1 digest D2 digest D1',
    ]);
  });

  test('an unknown kind and a mask without a name are errors', () => {
    expect(() => shown('normalise=(lsm)', '')).toThrow('normalise=lsm is unknown');
    expect(() => shown('mask=("[")', '')).toThrow('mask');
  });

  test('a name leads back to what it stands for', () => {
    const script = parse('#: normalise=(lsn)\na\n----\nL1\n\nb\n----\n0/A1 is not named\n');
    const seen: unknown[] = [];
    runAtOnce(script, ({ command, names }) => {
      seen.push(names.actual('L1'));
      return command === 'a' ? '0/A0\n' : '';
    });
    expect(seen).toEqual([undefined, '0/A0']);
  });
});

describe('a difference', () => {
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join('');

  test('names file and line, and shows five lines around it', () => {
    const actual = numbers(1, 20).replace('10\n', 'ten\n');
    expect(unifiedDiff(numbers(1, 20), actual, { file: 'a.test', line: 4 })).toBe(
      `--- a.test (expected)\n+++ a.test (actual)\n@@ -8,11 +8,11 @@\n 5\n 6\n 7\n 8\n 9\n-10\n+ten\n 11\n 12\n 13\n 14\n 15\n`,
    );
  });

  test('shows white space at the end of lines', () => {
    const diff = unifiedDiff('a\n', 'a \t\n', { file: 'f', line: 1 });
    expect(diff).toContain('\n-a\n+a·→\n');
  });

  test('far changes are hunks of their own, and what is common stays', () => {
    const actual = numbers(0, 40).replace('30\n', '');
    const diff = unifiedDiff(numbers(1, 40), actual, { file: 'f', line: 1 });
    expect(diff.match(/^@@ .*@@$/gm)).toEqual(['@@ -1,5 +1,6 @@', '@@ -25,11 +26,10 @@']);
    expect(diff.match(/^[+-]\d/gm)).toEqual(['+0', '-3']);
  });

  test('of equal texts is empty', () => {
    expect(unifiedDiff('a\n', 'a\n', { file: 'f', line: 1 })).toBe('');
  });
});

test('what the format cannot say is not printed', () => {
  const base = { kind: 'case', command: 'a', args: [], input: '', expected: '' } as const;
  expect(() => printScript([{ ...base, input: 'x\n\ny\n' }])).toThrow('blank lines');
  expect(() => printScript([{ ...base, input: '----\n' }])).toThrow('an input');
  expect(() => printScript([{ ...base, command: 'a b' }])).toThrow('the command');
  expect(() => printScript([{ kind: 'comment', text: 'x' }])).toThrow('a comment');
});
