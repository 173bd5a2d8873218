/**
 * A small text for what the planner needs of an area, for scripts and replays. One test a line:
 *
 *   NAME waits=p,q:toplevel,r:itemwait:REGEX=>TEXT;REGEX=>TEXT either=s,t items=1,a/b|late|zero:KEY priority=5 group=db
 *        needs=port:2 tags=slow exclusive steps=compile,link
 *
 * The line `area` has jobs=, group.NAME=, resource.NAME=, load=, wait-delay=, launch-delay= (seconds), auto=STATE/STATUS.
 * Blanks, commas, semicolons and percent signs inside a name are written %20.
 */
import { STANDARD_SETTINGS } from '../area/settings.ts';
import type { Area, Item, Items, Mode, Prerequisite, StateStatus, TestDef } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
import { stepNamesOf } from './rerun.ts';

export type AreaText = { readonly area: Area; readonly tests: ReadonlyMap<string, TestDef> };

const MODES: readonly Mode[] = ['normal', 'toplevel', 'itemwait', 'itemwait-toplevel'];

/** Throws BAD_CONFIG with the line. */
export function readAreaText(text: string): AreaText {
  const tests = new Map<string, TestDef>();
  let area = areaOf(new Map());
  for (const [at, line] of text.split('\n').entries()) {
    const [name, ...words] = line.split(' ').filter((word) => word !== '');
    if (name === undefined) continue;
    const settings = new Map(words.map(settingOf));
    if (name === 'area') area = areaOf(settings);
    else tests.set(decoded(name), testOf(decoded(name), settings, at + 1));
    const [unknown] = settings.keys();
    if (unknown !== undefined) throw bad(`line ${at + 1}: there is no ${unknown}`);
  }
  return { area, tests };
}

type Settings = Map<string, string>;

function settingOf(word: string): readonly [string, string] {
  const at = word.indexOf('=');
  return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
}

function areaOf(settings: Settings): Area {
  const number = (key: string, otherwise: number): number =>
    Number(taken(settings, key) ?? otherwise);
  const load = taken(settings, 'load');
  const area = {
    ...{ name: 'area', home: '/area', fields: ['target'], linkTree: '/links', disks: [] },
    ...{ jobsMax: number('jobs', 1000), runTimeLimitS: null, tests: new Map<string, string>() },
    ...{ waitDelayS: number('wait-delay', 0), launchDelayS: number('launch-delay', 0) },
    loadMax: load === undefined ? null : Number(load),
    autoRerun: (taken(settings, 'auto') ?? '').split(',').filter(Boolean).map(pairIn),
    ...{
      isCompatible: false,
      settings: STANDARD_SETTINGS,
      config: { sections: new Map(), findings: [] },
    },
  };
  const jobGroups = numbersIn(settings, 'group.');
  return { ...area, jobGroups, resources: numbersIn(settings, 'resource.') };
}

function taken(settings: Settings, key: string): string | undefined {
  const value = settings.get(key);
  settings.delete(key);
  return value;
}

function numbersIn(settings: Settings, prefix: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const key of [...settings.keys()].filter((name) => name.startsWith(prefix))) {
    found.set(decoded(key.slice(prefix.length)), Number(taken(settings, key)));
  }
  return found;
}

function pairIn(text: string): StateStatus {
  const at = text.indexOf('/');
  return { state: text.slice(0, at), status: text.slice(at + 1) };
}

function testOf(name: string, settings: Settings, line: number): TestDef {
  const group = taken(settings, 'group');
  const origin = { file: name, line };
  const listed = (key: string): string[] => listIn(taken(settings, key) ?? '');
  return {
    ...{ name, directory: `/area/tests/${name}`, runScript: null, skip: null },
    steps: listed('steps').map((step) => {
      return { name: step, command: '', rules: null, ignoresExit: false, origin };
    }),
    ...{
      waivers: [],
      triggers: [],
      launchEnvironment: [],
      disks: [],
      diskSpaceBytes: null,
      meta: new Map(),
      hash: '',
      findings: [],
    },
    prerequisites: [false, true].flatMap((isEither) =>
      listIn(taken(settings, isEither ? 'either' : 'waits') ?? '', false).map((text) => {
        return { ...prerequisiteIn(text, origin), isEither };
      }),
    ),
    isExclusive: taken(settings, 'exclusive') !== undefined,
    items: itemsIn(taken(settings, 'items')),
    priority: Number(taken(settings, 'priority') ?? 0),
    runTimeLimitS: null,
    jobGroup: group === undefined ? null : decoded(group),
    resources: new Map(listed('needs').map(needIn)),
    tags: listed('tags'),
  };
}

