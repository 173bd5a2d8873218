/** What can happen in the simulated world: one record per happening, so that a failing run can be shrunk and read. */
import * as fc from 'fast-check';

const SELECTORS = ['DE', 'FR', 'IT'] as const;

export type Action =
  | {
      readonly kind: 'commit';
      readonly selectors: readonly string[];
      readonly hasAll: boolean;
      readonly parts: number;
    }
  | { readonly kind: 'writeOther'; readonly bytes: number }
  | {
      readonly kind: 'deliver';
      readonly count: number;
      readonly dies: 'no' | 'beforeAppend' | 'afterAppend';
    }
  | { readonly kind: 'keepalive' }
  | { readonly kind: 'merge'; readonly from: number; readonly count: number }
  /** What the engine has under way with the source comes to its end. */
  | { readonly kind: 'proceed'; readonly dies: boolean }
  | { readonly kind: 'pass'; readonly milliseconds: number }
  | { readonly kind: 'connect' | 'disconnect' | 'report'; readonly replica: number }
  | {
      readonly kind: 'read';
      readonly replica: number;
      readonly count: number;
      readonly isReported: boolean;
    }
  | { readonly kind: 'lease'; readonly replica: number; readonly behind: number }
  | { readonly kind: 'endLease'; readonly replica: number }
  | { readonly kind: 'hold' | 'release'; readonly hold: number }
  | { readonly kind: 'wait'; readonly ahead: number; readonly milliseconds: number }
  | { readonly kind: 'endWait' }
  | { readonly kind: 'fault'; readonly fault: Fault }
  | { readonly kind: 'promote'; readonly lostBytes: number; readonly isSlotSynced: boolean };

export const FAULTS = [
  'crash',
  'cut',
  'postgresCrash',
  'checkpoint',
  'sourceDown',
  'sourceUp',
  'logFull',
  'logFree',
  'dropSlot',
  'loseSlot',
  'moveSlot',
  'occupySlot',
  'freeSlot',
  'replace',
  'drain',
] as const;

export type Fault = (typeof FAULTS)[number];

const COMMON: readonly Fault[] = [
  'cut',
  'cut',
  'postgresCrash',
  'postgresCrash',
  'checkpoint',
  'checkpoint',
  'crash',
  'sourceDown',
  'sourceUp',
  'sourceUp',
  'logFull',
  'logFree',
  'logFree',
];

const RARE = FAULTS.filter((one) => one === 'freeSlot' || !COMMON.includes(one));

type Weighted = { readonly weight: number; readonly arbitrary: fc.Arbitrary<Action> };

/** One kind of action and how often it happens. */
function often<const K extends Action['kind'], F extends object>(
  weight: number,
  kind: K,
  fields: { readonly [N in keyof F]: fc.Arbitrary<F[N]> },
): { readonly weight: number; readonly arbitrary: fc.Arbitrary<F & { readonly kind: K }> } {
  return { weight, arbitrary: fc.record<F>(fields).map((rest) => ({ ...rest, kind })) };
}

const replica = fc.nat(3);
const rarely = fc.nat(15).map((n) => n === 0);

const OF_SOURCE: readonly Weighted[] = [
  often(50, 'commit', {
    selectors: fc.subarray([...SELECTORS]),
    hasAll: fc.nat(5).map((n) => n === 0),
    parts: fc.constantFrom(1, 1, 1, 1, 2, 3),
  }),
  often(15, 'writeOther', { bytes: fc.integer({ min: 1, max: 30 }) }),
  often(50, 'deliver', {
    count: fc.integer({ min: 1, max: 4 }),
    dies: fc.nat(30).map((n) => (['beforeAppend', 'afterAppend'] as const)[n] ?? 'no'),
  }),
  often<'keepalive', object>(25, 'keepalive', {}),
  often(12, 'merge', { from: fc.nat(6), count: fc.integer({ min: 2, max: 6 }) }),
  often(40, 'proceed', { dies: rarely }),
  often(30, 'pass', { milliseconds: fc.constantFrom(10, 50, 400, 1100, 3000, 9000) }),
  often(12, 'fault', { fault: fc.constantFrom(...COMMON) }),
  often(2, 'fault', { fault: fc.constantFrom(...RARE) }),
  often(2, 'promote', { lostBytes: fc.constantFrom(0, 0, 15, 60), isSlotSynced: fc.boolean() }),
];

const OF_READERS: readonly Weighted[] = [
  often(30, 'connect', { replica }),
  often(6, 'disconnect', { replica }),
  often(60, 'read', { replica, count: fc.integer({ min: 0, max: 4 }), isReported: fc.boolean() }),
  often(30, 'report', { replica }),
  often(12, 'lease', { replica, behind: fc.constantFrom(0, 0, 10, 30) }),
  often(2, 'endLease', { replica }),
  often(4, 'hold', { hold: fc.nat(2) }),
  often(5, 'release', { hold: fc.nat(2) }),
  often(10, 'wait', { ahead: fc.nat(40), milliseconds: fc.constantFrom(0, 500, 5000) }),
  often<'endWait', object>(2, 'endWait', {}),
];

export type Story = {
  /** The stream runs and everybody reads when it begins. */
  readonly isWarm: boolean;
  readonly actions: readonly Action[];
};

/** Any story of at most so many happenings. */
export function story(lengthMax: number): fc.Arbitrary<Story> {
  const happening = fc.oneof(...OF_SOURCE, ...OF_READERS);
  const actions = fc.array(happening, { minLength: 1, maxLength: lengthMax, size: 'max' });
  return fc.record({ isWarm: fc.boolean(), actions });
}
