/** What a test waits for: `waiton`, its mode, and the maps from its items to theirs. */
import { entriesOf, entryOf, textOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import { compileRegex } from './regex.ts';
import type { Config, Entry, Finding, ItemMap, Mode, Prerequisite } from './types.ts';

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
  const waiton = entryOf(config, 'requirements', 'waiton');
  const words = new Set(wordsOf(textOf(config, 'requirements', 'mode') ?? ''));
  const findings: Finding[] = [...unknownModes(config, words), ...waitor(config)];
  const prerequisites: Prerequisite[] = [];
  const mode = modeOf(words);
  for (const test of new Set(wordsOf((waiton?.value ?? '').replaceAll(',', ' ')))) {
    const origin = waiton?.origin ?? { file: 'testconfig', line: 1 };
    if (test === name) findings.push({ message: `${name} waits for itself: left out`, origin });
    else if (!tests.has(test)) {
      findings.push({ message: `${name} waits for ${test}, which is no test: left out`, origin });
    } else prerequisites.push({ test, mode, map: mapOf(config, test), origin });
  }
  return { prerequisites, isExclusive: words.has('exclusive'), findings };
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

function waitor(config: Config): readonly Finding[] {
  const entry = entryOf(config, 'requirements', 'waitor');
  if (entry === null || wordsOf(entry.value).length === 0) return [];
  const message = 'waitor has no effect: write waiton in the test that waits';
  return [{ message, origin: entry.origin }];
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
