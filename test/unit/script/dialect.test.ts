/** The rules of the strict dialect, one by one: what the two datadriven libraries get wrong is an error here. */
import { describe, expect, test } from 'vitest';
import { ScriptError } from '../../../src/script/errors.ts';
import { parseScript } from '../../../src/script/parse.ts';
import { rewriteScript } from '../../../src/script/rewrite.ts';
import { type Call, runAtOnce } from '../../../src/script/run.ts';
import type { Case } from '../../../src/script/types.ts';

const parse = (text: string) => parseScript(text, { file: 'a.test' });

function only(text: string): Case {
  const [first, ...rest] = parse(text).cases;
  if (first === undefined) throw new Error('no case');
  expect(rest).toEqual([]);
  return first;
}

/** Where and what is wrong, and that there is a remedy. */
function wrong(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (!(error instanceof ScriptError)) throw error;
    expect(error.remedy).not.toBe('');
    expect(error.place.file).toBe('a.test');
    return `${error.place.line}:${error.place.column} ${error.message}`;
  }
  return 'nothing';
}

const args = (line: string) => only(`${line}\n----\n`).args;

/** The file after a rewrite in which the cases answer with `outputs`, which must then pass. */
function rewritten(text: string, ...outputs: string[]): string {
  const answer = () => {
    let next = 0;
    return () => outputs[next++] ?? '';
  };
  const script = parse(text);
  const after = rewriteScript(script, runAtOnce(script, answer(), { goOn: true }));
  const results = runAtOnce(parse(after), answer());
  expect(results.map(({ kind }) => kind)).toEqual(outputs.map(() => 'passed'));
  return after;
}

describe('separators', () => {
  test('a forgotten separator is an error at the first blank line', () => {
    expect(wrong('a\ninput\n\nb\n----\nok\n')).toBe(
      '3:1 a blank line in the input of the case of line 1',
    );
    expect(wrong('a\n\nb\n----\nok\n')).toBe('2:1 a blank line in the input of the case of line 1');
  });

  test('blank lines in the input need the argument blank', () => {
    expect(only('a blank\none\n\n  two\n\n----\nok\n').input).toBe('one\n\n  two\n\n');
  });

  test('a file that ends without a separator is an error', () => {
    expect(wrong('# c\n\na\ninput\n')).toBe('3:1 the file ends before the separator of this case');
  });

  test.each(['---- ', ' ----', '----\t', '---', '-----', '  --------'])(
    'what looks like a separator is an error: %j',
    (line) => {
      expect(wrong(`a\n${line}\nok\n`)).toBe('2:1 this looks like a separator');
    },
  );

  test('a separator in the expected output is an error: the blank line before a case was forgotten', () => {
    expect(wrong('a\n----\nok\nb\n----\nok\n')).toBe('5:1 a separator in the expected output');
  });

  test('a separator without a case is an error', () => {
    expect(wrong('a\n----\nok\n\n----\n')).toBe('5:1 a separator without a case');
  });

  test('a line after the closing pair is an error', () => {
    expect(wrong('a\n----\n----\nok\n----\n----\nb\n----\n')).toBe(
      '7:1 the output of line 2 is closed, but the next line is not blank',
    );
  });

  test('a fence that is not closed is an error', () => {
    expect(wrong('a\n----\n----\nok\n----\n')).toBe(
      '1:1 the file ends before the fence of this case is closed',
    );
  });

  test('a paragraph of output without a fence is noticed when it is indented', () => {
    expect(wrong('a\n----\nok\n\n  more\n')).toBe('5:1 a line begins with white space');
  });
});

