/** All planted bugs of both directions, and the run that is aimed at each. */
import { TWOWAY_BUGS, type TwowayBug, type TwowayBugName } from '../../twoway/bugs/catalog.ts';
import { BUGS, type Bug, type BugName } from './catalog.ts';

export type AnyBug = BugName | TwowayBugName;

/** In the order of the catalogues. */
export const ALL_BUGS = [...Object.keys(BUGS), ...Object.keys(TWOWAY_BUGS)] as readonly AnyBug[];

export type Target = {
  readonly what: string;
  readonly property: string;
  /** Only somebody who looks at verdict and exit code can see it. */
  readonly isOfExit: boolean;
  /** Of `tidelock stress`, without seed and folder. */
  readonly command: readonly string[];
};

const SENDERS = 3;
const RECEIVERS = 2;
/** Enough for two databases of each of two users. */
const DATABASES = 4;
const ROWS = 20;
const ITERATIONS = 3;
const CONFLICT_ITERATIONS = 5;

export function isAnyBug(name: string): name is AnyBug {
  return ALL_BUGS.some((bug) => bug === name);
}

export function targetOf(bug: AnyBug): Target {
  return isOneWay(bug) ? oneWay(bug, BUGS[bug]) : twoWay(bug, TWOWAY_BUGS[bug]);
}

function isOneWay(bug: AnyBug): bug is BugName {
  return Object.hasOwn(BUGS, bug);
}

function oneWay(bug: BugName, { what, property, durationS, faults }: Bug): Target {
  return {
    ...{ what, property, isOfExit: bug === 'failure-exits-0' },
    command: [
      ...['one-way', '--plant', bug, '--cleanup', '--duration', `${durationS}`, '--faults', faults],
      ...['--senders', `${SENDERS}`, '--receivers', `${RECEIVERS}`],
    ],
  };
}

function twoWay(
  bug: TwowayBugName,
  { what, property, workload, faults, isRls }: TwowayBug,
): Target {
  const size =
    workload === 'cycle'
      ? ['--rows', `${ROWS}`, '--iterations', `${ITERATIONS}`]
      : ['--iterations', `${CONFLICT_ITERATIONS}`];
  return {
    ...{ what, property, isOfExit: bug === 'two-way-exits-0' },
    command: [
      ...['two-way', '--plant', bug, '--cleanup', '--workload', workload, '--faults', faults],
      ...['--databases', `${DATABASES}`, ...size, ...(isRls ? ['--rls'] : [])],
    ],
  };
}
