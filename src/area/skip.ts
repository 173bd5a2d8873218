/** `[skip]`: only the first of the three rules that is there counts. */
import { durationS } from './durations.ts';
import { entryOf } from './entries.ts';
import type { Config, SkipRule } from './types.ts';

export function readSkip(config: Config): SkipRule | null {
  if (entryOf(config, 'skip', 'prevrunning') !== null) return { kind: 'running' };
  const file = entryOf(config, 'skip', 'fileexists');
  if (file !== null) return { kind: 'fileExists', path: file.value.trim() };
  const delay = entryOf(config, 'skip', 'rundelay');
  return delay === null ? null : { kind: 'delay', seconds: durationS(delay.value, delay.origin) };
}
