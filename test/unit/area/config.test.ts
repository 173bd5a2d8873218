import { describe, expect, test } from 'vitest';
import {
  EXPANSIONS_MAX,
  INCLUDE_DEPTH_MAX,
  INCLUDES_MAX,
  LINE_CHARS_MAX,
  TEXT_CHARS_MAX,
  VARIABLE_CHARS_MAX,
} from '../../../src/area/limits.ts';
import { configOf, findingsOf, HOME, triplesOf } from '../../support/memory-area.ts';

describe('G1: a line is', () => {
  test.each([
    ['a comment', '# a b', []],
    ['a comment after blanks', '  # a b', []],
    ['a key with a value', 'a b c', [['default', 'a', 'b c']]],
    ['a key alone', 'a', [['default', 'a', '']]],
    ['a key with blanks behind it', 'a  ', [['default', 'a', '']]],
    ['a key with a command', 'a [system echo 1]', [['default', 'a', 'x y']]],
    ['a value with a tab before it', 'a\tb', [['default', 'a', 'b']]],
    ['a key in a section', '[s]\na b', [['s', 'a', 'b']]],
    ['a section, blanks behind it', '[s]  \na b', [['s', 'a', 'b']]],
    [
      'a section that is opened twice',
      '[s]\na 1\n[t]\nb 2\n[s]\nc 3',
      [
        ['s', 'a', '1'],
        ['s', 'c', '3'],
        ['t', 'b', '2'],
      ],
    ],
    ['with the ends of lines of Windows', '[s]\r\na b\r\n', [['s', 'a', 'b']]],
  ])('%s', (_what, text, expected) => {
    expect(triplesOf(configOf(text, { commands: { 'echo 1': 'x\ny\n' } }))).toEqual(expected);
  });

  test('a section that is not closed is read as a key, and told', () => {
    const read = configOf('[s\na b');
    expect(triplesOf(read)).toEqual([
      ['default', '[s', ''],
      ['default', 'a', 'b'],
    ]);
    expect(findingsOf(read)[0]).toContain('/area/main:1');
  });

  test('a comment is not run, whatever helper it holds', () => {
    expect(configOf('# #{shell rm -r x}\n #{shell echo}').commands).toEqual(['echo']);
  });
});

describe('G2: an indented line continues a value', () => {
  test.each([
    ['with a newline', 'a 1\n  2', '1\n2'],
    ['without the indent of the first', 'a 1\n  2\n    3\n  4', '1\n2\n  3\n4'],
    ['with less indent than the first', 'a 1\n    2\n  3', '1\n2\n3'],
    ['over a comment', 'a 1\n# c\n  2', '1\n2'],
    ['from an empty value', 'a\n  2', '\n2'],
  ])('%s', (_what, text, value) => {
    expect(triplesOf(configOf(text))).toEqual([['default', 'a', value]]);
  });

  test('not after a blank line, nor after a section: that is told', () => {
    const read = configOf('a 1\n\n  2\n[s]\n  3');
    expect(triplesOf(read)).toEqual([['default', 'a', '1']]);
    expect(findingsOf(read)).toEqual([
      '/area/main:3: an indented line that continues no value is left out',
      '/area/main:5: an indented line that continues no value is left out',
    ]);
  });

  test('each line of the value knows where it stands', () => {
    const [entry] = configOf('a 1\n# c\n  2').result.config.sections.get('default')?.entries ?? [];
    expect(entry?.lines).toEqual([1, 3]);
  });
});

test.each([
  ['two lines', 'a b\\\nc d', [['default', 'a', 'bc d']]],
  ['a comment too', '# a\\\nb c', []],
  ['not at the end of the file', 'a b\\', [['default', 'a', 'b\\']]],
])('G3: a backslash at the end joins before anything else: %s', (_what, text, expected) => {
  expect(triplesOf(configOf(text))).toEqual(expected);
});

test('G3: lines are counted as they are written', () => {
  const [entry] =
    configOf('a\\\nb\\\nc 1\nd 2').result.config.sections.get('default')?.entries.slice(1) ?? [];
  expect(entry?.origin).toEqual({ file: `${HOME}/main`, line: 4 });
});

test('G4: a key that is defined again has the new value, and moves to the end of its section', () => {
  expect(triplesOf(configOf('[s]\na 1\nb 2\na 3'))).toEqual([
    ['s', 'b', '2'],
    ['s', 'a', '3'],
  ]);
});

