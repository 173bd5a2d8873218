/** `[waivers]`: `NAME RULE GLOB`. A failure that was waived stays so while the rule holds for the files. */
import { entriesOf, entryOf } from './entries.ts';
import { unfit } from './errors.ts';
import { rulesOfFile, type TestSource } from './steps.ts';
import type { Entry, LogRules, Reading, Waiver } from './types.ts';

/** Rules are `diff`, `logpro` (NAME.logpro judges the diff), or one of `[waiver_rules]`. Throws AREA_UNFIT. */
export function* readWaivers(source: TestSource): Reading<readonly Waiver[]> {
  const waivers: Waiver[] = [];
  for (const entry of entriesOf(source.config, 'waivers')) {
    waivers.push(yield* readWaiver(entry, source));
  }
  return waivers;
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
  return { name: entry.key, glob, rules, command };
}
