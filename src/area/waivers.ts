/**
 * `[waivers]`: `NAME RULE GLOB`. A failure that was waived stays so while the rule holds for the files. Those of one
 * target stand in `waivers.config` beside the testconfig, in its section there or in `default`.
 */
import { readConfig } from './config.ts';
import { entriesOf, entryOf } from './entries.ts';
import { unfit } from './errors.ts';
import { rulesOfFile, type TestSource } from './steps.ts';
import type { Entry, Environment, Finding, LogRules, Reading, Waiver } from './types.ts';

const TARGET_WAIVERS = 'waivers.config';

export type WaiverSurroundings = {
  readonly home: string;
  /** MT_TARGET says whose waivers count. */
  readonly environment: Environment;
};

export type WaiversReading = {
  readonly waivers: readonly Waiver[];
  readonly findings: readonly Finding[];
};

/** Rules are `diff`, `logpro` (NAME.logpro judges the diff), or one of `[waiver_rules]`. Throws AREA_UNFIT. */
export function* readWaivers(source: TestSource, at: WaiverSurroundings): Reading<WaiversReading> {
  const { entries, findings } = yield* targetWaivers(source, at);
  const byName = new Map<string, Entry>();
  for (const entry of [...entriesOf(source.config, 'waivers'), ...entries]) {
    byName.set(entry.key, entry);
  }
  const waivers: Waiver[] = [];
  for (const entry of byName.values()) waivers.push(yield* readWaiver(entry, source));
  return { waivers, findings };
}

/** `default` first: the target's own stand above them. */
function* targetWaivers(
  source: TestSource,
  { home, environment }: WaiverSurroundings,
): Reading<{ readonly entries: readonly Entry[]; readonly findings: readonly Finding[] }> {
  const target = environment.MT_TARGET ?? 'default';
  const { config, texts } = yield* readConfig({
    path: `${source.directory}/${TARGET_WAIVERS}`,
    ...{ home, isCompatible: source.isCompatible, environment },
    exports: () => false,
    sections: ['default', target],
  });
  source.files.push(...texts.filter(({ isSettled }) => isSettled));
  const own = target === 'default' ? [] : entriesOf(config, target);
  return { entries: [...entriesOf(config, 'default'), ...own], findings: config.findings };
}

function* readWaiver(entry: Entry, source: TestSource): Reading<Waiver> {
  const [rule = '', glob = ''] = entry.value.trim().split(/\s+/);
  if (glob === '') throw unfit('a waiver needs a rule and a file', entry.origin, 'NAME diff FILE');
  const own = entryOf(source.config, 'waiver_rules', rule);
  const command = own === null ? null : own.value.trim();
  if (command === null && rule !== 'diff' && rule !== 'logpro') {
    throw unfit(`${rule} is no rule of waivers`, entry.origin, 'diff, logpro, or [waiver_rules]');
  }
  let rules: LogRules | null = null;
  if (command === null && rule === 'logpro') {
    const path = `${source.directory}/${entry.key}.logpro`;
    rules = yield* rulesOfFile(path, source);
    if (rules === null) throw unfit(`${path} is missing`, entry.origin);
  }
  return { name: entry.key, glob, rules, command, origin: entry.origin };
}
