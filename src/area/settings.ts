/** What an area says of how its tests are executed; the planner needs none of it. */
import { durationOf, entriesOf, entryOf, textOf, wholeOf, wordsOf } from './entries.ts';
import { unfit } from './errors.ts';
import { NO_LAUNCHERS, readLaunchers } from './launchers.ts';
import { resolvePath } from './paths.ts';
import { compileRegex } from './regex.ts';
import { bytesOf } from './sizes.ts';
import type { AreaSettings, Config } from './types.ts';

const RERUNS_MAX = 100;
const DAY_S = 86_400;
const MIB = 1 << 20;

export const STANDARD_SETTINGS: AreaSettings = {
  ...{ launchers: NO_LAUNCHERS, deadTimeS: DAY_S, minSpaceBytes: MIB, areaSpaceBytes: 0 },
  ...{ freeSpaceCommand: null, copyCommand: null, preHook: null, rerunsMax: 0 },
  ...{ waiverComment: null, rollUpScripts: new Map(), referenceAreas: [] },
  ...{ validStates: [], validStatuses: [] },
};

/** Throws AREA_UNFIT. */
export function readSettings(config: Config, home: string): AreaSettings {
  const plain = STANDARD_SETTINGS;
  const setup = (key: string): string | null => textOf(config, 'setup', key);
  return {
    launchers: readLaunchers(config),
    deadTimeS: durationOf(config, 'setup', 'deadtime') ?? plain.deadTimeS,
    minSpaceBytes: bytesOf(entryOf(config, 'setup', 'minspace')) ?? plain.minSpaceBytes,
    areaSpaceBytes: bytesOf(entryOf(config, 'setup', 'dbdir-space-required')) ?? 0,
    freeSpaceCommand: setup('free-space-script'),
    copyCommand: copyCommandOf(config),
    preHook: textOf(config, 'runs', 'pre-hook'),
    rerunsMax: wholeOf(entryOf(config, 'setup', 'reruns'), RERUNS_MAX) ?? 0,
    waiverComment: waiverCommentOf(config),
    rollUpScripts: new Map(
      entriesOf(config, 'testrollup').map(({ key, value }) => [key, value.trim()]),
    ),
    validStates: wordsOf(textOf(config, 'validvalues', 'state') ?? ''),
    validStatuses: wordsOf(textOf(config, 'validvalues', 'status') ?? ''),
    referenceAreas: entriesOf(config, 'refareas').map(({ key, value }) => {
      return { name: key, path: resolvePath(home, wordsOf(value)[0] ?? key) };
    }),
  };
}

/** A command that names no target would fill nothing. */
function copyCommandOf(config: Config): string | null {
  const entry = entryOf(config, 'setup', 'testcopycmd');
  const command = entry?.value.trim() ?? '';
  if (entry === null || command === '') return null;
  if (command.includes('TEST_TARG_PATH')) return command;
  const hint = 'for example: testcopycmd cp -R TEST_SRC_PATH/. TEST_TARG_PATH';
  throw unfit('the command that copies a test does not name TEST_TARG_PATH', entry.origin, hint);
}

function waiverCommentOf(config: Config): string | null {
  const entry = entryOf(config, 'setup', 'waivercommentpatt');
  const source = entry?.value.trim() ?? '';
  if (entry === null || source === '') return null;
  compileRegex({ source, flags: '' }, entry.origin);
  return source;
}
