/** The worlds that a script can name. */
import { ScriptError } from '../../script/errors.ts';
import { openCoordinatorWorld } from '../coordtest/world.ts';
import { openRealWorld } from './real-world.ts';
import type { OpenWorld } from './world.ts';

const WORLDS: Readonly<Record<string, OpenWorld>> = {
  coordinator: openCoordinatorWorld,
  real: openRealWorld,
};

export const WORLD_NAMES: readonly string[] = Object.keys(WORLDS);

/** Throws `ScriptError` when nobody named a world, or one that does not exist. */
export function openerOf(name: string | undefined, file: string): OpenWorld {
  const open = name === undefined ? undefined : WORLDS[name];
  if (open !== undefined) return open;
  const what = name === undefined ? 'the file names no world' : `there is no world ${name}`;
  const remedy = `add to its top: #: world=NAME, one of: ${WORLD_NAMES.join(', ')}`;
  throw new ScriptError({ file, line: 1, column: 1 }, what, remedy);
}