function needIn(text: string): readonly [string, number] {
  const [name = '', count = '1'] = text.split(':');
  return [name, Number(count)];
}

function itemsIn(text: string | undefined): Items {
  if (text === undefined) return { kind: 'none' };
  if (text === 'late') return { kind: 'late' };
  if (text.startsWith('zero:')) return { kind: 'zero', emptyKey: text.slice('zero:'.length) };
  return { kind: 'known', items: listIn(text).map(itemNamed) };
}

/** An item of which only the path matters. */
export function itemNamed(path: string): Item {
  return { path, variables: [['ITEM', path]] };
}

function prerequisiteIn(
  text: string,
  origin: Prerequisite['origin'],
): Omit<Prerequisite, 'isEither'> {
  const [test = '', mode = 'normal', ...map] = text.split(':');
  const known = MODES.find((name) => name === mode);
  if (known === undefined) throw bad(`line ${origin.line}: there is no mode ${mode}`);
  const lines = map
    .join(':')
    .split(';')
    .filter((line) => line !== '');
  return { test: decoded(test), mode: known, map: lines.map(mapLineIn), origin };
}

function mapLineIn(line: string): { pattern: string; replacement: string } {
  const [pattern = '', replacement = ''] = line.split('=>');
  return { pattern: decoded(pattern), replacement: decoded(replacement) };
}

function listIn(text: string, decodes = true): string[] {
  const words = text.split(',').filter((word) => word !== '');
  return decodes ? words.map(decoded) : words;
}

/** What `encoded` made. */
export function decoded(text: string): string {
  return text.replace(/%([0-9A-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

/** Without the characters that separate words and lists here. */
export function encoded(text: string): string {
  return text.replace(/[\s,:;%=>]/g, (char) => {
    return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
  });
}

function bad(message: string): TidelockError {
  const hint = 'src/planner/area-text.ts has the format at its top';
  return new TidelockError({ code: 'BAD_CONFIG', message, hint });
}

/** The text from which `readAreaText` makes the same for the planner. */
export function areaTextOf({ area, tests }: AreaText): string {
  const settings = [
    `jobs=${area.jobsMax}`,
    ...[...area.jobGroups].map(([name, n]) => `group.${encoded(name)}=${n}`),
    ...[...area.resources].map(([name, n]) => `resource.${encoded(name)}=${n}`),
    ...(area.loadMax === null ? [] : [`load=${area.loadMax}`]),
    ...(area.waitDelayS > 0 ? [`wait-delay=${area.waitDelayS}`] : []),
    ...(area.launchDelayS > 0 ? [`launch-delay=${area.launchDelayS}`] : []),
    ...listText(
      'auto',
      area.autoRerun.map(({ state, status }) => `${state}/${status}`),
    ),
  ];
  const lines = [...tests.values()].map(testText);
  return [['area', ...settings].join(' '), ...lines].map((line) => `${line}\n`).join('');
}

function testText(def: TestDef): string {
  const needs = [...def.resources].map(([name, n]) => `${encoded(name)}:${n}`);
  return [
    encoded(def.name),
    ...listText('waits', prerequisiteTexts(def, false)),
    ...listText('either', prerequisiteTexts(def, true)),
    ...itemsText(def.items),
    ...(def.priority === 0 ? [] : [`priority=${def.priority}`]),
    ...(def.jobGroup === null ? [] : [`group=${encoded(def.jobGroup)}`]),
    ...listText('needs', needs),
    ...listText('tags', def.tags.map(encoded)),
    ...(def.isExclusive ? ['exclusive'] : []),
    ...listText('steps', stepNamesOf(def).map(encoded)),
  ].join(' ');
}

function listText(key: string, words: readonly string[]): readonly string[] {
  return words.length === 0 ? [] : [`${key}=${words.join(',')}`];
}

function itemsText(items: Items): readonly string[] {
  if (items.kind === 'none') return [];
  if (items.kind === 'late') return ['items=late'];
  if (items.kind === 'zero') return [`items=zero:${items.emptyKey}`];
  return [`items=${items.items.map(({ path }) => encoded(path)).join(',')}`];
}

function prerequisiteTexts({ prerequisites }: TestDef, either: boolean): readonly string[] {
  return prerequisites.filter(({ isEither }) => isEither === either).map(prerequisiteText);
}

function prerequisiteText({ test, mode, map }: Prerequisite): string {
  const lines = map.map(
    ({ pattern, replacement }) => `${encoded(pattern)}=>${encoded(replacement)}`,
  );
  if (lines.length > 0) return `${encoded(test)}:${mode}:${lines.join(';')}`;
  return mode === 'normal' ? encoded(test) : `${encoded(test)}:${mode}`;
}
