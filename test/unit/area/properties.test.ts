import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hashTexts } from '../../../src/area/hash.ts';
import { judgeLog } from '../../../src/area/judge-log.ts';
import { readLogRules } from '../../../src/area/log-rules.ts';
import { resolvePath } from '../../../src/area/paths.ts';
import { printConfig } from '../../../src/area/print.ts';
import { evaluateScheme } from '../../../src/area/scheme.ts';
import { expandTargets } from '../../../src/area/targets.ts';
import { csvRows, dataOfCsv } from '../../../src/area/test-data.ts';
import { TidelockError } from '../../../src/core/errors.ts';
import { configOf, HOME, testOf, triplesOf } from '../../support/memory-area.ts';

const RUNS = { numRuns: 300 };

/** Pieces that mean something, put together at random. */
const PIECES = fc.constantFrom(
  ...[
    '[',
    ']',
    '[s]',
    '[a/%]',
    '[/x/]',
    '[/(/]',
    '[include main]',
    '[include other]',
    '\n',
    '\n  ',
  ],
  ...[
    '[system echo]',
    '[scriptinc run a]',
    '#',
    '#{',
    '}',
    '#{getenv A}',
    '#{shell echo',
    '#{get s a}',
  ],
  ...[
    '#{scheme (+ 1 2)}',
    '#{scheme (',
    ')',
    '"',
    "'",
    '\\',
    '\\\n',
    '$A',
    '$(',
    '`',
    'a b',
    '%',
    '~',
  ],
  ...[
    '[items]',
    '[itemstable]',
    '[ezsteps]',
    '[rules]',
    '[requirements]',
    '[skip]',
    '[waivers]',
    '[triggers]',
  ],
  ...[
    'waiton ',
    'mode toplevel',
    'itemmap ( x',
    'priority 1',
    'runtimelim 5',
    'A 1 2 3',
    'run ',
    'error "e" /x/',
  ],
  ...[
    '(expect:error in "B" = 0 "e" #/x/)',
    'resources a=1',
    'rundelay 1',
    'fileexists x',
    '/PASS cmd',
    'w diff f',
  ],
);
const HOSTILE = fc
  .array(fc.oneof({ weight: 4, arbitrary: PIECES }, { weight: 1, arbitrary: fc.string() }), {
    maxLength: 40,
  })
  .map((pieces) => pieces.join(''));

/** The result, or a typed error. */
function orTyped<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof TidelockError) return null;
    throw error;
  }
}

const COMMANDS = { echo: 'a #{getenv A} [s]', '$(echo)': 'x' };

describe('whatever a file holds', () => {
  test('a configuration is read, or refused by a typed error', () => {
    const property = fc.property(HOSTILE, HOSTILE, fc.boolean(), (main, other, isCompatible) => {
      const read = orTyped(() =>
        configOf(main, {
          ...{ files: { [`${HOME}/other`]: other }, commands: COMMANDS, isCompatible },
          ...{ environment: { A: 'a' }, exports: (section) => section === 's', sections: ['a/b'] },
        }),
      );
      for (const [section] of read === null ? [] : triplesOf(read))
        expect(section).not.toMatch(/%/);
    });
    fc.assert(property, RUNS);
  });

  test('a test is read, or refused by a typed error', () => {
    const property = fc.property(
      HOSTILE,
      fc.boolean(),
      fc.boolean(),
      (text, isCompatible, expandsLate) => {
        orTyped(() =>
          testOf(text, { isCompatible, expandsLate, commands: COMMANDS, others: ['a', 'b'] }),
        );
      },
    );
    fc.assert(property, RUNS);
  });

  test('rules, data, targets and expressions are read, or refused by a typed error', () => {
    const origin = { file: 'f', line: 1 };
    const kind = { isCompatible: true };
    const property = fc.property(HOSTILE, fc.array(fc.string()), (text, lines) => {
      orTyped(() => judgeLog(lines, readLogRules({ key: 'k', value: text, origin }, kind)));
      orTyped(() => judgeLog(lines, readLogRules({ key: 'k', value: `(${text}`, origin }, kind)));
      orTyped(() => evaluateScheme(text, { env: {}, origin }));
      orTyped(() => expandTargets({ fields: ['A', 'B'] }, text));
      dataOfCsv(text, []);
    });
    fc.assert(property, RUNS);
  });
});

