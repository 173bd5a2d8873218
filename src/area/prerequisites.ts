/** What a test waits for: `waiton`, any one of `waitor`, its mode, and the maps from its items to theirs. */
import { entriesOf, entryOf, textOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import { compileRegex } from './regex.ts';
import type { Config, Entry, Finding, ItemMap, Mode, Origin, Prerequisite } from './types.ts';

export type Prerequisites = {
  readonly prerequisites: readonly Prerequisite[];
  readonly isExclusive: boolean;
  readonly findings: readonly Finding[];
};

const MODES: ReadonlySet<string> = new Set([
  ...['normal', 'toplevel', 'itemwait', 'itemmatch', 'exclusive'],
]);

/** Unknown names and the test itself are left out, and told. Throws AREA_UNFIT. */
export function readPrerequisites(
  config: Config,
  name: string,
  tests: ReadonlyMap<string, string>,
): Prerequisites {
  const words = new Set(wordsOf(textOf(config, 'requirements', 'mode') ?? ''));
  const findings: Finding[] = [...unknownModes(config, words)];
  const mode = modeOf(words);
  const all = namesIn(config, 'waiton', { name, tests, findings });
  const any = namesIn(config, 'waitor', { name, tests, findings });
  const whole: Mode = words.has('toplevel') ? 'toplevel' : 'normal';
  const prerequisites: readonly Prerequisite[] = [
    ...all.map((one) => ({ ...one, mode, map: mapOf(config, one.test), isEither: false })),
    ...any.map((one) => ({ ...one, mode: whole, map: [], isEither: true })),
  ];
  return { prerequisites, isExclusive: words.has('exclusive'), findings };
}

type Names = {
  readonly name: string;
  readonly tests: ReadonlyMap<string, string>;
  readonly findings: Finding[];
};

function namesIn(
  config: Config,
  key: 'waiton' | 'waitor',
  { name, tests, findings }: Names,
): readonly { readonly test: string; readonly origin: Origin }[] {
  const entry = entryOf(config, 'requirements', key);
  const origin = entry?.origin ?? { file: 'testconfig', line: 1 };
  const words = new Set(wordsOf((entry?.value ?? '').replaceAll(',', ' ')));
  return [...words].flatMap((test) => {
    if (test !== name && tests.has(test)) return [{ test, origin }];
    const why = test === name ? 'itself' : `${test}, which is no test`;
    findings.push({ message: `${name} waits for ${why}: left out`, origin });
    return [];
  });
}

function modeOf(words: ReadonlySet<string>): Mode {
  const isItemwise = words.has('itemwait') || words.has('itemmatch');
  if (words.has('toplevel')) return isItemwise ? 'itemwait-toplevel' : 'toplevel';
  return isItemwise ? 'itemwait' : 'normal';
}

function unknownModes(config: Config, words: ReadonlySet<string>): readonly Finding[] {
  const origin = entryOf(config, 'requirements', 'mode')?.origin;
  if (origin === undefined) return [];
  return [...words]
    .filter((word) => !MODES.has(word))
    .map((word) => ({ message: `${word} is no mode: left out`, origin }));
}

/** The general map stands above those for one prerequisite. */
function mapOf(config: Config, test: string): ItemMap {
  const general = entryOf(config, 'requirements', 'itemmap');
  if (general !== null && general.value.trim() !== '') return mapLines(general);
  const own = entriesOf(config, 'itemmap').find(({ key, origin }) => {
    const source = `^(?:${key.replaceAll('%', '.*')})$`;
    return compileRegex({ source, flags: '' }, origin).test(test);
  });
  return own === undefined ? [] : mapLines(own);
}

function mapLines(entry: Entry): ItemMap {
  return entry.value
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const [, pattern = '', replacement = ''] = /^(\S+)(?:\s+(.*))?$/s.exec(line) ?? [];
      compileRegex({ source: pattern, flags: '' }, entry.origin);
      if (/\\[1-9]\d/.test(replacement)) throw unfit('groups go from 1 to 9', entry.origin);
      return { pattern, replacement };
    });
}
