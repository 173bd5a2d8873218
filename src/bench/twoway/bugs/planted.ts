/** Whether a bug is meant: the flag and the environment must both name it. */
import { TidelockError } from '../../../core/errors.ts';
import { PLANT_VARIABLE } from '../../stress/bugs/catalog.ts';
import { isTwowayBug, type TwowayBugName } from './catalog.ts';

/** Null when no bug is wanted. Throws `BAD_REQUEST` for one that is unknown or not meant. */
export function plantedTwowayBug(
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): TwowayBugName | null {
  if (flag === undefined) return null;
  if (isTwowayBug(flag) && environment[PLANT_VARIABLE] === flag) return flag;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: isTwowayBug(flag)
      ? `a bug is planted only where ${PLANT_VARIABLE} names it, too`
      : `there is no bug ${JSON.stringify(flag)} to plant`,
    hint: 'bugs are for testing the bench: tidelock stress mutants --list',
  });
}