const WORD = fc.stringMatching(/^[A-Za-z0-9_./-]{1,8}$/);
const LINE = fc
  .stringMatching(/^[A-Za-z0-9(][ -Z^-z]{0,20}[a-z]$/)
  .filter((text) => !text.includes('#{'));
const ENTRY = fc.tuple(WORD, fc.array(LINE, { minLength: 1, maxLength: 4 }));
const SECTIONS = fc.uniqueArray(fc.tuple(WORD, fc.array(ENTRY, { maxLength: 5 })), {
  selector: ([name]) => name,
  maxLength: 4,
});

describe('texts and what they mean', () => {
  test('what is printed reads as the same sections', () => {
    const property = fc.property(SECTIONS, (sections) => {
      const origin = { file: 'f', line: 1 };
      const config = {
        sections: new Map(
          sections.map(([name, entries]) => {
            const keys = new Map(entries.map(([key, lines]) => [key, lines.join('\n')]));
            const all = [...keys].map(([key, value]) => ({ key, value, origin }));
            return [name, { name, entries: all }];
          }),
        ),
      };
      const expected = [...config.sections.values()].flatMap(({ name, entries }) =>
        entries.map(({ key, value }) => [name, key, value]),
      );
      const isWild = sections.some(([name]) => name.length > 2 && /^\/.*\/$/.test(name));
      if (!isWild) expect(triplesOf(configOf(printConfig(config)))).toEqual(expected);
    });
    fc.assert(property, RUNS);
  });

  test('cells of CSV are those that were written', () => {
    const cell = fc.string().map((text) => text.replaceAll('\r', ''));
    const rows = fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { minLength: 1 });
    const property = fc.property(rows, (written) => {
      const text = written
        .map((row) => row.map((one) => `"${one.replaceAll('"', '""')}"`).join(','))
        .join('\n');
      expect(csvRows(text)).toEqual(written);
    });
    fc.assert(property, RUNS);
  });

  test('a path never leads above the root, and is its own path', () => {
    const property = fc.property(fc.string(), (text) => {
      const path = resolvePath('/a/b', text);
      expect(path).toMatch(/^\//);
      expect(path.split('/')).not.toContain('..');
      expect(resolvePath('/', path)).toBe(path);
    });
    fc.assert(property, RUNS);
  });

  test('other texts have another hash, also with other borders', () => {
    const texts = fc.array(fc.string(), { maxLength: 5 });
    const property = fc.property(texts, texts, (one, other) => {
      const isEqual = JSON.stringify(one) === JSON.stringify(other);
      expect(hashTexts(one) === hashTexts(other)).toBe(isEqual);
    });
    fc.assert(property, RUNS);
  });

  test('a change of one character changes half of the hash', () => {
    const bits = (hash: string) => [...hash].map((digit) => Number.parseInt(digit, 16));
    const texts = Array.from({ length: 200 }, (_, at) => hashTexts([`line ${at}`, 'x'.repeat(50)]));
    const distances = texts.slice(1).map((hash, at) => {
      const before = bits(texts[at] ?? '');
      return bits(hash).reduce((sum, digit, place) => {
        const differing = digit ^ (before[place] ?? 0);
        return sum + [8, 4, 2, 1].filter((bit) => (differing & bit) !== 0).length;
      }, 0);
    });
    const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length;
    expect(new Set(texts).size).toBe(200);
    expect(mean).toBeGreaterThan(56);
    expect(mean).toBeLessThan(72);
  });
});

test('a reading may be run again: nothing is kept between two', () => {
  const one = testOf('[items]\nA 1 2').result;
  const two = testOf('[items]\nA 1 2').result;
  expect(two.test).toEqual(one.test);
});
