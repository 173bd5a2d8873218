/**
 * Work areas of another area. One that was copied has rows of the first: where those worked is still the first one's, and
 * nothing of it may be gone on from, or removed, here.
 */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import type { Environment } from '../../area/types.ts';
import type { TestRow } from '../../planner/rows.ts';
import { CONTROL_FOLDER, RECORD_FILE } from './nested-areas.ts';

/** True when it was launched by an area that is not the one at `home`, and is there still: one that was moved is gone. */
export function isOfOtherArea(runDir: string, home: string): boolean {
  const [dir, own] = [realOf(runDir), realOf(home)];
  if (dir === null || own === null || dir.startsWith(`${own}${sep}`)) return false;
  const launchedBy = areaOf(dir);
  const other = launchedBy === null ? null : realOf(launchedBy);
  return other !== null && other !== own && existsSync(join(other, CONTROL_FOLDER));
}

/** Which area has launched its newest attempt; null: nobody knows. */
function areaOf(dir: string): string | null {
  const folder = join(dir, CONTROL_FOLDER);
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const newest = Math.max(0, ...names.map(Number).filter(Number.isSafeInteger));
  try {
    const text = readFileSync(join(folder, String(newest), RECORD_FILE), 'utf8');
    return (JSON.parse(text) as { env: Environment }).env.MT_RUN_AREA_HOME ?? null;
  } catch {
    return null; // it was never launched, or is none of ours
  }
}

/** Null: there is nothing. */
function realOf(path: string): string | null {
  return existsSync(path) ? realpathSync(path) : null;
}

/** Null also for what worked in the area that this one is a copy of. */
export function ownDirOf({ runDir }: Pick<TestRow, 'runDir'>, home: string): string | null {
  return runDir === null || isOfOtherArea(runDir, home) ? null : runDir;
}
