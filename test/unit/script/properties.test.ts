/** What holds for all scripts: printing and reading are inverse, and a rewritten file passes. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseScript } from '../../../src/script/parse.ts';
import { printScript } from '../../../src/script/print.ts';
import { rewriteScript } from '../../../src/script/rewrite.ts';
import { runAtOnce } from '../../../src/script/run.ts';
import type {
  Argument,
  CaseContent,
  Content,
  Dialect,
  Item,
  Script,
} from '../../../src/script/types.ts';

const word = fc.stringMatching(/^[a-z0-9_.-]{1,6}$/).filter((text) => !text.startsWith('-'));
const value = fc.string({ unit: 'binary', maxLength: 8 });
const argument: fc.Arbitrary<Argument> = fc.oneof(
  word.map((key): Argument => ({ kind: 'flag', key })),
  fc.record({ kind: fc.constant('value' as const), key: word, value }),
  fc.record({
    kind: fc.constant('list' as const),
    key: word,
    values: fc.array(value, { maxLength: 3 }),
  }),
);
/** Lines that are easily taken for something else are frequent. */
const line = fc.oneof(
  fc.constantFrom('', ' ', '----', '-----', '--', '# x', 'a', '---- ', '---- (no newline)', '\t'),
  fc.string({ maxLength: 6 }).map((text) => text.replace(/[\n\r]/g, '')),
);
const textOf = (lines: readonly string[]): string => lines.map((text) => `${text}\n`).join('');
const output = fc.array(line, { maxLength: 5 }).map(textOf);
const input = fc
  .array(
    line.filter((text) => !/^\s*-{3,}\s*$/.test(text)),
    { maxLength: 4 },
  )
  .map(textOf);

const testCase: fc.Arbitrary<CaseContent> = fc
  .record({
    command: word,
    args: fc.uniqueArray(argument, { selector: ({ key }) => key, maxLength: 4 }),
    input,
    expected: output,
  })
  .filter(({ args }) => args.every(({ key }) => !['blank', 'newline'].includes(key)))
  .map(({ args, ...rest }) => ({
    ...{ kind: 'case' as const, ...rest },
    args: [...args, { kind: 'flag', key: 'blank' } satisfies Argument],
  }));
const comment = fc
  .constantFrom('# a comment', '', '#')
  .map((text): Content => ({ kind: 'comment', text }));
const contents = fc.array(fc.oneof(testCase, comment), { maxLength: 6 });

/** What an item says, without where. Blank lines between cases are the printer's. */
function contentOf(items: readonly (Item | Content)[]): Content[] {
  return items
    .filter((item) => item.kind !== 'comment' || item.text !== '')
    .map((item) => {
      if (item.kind !== 'case') return item;
      const { kind, command, args, input, expected } = item;
      return { kind, command, args, input, expected };
    });
}

const parse = (text: string): Script => parseScript(text, { file: 'a' });

/** Runs with the n-th case answering with the n-th output, and every argument asked for. */
function run(script: Script, outputs: readonly string[]) {
  let next = 0;
  const answer = (): string => outputs[next++] ?? '';
  return runAtOnce(
    { ...script, cases: script.cases.map((item) => ({ ...item, args: [] })) },
    answer,
    {
      goOn: true,
    },
  );
}

test('what is printed reads back as it was', () => {
  fc.assert(
    fc.property(contents, (items) => {
      expect(contentOf(parse(printScript(items)).items)).toEqual(contentOf(items));
    }),
    { numRuns: 500 },
  );
});

test('a rewrite of a passing file changes nothing, whatever its line ends', () => {
  fc.assert(
    fc.property(contents, fc.boolean(), (items, isCrlf) => {
      const text = printScript(items).replaceAll('\n', isCrlf ? '\r\n' : '\n');
      const script = parse(text);
      const results = run(
        script,
        script.cases.map(({ expected }) => expected),
      );
      expect(results.map(({ kind }) => kind)).toEqual(script.cases.map(() => 'passed'));
      expect(rewriteScript(script, results)).toBe(text);
    }),
  );
});

test('a rewritten file passes, and only expected output has changed', () => {
  fc.assert(
    fc.property(contents, fc.array(output, { maxLength: 6 }), (items, outputs) => {
      const before = parse(printScript(items));
      const after = parse(rewriteScript(before, run(before, outputs)));
      expect(run(after, outputs).map(({ kind }) => kind)).toEqual(after.cases.map(() => 'passed'));
      const silent = (script: Script) =>
        script.items.map((item) =>
          item.kind === 'case' ? { ...item, block: 0, expected: '', place: 0, argPlaces: 0 } : item,
        );
      expect(silent(after)).toEqual(silent(before));
    }),
    { numRuns: 500 },
  );
});

test('a rewritten file of another dialect passes too, or the rewrite says that it cannot be said', () => {
  const open = fc
    .tuple(output, fc.boolean())
    .map(([text, isCut]) => (isCut ? text.slice(0, -1) : text));
  fc.assert(
    fc.property(fc.constantFrom<Dialect>('go', 'rust'), open, open, (dialect, first, second) => {
      const read = (text: string): Script => parseScript(text, { file: 'a', dialect });
      const outputs = [first, second];
      const before = read('# c\na\n----\nold\n\nb x=1\ninput\n----\n');
      let text = '';
      try {
        text = rewriteScript(before, run(before, outputs));
      } catch (error) {
        expect(String(error)).toContain('cannot express');
        expect(outputs.join('')).toContain('----');
        return;
      }
      expect(run(read(text), outputs).map(({ kind }) => kind)).toEqual(['passed', 'passed']);
    }),
    { numRuns: 1000 },
  );
});