describe('G5: include', () => {
  test('reads relative to its own file, into the section that is open', () => {
    const read = configOf('[s]\n[include sub/one]\nd 4\n[include /else/two]', {
      files: {
        [`${HOME}/sub/one`]: 'a 1\n[include three]\n[t]\nb 2',
        [`${HOME}/sub/three`]: 'c 3',
        '/else/two': 'e 5',
      },
    });
    expect(triplesOf(read)).toEqual([
      ['s', 'a', '1'],
      ['s', 'c', '3'],
      ['t', 'b', '2'],
      ['t', 'd', '4'],
      ['t', 'e', '5'],
    ]);
    expect(read.result.config.sections.get('s')?.entries[1]?.origin).toEqual({
      file: `${HOME}/sub/three`,
      line: 1,
    });
  });

  test('of a file that is not there is silent', () => {
    const read = configOf('[include nowhere]\na 1');
    expect(triplesOf(read)).toEqual([['default', 'a', '1']]);
    expect(findingsOf(read)).toEqual([]);
  });

  test('of itself is an error that shows the way', () => {
    const files = { [`${HOME}/one`]: '[include main]' };
    expect(() => configOf('[include one]', { files })).toThrow(
      '/area/one:1: the file includes itself: /area/main -> /area/one -> /area/main',
    );
  });

  test('has a depth and a number', () => {
    const deep = Object.fromEntries(
      Array.from({ length: INCLUDE_DEPTH_MAX + 1 }, (_, at) => [
        `${HOME}/${at}`,
        `[include ${at + 1}]`,
      ]),
    );
    expect(() => configOf('[include 0]', { files: deep })).toThrow(`${INCLUDE_DEPTH_MAX} deep`);
    const many = '[include one]\n'.repeat(INCLUDES_MAX + 1);
    expect(() => configOf(many, { files: { [`${HOME}/one`]: '' } })).toThrow(
      `more than ${INCLUDES_MAX} files`,
    );
  });
});

describe('G6: scriptinc', () => {
  test('parses what a program prints, in its place', () => {
    const read = configOf('[s]\n[scriptinc tools/say.sh a b]\nc 3', {
      files: { [`${HOME}/tools/say.sh`]: '' },
      commands: { "'/area/tools/say.sh' a b": 'a 1\n[t]\nb 2\n' },
    });
    expect(triplesOf(read)).toEqual([
      ['s', 'a', '1'],
      ['t', 'b', '2'],
      ['t', 'c', '3'],
    ]);
  });

  test('that fails is told, and gives nothing', () => {
    const read = configOf('[scriptinc nothing]\na 1');
    expect(triplesOf(read)).toEqual([['default', 'a', '1']]);
    expect(findingsOf(read)).toEqual([
      '/area/main:1: the command failed with exit code 127: nothing',
    ]);
  });
});

test('G7: a command in a value that fails gives an empty text, and is told', () => {
  const read = configOf('a [system nothing at all]');
  expect(triplesOf(read)).toEqual([['default', 'a', '']]);
  expect(findingsOf(read)).toEqual([
    '/area/main:1: the command failed with exit code 127: nothing at all',
  ]);
});