describe('output', () => {
  test('ends at the first blank line, or one of white space', () => {
    const { cases } = parse('a\n----\none\ntwo\n \t\nb\n----\n\n');
    expect(cases.map(({ expected }) => expected)).toEqual(['one\ntwo\n', '']);
  });

  test('in a fence has blank lines and single separators', () => {
    expect(only('a\n----\n----\none\n\n----\ntwo\n----\n----\n').expected).toBe(
      'one\n\n----\ntwo\n',
    );
  });

  test('in a fence of any length is closed by the same length', () => {
    const text = 'a\n-----\n-----\n----\n----\nx\n-----\n-----\n';
    expect(only(text).expected).toBe('----\n----\nx\n');
  });

  test.each([
    ['starts with a separator', '----\nx\n', 'a\n-----\n-----\n----\nx\n-----\n-----\n'],
    ['is two separators', '----\n----\n', 'a\n-----\n-----\n----\n----\n-----\n-----\n'],
    [
      'has a longer line of hyphens',
      'x\n-------\n',
      'a\n--------\n--------\nx\n-------\n--------\n--------\n',
    ],
    ['starts with a newline', '\nx\n', 'a\n----\n----\n\nx\n----\n----\n'],
    ['has a blank line', 'x\n\ny\n', 'a\n----\n----\nx\n\ny\n----\n----\n'],
    ['has a line of white space', 'x\n  \ny\n', 'a\n----\n----\nx\n  \ny\n----\n----\n'],
    ['has no final newline', 'x', 'a\n----\nx\n'],
    ['is empty', '', 'a\n----\n'],
  ])('that %s is written so that it reads back', (_, output, file) => {
    expect(rewritten('a\n----\nold\n', output)).toBe(file);
    expect(rewritten('a\n----\n----\nold\n----\n----\n\nb\n----\n', output, '')).toBe(
      `${file}\nb\n----\n`,
    );
  });

  test('without a final newline differs from output with one only where the argument newline says so', () => {
    const results = (text: string, output: string) =>
      runAtOnce(parse(text), () => output).map(({ kind }) => kind);
    expect(results('a\n----\nx\n', 'x')).toEqual(['passed']);
    expect(results('a newline\n----\nx\n', 'x')).toEqual(['differs']);
    expect(results('a newline\n----\nx\n', 'x\n')).toEqual(['passed']);
    expect(rewritten('a newline\n----\n', 'x')).toBe(
      'a newline\n----\nx\n\\ no newline at the end\n',
    );
  });

  test('with a carriage return shows it', () => {
    expect(rewritten('a\n----\n', 'x\r\ny\n')).toBe('a\n----\nx\\r\ny\n');
  });
});

describe('line ends', () => {
  test('CRLF is accepted, and the file keeps its own style', () => {
    const crlf = (text: string) => text.replaceAll('\n', '\r\n');
    const text = crlf('# c\n\na\ninput\n----\nold\n\nb\n----\nsame\n');
    expect(parse(text).cases[0]).toMatchObject({ input: 'input\n', expected: 'old\n' });
    expect(rewritten(text, 'new\n', 'same\n')).toBe(text.replace('old', 'new'));
    expect(rewritten(text, 'new\n\n', 'same\n')).toBe(
      crlf('# c\n\na\ninput\n----\n----\nnew\n\n----\n----\n\nb\n----\nsame\n'),
    );
  });

  test('a line may be longer than 64 KiB', () => {
    const long = 'x'.repeat(200_000);
    const { cases } = parse(`a\n${long}\n----\n${long}\n\nb\n----\n`);
    expect(cases.map(({ input }) => input.length)).toEqual([200_001, 0]);
    expect(cases[0]?.expected).toBe(`${long}\n`);
  });

  test('a last line without a newline counts', () => {
    expect(only('a\n----\nok').expected).toBe('ok\n');
    expect(only('a\n----').expected).toBe('');
  });
});

