/** The quarantine of an area: a file beside its configuration, read anew for each run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseQuarantine, type Quarantined } from '../report/quarantine.ts';

/** In the area's folder. */
export const QUARANTINE_FILE = 'quarantine.config';

/** No entry when there is no file. Throws `BAD_CONFIG` with file and line. */
export function readQuarantine(area: string): readonly Quarantined[] {
  const file = join(area, QUARANTINE_FILE);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  return parseQuarantine(text, file);
}
