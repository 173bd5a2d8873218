/**
 * Which fault comes when, drawn from the seed before the run. Two lanes run side by side: one for Postgres,
 * connections and the server, one for the receivers; within a lane one fault ends before the next begins.
 */
import { type NetworkFault, READ_FAULTS } from '../proxy/fault-proxy.ts';
import { SeededRandom } from '../random.ts';

const SERVER_FAULTS = [
  'kill-postgres',
  'restart-postgres',
  'freeze-postgres',
  'cut-walsender',
  'drop-senders',
  'kill-server',
  'freeze-server',
] as const;
export const RECEIVER_FAULTS = ['kill-receiver', 'freeze-receiver', 'forget-receiver'] as const;
export const FAULTS = [...SERVER_FAULTS, ...RECEIVER_FAULTS] as const;
/** Only by name: what is lost with a slot is lost to the stream, and made good by copies. */
const NAMED_FAULTS: readonly FaultName[] = [...FAULTS, 'drop-slot', ...READ_FAULTS];
export type FaultName = (typeof FAULTS)[number] | 'drop-slot' | NetworkFault;

/** What `gentle` is made of: nothing loses its memory. */
const GENTLE: readonly FaultName[] = [
  ...['cut-walsender', 'drop-senders', 'freeze-server', 'restart-postgres'],
  ...['freeze-receiver', 'forget-receiver'],
] as readonly FaultName[];

export type FaultChoice = {
  readonly faults: readonly FaultName[];
  /** From the end of one to the start of the next, on average. */
  readonly gapMs: number;
};

const HARSH_GAP_MS = 2500;
const GENTLE_GAP_MS = 6000;

/**
 * `none`, `gentle`, `harsh`, `network` (what a proxy can do between a receiver and the server), or names with
 * commas between them; undefined when it is none of these.
 */
export function choiceOf(text: string): FaultChoice | undefined {
  if (text === 'none') return { faults: [], gapMs: HARSH_GAP_MS };
  if (text === 'gentle') return { faults: GENTLE, gapMs: GENTLE_GAP_MS };
  if (text === 'harsh') return { faults: FAULTS, gapMs: HARSH_GAP_MS };
  if (text === 'network') return { faults: READ_FAULTS, gapMs: HARSH_GAP_MS };
  const names = text.split(',').map((name) => name.trim());
  const faults = names.filter((name): name is FaultName =>
    NAMED_FAULTS.some((fault) => fault === name),
  );
  return faults.length === names.length ? { faults, gapMs: HARSH_GAP_MS } : undefined;
}

/** True for what befalls one receiver. */
export function isOfReceiver(fault: FaultName): boolean {
  return RECEIVER_FAULTS.some((name) => name === fault) || isOfNetwork(fault);
}

/** True for what a proxy in front of a receiver does. */
export function isOfNetwork(fault: FaultName): fault is NetworkFault {
  return READ_FAULTS.some((name) => name === fault);
}

export type PlannedFault = {
  readonly id: string;
  readonly atMs: number;
  readonly fault: FaultName;
  /** `postgres`, `server`, `senders` or the receiver. */
  readonly target: string;
  /** How long the victim stays away: dead, frozen or disconnected. */
  readonly holdMs: number;
};

export type PlanOptions = FaultChoice & {
  readonly seed: number;
  readonly durationMs: number;
  readonly receivers: readonly string[];
};

/** Undisturbed times at the beginning and before the end, as shares of the run. */
const CALM_START = 0.08;
const CALM_END = 0.12;
const HOLD_MS = { least: 200, most: 1500 } as const;
/** What a fault takes besides its gap, so that the plan's times come near to what happens. */
const FAULT_MS = 1500;

/** The whole plan, by time. The same options give the same plan. */
export function drawPlan(options: PlanOptions): readonly PlannedFault[] {
  const random = new SeededRandom(options.seed ^ 0x5f356495);
  const of = (lane: readonly FaultName[]): readonly FaultName[] =>
    options.faults.filter((fault) => lane.includes(fault));
  const planned = [
    ...drawLane(options, of([...SERVER_FAULTS, 'drop-slot']), random),
    ...drawLane(options, options.faults.filter(isOfReceiver), random),
  ];
  return planned
    .sort((a, b) => a.atMs - b.atMs)
    .map((fault, index) => ({ ...fault, id: `${index + 1}-${fault.fault}` }));
}

function drawLane(
  { durationMs, gapMs, receivers }: PlanOptions,
  faults: readonly FaultName[],
  random: SeededRandom,
): Omit<PlannedFault, 'id'>[] {
  const planned: Omit<PlannedFault, 'id'>[] = [];
  let deck: FaultName[] = [];
  const endMs = durationMs * (1 - CALM_END);
  let atMs = durationMs * CALM_START;
  // In a short run they come faster, so that each of them comes.
  const densestMs = Math.max(0, (endMs - atMs) / (faults.length + 1) - FAULT_MS);
  const meanGapMs = Math.min(gapMs, densestMs);
  while (faults.length > 0 && atMs < endMs) {
    // A deck, not dice: every fault comes before one comes twice.
    if (deck.length === 0) deck = shuffled(faults, random);
    const fault = deck.pop();
    if (fault === undefined) break;
    const holdMs = random.between(HOLD_MS.least, HOLD_MS.most);
    planned.push({
      atMs: Math.round(atMs),
      fault,
      target: targetOf(fault, receivers, random),
      holdMs,
    });
    atMs += FAULT_MS + meanGapMs * (0.5 + random.next());
  }
  return planned;
}

function targetOf(fault: FaultName, receivers: readonly string[], random: SeededRandom): string {
  if (isOfReceiver(fault)) return random.pick(receivers);
  if (fault === 'drop-senders') return 'senders';
  return fault.endsWith('-server') ? 'server' : 'postgres';
}

function shuffled<T>(list: readonly T[], random: SeededRandom): T[] {
  const left = [...list];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(random.between(0, left.length - 1), 1));
  return result;
}