describe('directive lines', () => {
  test('have flags, values, empty values and lists', () => {
    expect(args('a f v=x e= l=(a, b) none=()')).toEqual([
      { kind: 'flag', key: 'f' },
      { kind: 'value', key: 'v', value: 'x' },
      { kind: 'value', key: 'e', value: '' },
      { kind: 'list', key: 'l', values: ['a', 'b'] },
      { kind: 'list', key: 'none', values: [] },
    ]);
  });

  test('separate by any white space', () => {
    expect(only('sql\ton=pg\t \tas=u \n----\n').command).toBe('sql');
    expect(args('sql\ton=pg\t \tas=u ')).toMatchObject([{ value: 'pg' }, { value: 'u' }]);
  });

  test('have "#" in values, but no comments', () => {
    expect(args('a v=#1')).toEqual([{ kind: 'value', key: 'v', value: '#1' }]);
    expect(wrong('a v=1 # why\n----\n')).toBe(
      '1:7 "#" begins a comment only at the start of a line',
    );
  });

  test('have plain values with "/", ":" and the like, and JSON strings for anything else', () => {
    expect(args('a on=replica:a at=0/16B3748 v="a \\"b\\", (c)\\n"')).toMatchObject([
      { value: 'replica:a' },
      { value: '0/16B3748' },
      { value: 'a "b", (c)\n' },
    ]);
    expect(args('a l=("x, y", z)')).toMatchObject([{ values: ['x, y', 'z'] }]);
    expect(wrong('a v="b\n----\n')).toBe('1:5 the quote is not closed');
    expect(wrong('a v="\\x"\n----\n')).toBe('1:5 "\\x" is not a JSON string');
    expect(wrong('a v="b"c\n----\n')).toBe('1:8 unexpected "c"');
  });

  test('keep nested parentheses', () => {
    expect(args('a l=(f(x), (b, (c, d)), e)')).toMatchObject([
      { values: ['f(x)', '(b, (c, d))', 'e'] },
    ]);
    expect(wrong('a l=(b, (c)\n----\n')).toBe('1:5 the parenthesis is not closed');
    expect(wrong('a l=(b\n----\n')).toBe('1:5 the parenthesis is not closed');
    expect(wrong('a l=(b))\n----\n')).toBe('1:8 unexpected ")"');
  });

  test('have no empty values in lists, unless they are quoted', () => {
    expect(args('a l=(b, "")')).toMatchObject([{ values: ['b', ''] }]);
    expect(wrong('a l=(b,)\n----\n')).toBe('1:8 the list has an empty value');
    expect(wrong('a l=(b c)\n----\n')).toBe('1:8 expected "," or ")" in the list');
  });

  test('name an argument once', () => {
    expect(wrong('a v=1 v=2\n----\n')).toBe('1:7 argument v is there twice');
  });

  test('have no space before "="', () => {
    expect(wrong('a v =1\n----\n')).toBe('1:5 a space before "="');
    expect(wrong('a =1\n----\n')).toBe('1:3 a space before "="');
  });

  test('have one command', () => {
    expect(wrong('a,b v=1\n----\n')).toBe('1:2 a list of commands is not supported');
    expect(wrong('a(b)\n----\n')).toBe('1:2 unexpected "(" in a command');
  });

  test('an argument that nobody asked for breaks the case, where it stands', () => {
    const script = parse('a known=1 unknown=2\n----\nok\n');
    const [result] = runAtOnce(script, ({ args }: Call) => `${args.text('known')}\n`, {
      goOn: true,
    });
    if (result?.kind !== 'broken' || !(result.error instanceof ScriptError))
      throw new Error('passed');
    expect(result.error.message).toBe('unknown is not an argument of a');
    expect(result.error.place).toEqual({ file: 'a.test', line: 1, column: 11 });
    expect(result.error.remedy).toBe('known here: blank, known, newline');
    expect(rewriteScript(script, [result])).toBe('a known=1 unknown=2\n----\nok\n');
  });
});

describe('the header', () => {
  test('names world, profile and what is normalised', () => {
    const { settings } = parse(
      '# why\n#: world=real profile=b\n#: normalise=(lsn, txid)\n\na\n----\n',
    );
    expect(settings).toMatchObject({ world: 'real', profile: 'b', normalise: ['lsn', 'txid'] });
  });

  test('has no unknown settings, and stands at the top', () => {
    expect(wrong('#: wrold=real\n')).toBe('1:4 wrold is not a setting of the header');
    expect(wrong('a\n----\n\n#: world=real\n')).toBe('4:1 a setting after the first case');
    expect(wrong('#: dialect=ada\n')).toBe('1:4 dialect=ada is unknown');
  });
});

test('comments and blank lines stand between cases only', () => {
  const { items } = parse('# one\n\na\n# input\n----\n# output\n\n# two\n');
  expect(items.map((item) => (item.kind === 'comment' ? item.text : item.kind))).toEqual([
    '# one',
    '',
    'case',
    '',
    '# two',
  ]);
  expect(items[2]).toMatchObject({ input: '# input\n', expected: '# output\n' });
});
