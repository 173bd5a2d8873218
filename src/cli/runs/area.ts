/** Which area a verb of `tidelock runs` means. */
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { AREA_CONFIGS } from '../../area/area.ts';
import { TidelockError } from '../../core/errors.ts';
import { programName } from '../options.ts';

/**
 * The area's folder without links, so that every path to it is one area: `--area`, or the nearest one upwards from `here`.
 * Throws AREA_NOT_FOUND.
 */
export function homeOf(area: string | undefined, here = '.'): string {
  const start = resolve(here, area ?? '.');
  for (let folder = start; ; folder = dirname(folder)) {
    if (AREA_CONFIGS.some((name) => existsSync(join(folder, name)))) return realpathSync(folder);
    if (area !== undefined || folder === dirname(folder)) throw notFound(start, area);
  }
}

function notFound(start: string, area: string | undefined): TidelockError {
  const where = area === undefined ? `${start} and the folders above it have` : `${start} has`;
  return new TidelockError({
    code: 'AREA_NOT_FOUND',
    message: `${where} no ${AREA_CONFIGS.join(' and no ')}`,
    hint: `name the area with --area DIR, or make one: ${programName()} runs init DIR`,
  });
}