describe('G8: helpers', () => {
  const commands = {
    'echo b': 'b\n',
    two: 'x\ny\n',
    fails: { stdout: 'lost', exitCode: 3 },
  };
  const environment = { DEPS: 'simple', EMPTY: '' };

  test.each([
    ['shell', 'a #{shell echo b}', 'b'],
    ['sh', 'a #{sh echo b}', 'b'],
    ['newlines become blanks', 'a #{shell two}', 'x y'],
    ['system is the exit code', 'a #{system fails}', '3'],
    ['getenv', 'a #{getenv DEPS}', 'simple'],
    ['gv', 'a #{gv DEPS}!', 'simple!'],
    ['a variable that is empty', 'a <#{getenv EMPTY}>', '<>'],
    ['get', 'k v\na #{get default k}', 'v'],
    ['g', 'k v\na #{g default k}', 'v'],
    ['rget', 'a #{rget FOO}', 'bar'],
    ['runconfigs-get', 'a #{runconfigs-get FOO}', 'bar'],
    ['rp', 'a #{rp x/../y}', '/area/y'],
    ['realpath', 'a #{realpath /b/./c}', '/b/c'],
    ['mtrah', 'a #{mtrah}/x', '/area/x'],
    ['mtrah with a blank', 'a #{mtrah }/x', '/area/x'],
    ['several', 'a #{getenv DEPS}-#{getenv DEPS}', 'simple-simple'],
    ['nested', 'simple v\na #{get default #{getenv DEPS}}', 'v'],
    ['an unknown name stays', 'a #{nobody x}', '#{nobody x}'],
    ['scheme', 'a #{scheme (+ 1 2)}', '3'],
    ['scm', 'a #{scm (getenv "DEPS")}', 'simple'],
  ])('%s', (_what, text, value) => {
    const rget = (key: string): string | null => (key === 'FOO' ? 'bar' : null);
    const read = configOf(text, { commands, environment, rget });
    expect(triplesOf(read).at(-1)?.[2]).toBe(value);
    expect(findingsOf(read)).toEqual([]);
  });

  test('the rightmost innermost one comes first', () => {
    const read = configOf('a #{shell one} #{shell two #{shell three}}', {
      commands: { three: '3', 'two 3': '2', one: '1' },
    });
    expect(read.commands).toEqual(['three', 'two 3', 'one']);
  });

  test('create-directory makes the folder, whatever it is called', () => {
    const text = `a #{scheme (create-directory "it's" #t)}`;
    const command = "mkdir -p 'it'\\''s'";
    const read = configOf(text, { commands: { [command]: '' } });
    expect([read.commands, triplesOf(read)]).toEqual([[command], [['default', 'a', "it's"]]]);
    expect(findingsOf(configOf(text))).toEqual(["/area/main:1: the folder it's cannot be made"]);
  });

  test('a helper may give a whole line', () => {
    const read = configOf('#{shell line}', { commands: { line: 'waiton b c' } });
    expect(triplesOf(read)).toEqual([['default', 'waiton', 'b c']]);
  });

  test.each(['a #{getenv NOT}', 'a #{get s k}', 'a #{rget NOT}', 'a #{scheme #f}'])(
    'what is not set is empty, and told with its place: %s',
    (text) => {
      const read = configOf(`\n${text}`, { rget: () => null });
      expect(triplesOf(read)).toEqual([['default', 'a', '']]);
      expect(findingsOf(read)[0]).toMatch(/^\/area\/main:2: #\{\w+ .*\} has no value/);
    },
  );

  test('expansion ends, however hostile', () => {
    const again = { 'echo again': '#{shell echo again}' };
    expect(() => configOf('a #{shell echo again}', { commands: again })).toThrow(
      `/area/main:1: a line has more than ${EXPANSIONS_MAX} helpers`,
    );
    const grow = { 'echo grow': 'x'.repeat(LINE_CHARS_MAX) };
    expect(() => configOf('a #{shell echo grow}', { commands: grow })).toThrow(
      `more than ${LINE_CHARS_MAX} characters`,
    );
  });
});

describe('G9: environment sections', () => {
  const exports = (section: string): boolean => section === 'env';
  const read = (text: string, commands = {}) =>
    configOf(`[env]\n${text}`, { exports, commands, environment: { HOME: '/home/me', N: '1' } });

  test.each([
    ['a variable', 'A $N', '1'],
    ['in braces', `A <\${N}>`, '<1>'],
    ['one that is not set', 'A <$NOT>', '<>'],
    ['an earlier line', 'B x\nA $B$B', 'xx'],
    ['double quotes', 'A "a  $N"', 'a  1'],
    ['single quotes', "A 'a  $N'", 'a  $N'],
    ['a quote that is not closed', "A don't", "don't"],
    ['a backslash', 'A \\$N', '$N'],
    ['blanks become one', 'A a    b', 'a b'],
    ['home', 'A ~/x', '/home/me/x'],
    ['a tilde elsewhere', 'A x~y', 'x~y'],
    ['a command', 'A <$(date "+(%d)")>', '<today>'],
    ['backquotes', 'A `date`', 'today'],
    ['a default', `A \${NOT:-other}`, 'other'],
    ['no separator, no pipe, no pattern', 'A a;b|c >d *', 'a;b|c >d *'],
    ['blanks in quotes at an end', 'A "a " b " "', 'a  b  '],
    ['no word where a variable is not set', 'A $NOT a $NOT b', 'a b'],
    ['a dollar alone', 'A 5$', '5$'],
  ])('expand %s', (_what, text, value) => {
    const commands = {
      '$(date "+(%d)")': 'today\n',
      '`date`': 'today',
      '${NOT:-other}': 'other',
    };
    expect(read(text, commands).result.environment.A).toBe(value);
  });

  test('export at once, with and without value, and only they', () => {
    const { result } = configOf('OUT 1\n[env]\nA 1\nB\n[s]\nC #{getenv A}#{getenv B}\nD', {
      exports,
    });
    expect(result.exported.map(({ key, value }) => [key, value])).toEqual([
      ['A', '1'],
      ['B', ''],
    ]);
    expect(result.config.sections.get('s')?.entries[0]?.value).toBe('1');
    expect('D' in result.environment || 'OUT' in result.environment).toBe(false);
  });

  test('what a command prints stays as it is', () => {
    expect(read('A [system say]', { say: '"$N"  x' }).result.environment.A).toBe('"$N"  x');
  });

  test('a value of several lines is exported whole', () => {
    expect(read('A 1\n  $N').result.environment.A).toBe('1\n1');
  });
});

describe('G10: wildcard sections', () => {
  test.each([
    ['%', '[a/b]\nk 1\n[%/b]\nk 2\n[x]', [['a/b', 'k', '2']]],
    ['a regular expression', '[a/b]\n[/^a.*$/]\nk 2', [['a/b', 'k', '2']]],
    ['only what is there already', '[%/b]\nk 2\n[a/b]\nj 1', [['a/b', 'j', '1']]],
    ['at the end of the file', '[a/b]\n[a/%]\nk 2', [['a/b', 'k', '2']]],
    ['a pattern is of the whole name', '[xa/b]\n[a/%]\nk 2', []],
    ['a dot is a dot', '[a.b/c]\n[axb/c]\n[a.b/%]\nk 2', [['a.b/c', 'k', '2']]],
    ['a later section stands above', '[a/b]\n[a/%]\nk 2\n[a/b]\nk 3', [['a/b', 'k', '3']]],
  ])('%s', (_what, text, expected) => {
    const read = configOf(text);
    expect(triplesOf(read)).toEqual(expected);
    expect([...read.result.config.sections.keys()].some((name) => /%|^\//.test(name))).toBe(false);
  });

  test('match the section of the target, which is there from the start', () => {
    expect(triplesOf(configOf('[a/%]\nk 2', { sections: ['a/b'] }))).toEqual([['a/b', 'k', '2']]);
  });

  test('are exported where they come into an environment section', () => {
    const exports = (section: string): boolean => section === 'a/b';
    const read = configOf('[a/%]\nk <$N>', { sections: ['a/b'], exports, environment: { N: '1' } });
    expect(read.result.environment.k).toBe('<1>');
  });
});

describe('G11: settings and blanks', () => {
  test.each([
    ['kept in imported areas', true, 'a b  ', 'b  '],
    ['cut when asked', true, '[configf:settings trim-trailing-spaces yes]\na b  ', 'b'],
    ['cut in our own', false, 'a b  ', 'b'],
    ['kept when asked', false, '[configf:settings trim-trailing-spaces no]\na b  ', 'b  '],
    ['#f is empty in imported areas', true, 'a #f', ''],
    ['#f is a text in our own', false, 'a #f', '#f'],
  ])('%s', (_what, isCompatible, text, value) => {
    expect(triplesOf(configOf(text, { isCompatible }))[0]?.[2]).toBe(value);
  });

  test('an unknown setting is told', () => {
    expect(findingsOf(configOf('[configf:settings speed 9]'))[0]).toContain('no setting');
  });
});

test('a file that is too large is an error with its name', () => {
  expect(() => configOf('x'.repeat(TEXT_CHARS_MAX + 1))).toThrow('/area/main has more than');
  expect(() => configOf(`a ${'x'.repeat(LINE_CHARS_MAX)}`)).toThrow('/area/main:1: a line has');
});

test('G13: a line as long as it may be takes no more time than it has characters', () => {
  const long = (piece: string): string => piece.repeat(Math.floor(900_000 / piece.length));
  const lines = [
    ...['[include ', '[include a ', '[scriptinc a', '[configf:settings a ', '[', 'k [system '].map(
      (head) => head + long(' ') + head,
    ),
    ...['[scriptinc ', '[include ', 'k [system ', '['].map((head) => `${head}${long('a]')}b`),
    ...[long('#{sh '), long('#{getenv '), long('a '), ` ${long('\t')}`, `k ${long('\\')}`],
  ];
  for (const line of lines) expect(configOf(line).result.config.findings.length).toBeLessThan(3);
});

test('a variable that no process could be given is an error', () => {
  const exports = (): boolean => true;
  expect(() => configOf(`a ${'$'.repeat(VARIABLE_CHARS_MAX + 1)}`, { exports })).toThrow(
    `/area/main:1: a variable has more than ${VARIABLE_CHARS_MAX} characters`,
  );
  expect(() => configOf(`a ${'x'.repeat(60_000)}\nb $a$a`, { exports })).toThrow('/area/main:2');
  for (const piece of ['$(', '`', '"', "'", '$', ' "', '~ ']) {
    configOf(`a ${piece.repeat(16_000 / piece.length)}`, { exports });
  }
});

test('characters that end a line elsewhere stay in the value', () => {
  expect(triplesOf(configOf('a b\u2028c\rd'))).toEqual([['default', 'a', 'b\u2028c\rd']]);
});

describe('G12: late sections', () => {
  const late = { sections: ['items'], runs: false };
  test.each([
    ['#{shell x}', 1],
    ['A [system x]', 1],
    ['[scriptinc x]', 1],
    ['[include x]', 1],
    ['A 1 2', 0],
    ['A #{getenv HOME}', 0],
  ])('%s is left for later: %i', (line, expected) => {
    const read = configOf(`[items]\n${line}\n[s]\nA [system y]`, { late, commands: { y: '' } });
    expect(read.result.deferred.size).toBe(expected);
    expect(read.commands).toEqual(['y']);
  });
});
