/** The server of a two-way run with a planted bug. */
import {
  type PlantedServerCourse,
  type PlantedServerPlace,
  servePlanted,
} from '../../stress/bugs/serve-planted.ts';
import type { TwowayBugName } from './catalog.ts';
import { plantInEngine } from './engine-bugs.ts';

export type PlantedTwowayServer = PlantedServerPlace & { readonly bug: TwowayBugName };

/** Serves until its signal aborts. */
export function runPlantedTwowayServer(
  { bug, ...place }: PlantedTwowayServer,
  course: PlantedServerCourse,
): Promise<void> {
  const wrapEngine = (engine: Parameters<typeof plantInEngine>[1]) =>
    plantInEngine(bug, engine, place.postgres);
  return servePlanted(place, { wrapEngine }, course);
}
