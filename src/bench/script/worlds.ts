/** The worlds that a script can name. */
import { ScriptError } from '../../script/errors.ts';
import type { OpenWorld } from './world.ts';

/** Loaded when a file names it: each brings a large part of the product along. */
const WORLDS: Readonly<Record<string, OpenWorld>> = {
  coordinator: async (context) => {
    const { openCoordinatorWorld } = await import('../coordtest/world.ts');
    return openCoordinatorWorld(context);
  },
  planner: async (context) => {
    const { openPlannerWorld } = await import('../planner/world.ts');
    return openPlannerWorld(context);
  },
  real: async (context) => {
    const { openRealWorld } = await import('./real-world.ts');
    return openRealWorld(context);
  },
  sim: async (context) => {
    const { openSimWorld } = await import('../sim/script-world.ts');
    return openSimWorld(context);
  },
  timestamps: async (context) => {
    const { openTimestampWorld } = await import('./timestamp-world.ts');
    return openTimestampWorld(context);
  },
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
