/** The header: comment lines `#: key=value ...` before the first case. */
import { Arguments } from './arguments.ts';
import { DirectiveReader } from './directive.ts';
import { type Place, ScriptError } from './errors.ts';
import type { Argument, Line, Settings } from './types.ts';
import { DIALECTS } from './types.ts';

const MARK = '#:';

export const isSetting = (text: string): boolean => text.startsWith(MARK);

/** Reads the header. A setting that nobody knows is an error, so that a slip of the pen is not a comment. */
export function readSettings(lines: readonly Line[], file: string): Settings {
  const args: Argument[] = [];
  const argPlaces: Place[] = [];
  for (const [index, { text }] of lines.entries()) {
    if (text.trim() !== '' && !text.startsWith('#')) break;
    if (!isSetting(text)) continue;
    const start = { file, line: index + 1, column: MARK.length + 1 };
    const read = new DirectiveReader(text.slice(MARK.length), start).arguments();
    args.push(...read.args);
    argPlaces.push(...read.argPlaces);
  }
  return settingsOf(new Arguments(args, argPlaces, { file, line: 1, column: 1 }));
}

function settingsOf(args: Arguments): Settings {
  const settings = {
    world: args.optional('world'),
    profile: args.optional('profile'),
    dialect: args.optionalChoice('dialect', DIALECTS),
    postgres: args.optionalChoice('postgres', ['own']),
    normalise: args.list('normalise'),
    mask: args.list('mask'),
  };
  args.finish('a setting of the header');
  return settings;
}

export function misplaced(place: Place): ScriptError {
  return new ScriptError(place, 'a setting after the first case', 'move it to the top of the file');
}
