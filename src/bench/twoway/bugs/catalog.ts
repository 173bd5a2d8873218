/**
 * Bugs of two-way sync that are planted on purpose, in wrappers around the product's ports: the run must fail under the
 * name of the property that each breaks.
 */
import type { FaultLevel, Workload } from '../options.ts';
import type { TwowayProperty } from '../properties.ts';

export type TwowayBug = {
  /** What somebody did wrong, in a sentence. */
  readonly what: string;
  readonly property: TwowayProperty;
  readonly place: 'server' | 'worker' | 'command';
  /** The run that is aimed at it. */
  readonly workload: Workload;
  readonly faults: FaultLevel;
  readonly isRls: boolean;
};

const PLAIN = { workload: 'cycle', faults: 'none', isRls: false } as const;
const CONFLICT = { workload: 'conflict', faults: 'none', isRls: false } as const;
const OWNED = { workload: 'cycle', faults: 'none', isRls: true } as const;

export const TWOWAY_BUGS = {
  'tie-by-arrival': {
    what: 'of two writes of the same version the later to arrive wins, whatever the values',
    ...{ property: 'P14', place: 'server', ...CONFLICT, faults: 'mild' },
  },
  'tombstone-resurrected': {
    what: 'an insert that is taken for a new one brings a deleted row back',
    ...{ property: 'P13', place: 'server', ...PLAIN },
  },
  'batch-applied-twice': {
    what: 'a batch that comes again is taken for a new one and versioned anew',
    ...{ property: 'P1', place: 'server', ...CONFLICT },
  },
  'accepted-not-stored': {
    what: 'an upload is answered as accepted, and lost',
    ...{ property: 'P1', place: 'server', ...PLAIN },
  },
  'new-row-rule-only': {
    what: 'the write rule is checked on the new row only: who owns it afterwards may take it',
    ...{ property: 'P16', place: 'server', ...OWNED },
  },
  'delete-without-audience': {
    what: 'deletes go to everybody',
    ...{ property: 'P15', place: 'server', ...OWNED },
  },
  'snapshot-cached': {
    what: 'a snapshot that was made for one user is given to the next',
    ...{ property: 'P15', place: 'server', ...OWNED },
  },
  'base-position-before-rows': {
    what: 'the replica stores its position before the rows, in a transaction of its own',
    ...{ property: 'P27', place: 'worker', ...CONFLICT },
  },
  'rejection-ignored': {
    what: 'what Postgres refused is taken for accepted, and nobody is told',
    ...{ property: 'P16', place: 'worker', ...OWNED },
  },
  'two-way-exits-0': {
    what: 'a failed verdict is printed, but the exit code is 0',
    ...{ property: 'P31', place: 'command', ...OWNED },
  },
} as const satisfies Readonly<Record<string, TwowayBug>>;

export type TwowayBugName = keyof typeof TWOWAY_BUGS;

export function isTwowayBug(name: string): name is TwowayBugName {
  return Object.hasOwn(TWOWAY_BUGS, name);
}
