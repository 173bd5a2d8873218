/** What the planner remembers of a run. Plain data, changed only by `step`. */

import type { MapItem } from '../area/item-map.ts';
import type { Patterns } from '../area/patterns.ts';
import type { Item, Mode, TestDef } from '../area/types.ts';
import { assert } from '../core/assert.ts';
import { Heap } from './heap.ts';
import { type Counts, rollUp } from './rollup.ts';
import type { StatePair } from './rows.ts';
import type { Selection } from './select.ts';
import { isTerminal } from './states.ts';
import type { ExecId, Existing, PlanFinding, PlanInput, PlannerEvent } from './types.ts';

/** Executions of one run; the items beyond are left out, and their test says so. */
export const EXECUTIONS_MAX = 200_000;
/** A launch that was put off so often is given up: TEN_STRIKES. */
export const STRIKES_MAX = 10;
/** How long a launch that was put off waits, when the area gives no delay. */
export const PUT_OFF_MS = 1000;
/** Something could start and nothing ran for so long: TIMED_OUT. */
export const STALL_MS = 86_400_000;
/** What an execution without a history is thought to take. */
export const EXPECTED_S_DEFAULT = 1;

/** A test none of whose items was selected. */
const NO_LEAVES: StatePair = { state: 'NOT_STARTED', status: 'ZERO_ITEMS' };

/** How far a prerequisite is, for one who waits for it. */
export type Verdict = 'wait' | 'met' | 'fail' | 'discard';

/** One waits for the other. Between tests, or where an item is meant, between leaves. */
export type Edge = {
  readonly dependent: Vertex;
  readonly prerequisite: Vertex;
  readonly mode: Mode;
  verdict: Verdict;
  /** The edges any of which is enough, this one among them; null: it must be met itself. */
  readonly either: Edge[] | null;
};

type VertexFields = {
  readonly id: ExecId;
  /** Why it is in the plan. */
  readonly why: string;
  readonly prerequisites: Edge[];
  readonly dependents: Edge[];
  /** Prerequisites that are not met. */
  unmet: number;
  /** A prerequisite that never will be, a failed one rather than one that did not run. */
  worst: Edge | null;
  /** What dependents were told last; null: that it is open; undefined: nothing yet. */
  told: string | null | undefined;
};

export type Phase =
  /** Its prerequisites are not met. */
  | 'waiting'
  /** In the queue of its class. */
  | 'ready'
  /** Put off; comes back at `notBefore`. */
  | 'putOff'
  /** Launched or adopted, and holding what it needs. */
  | 'running'
  | 'done';

/** An execution. */
export type Leaf = VertexFields & {
  readonly kind: 'leaf';
  readonly test: TestNode;
  readonly item: Item | null;
  pair: StatePair;
  phase: Phase;
  /** What became of its old result, or why it does not start. */
  note: string;
  readonly expectedS: number;
  /** Longest expected path from its start to the end of the run, in seconds. */
  restS: number;
  /** Its old result goes away. */
  runsAgain: boolean;
  /** Only some of its steps. */
  isPart: boolean;
  strikes: number;
  notBefore: number;
  isKillAsked: boolean;
  /** Why it cannot start, whatever its prerequisites do. */
  dropped: string | null;
  /** What a user has set while it ran; it counts when the process is gone. */
  forced: StatePair | null;
};

/** `late`: the items are not known; `asked`: an `expand` is on its way. */
export type ItemsPhase = 'plain' | 'known' | 'late' | 'asked';

export type TestNode = VertexFields & {
  readonly kind: 'test';
  readonly def: TestDef;
  readonly selection: Selection;
  items: ItemsPhase;
  /** By item path; '' of a test without items. */
  readonly leaves: Map<string, Leaf>;
  /** All items that it has, selected or not. */
  readonly known: Map<string, Item>;
  readonly counts: Counts;
  /** Leaves that are not terminal. */
  open: number;
  /** Set for the test as a whole, which has no leaves. */
  fixed: StatePair | null;
  note: string;
  /** Item by item: to be linked for every leaf. */
  readonly links: Link[];
  /** Leaves of dependents that wait for the items of this one to be known. */
  readonly pending: { readonly leaf: Leaf; readonly link: Link }[];
  /** Its leaves were told that its own prerequisites are met. */
  wasFree: boolean;
  /** Longest expected path from the start of any leaf. */
  restS: number;
  readonly classKey: string;
  /** Why none of its leaves can start. */
  readonly impossible: string | null;
};

export type Link = {
  readonly prerequisite: TestNode;
  readonly mode: Mode;
  readonly map: MapItem;
};

export type Vertex = Leaf | TestNode;

export type Held = {
  running: number;
  readonly groups: Map<string, number>;
  readonly resources: Map<string, number>;
};

/** Stale when the leaf has another time, or is no longer put off. */
export type PutOff = { readonly leaf: Leaf; readonly at: number };

export type Host = {
  readonly load: number;
  readonly slots: number;
  /** Executions that run in other runs. */
  readonly elsewhere: ReadonlySet<ExecId>;
};

export type PlannerState = {
  now: number;
  input: PlanInput | null;
  /** Events that came before the start. */
  early: PlannerEvent[];
  readonly existing: Map<ExecId, Existing>;
  /** Of the rerun rule, when it is `chosen`. */
  chosen: Patterns;
  /** Tests something of which was active before the plan. */
  readonly activeTests: Set<string>;
  /** Prerequisites first. */
  readonly tests: Map<string, TestNode>;
  readonly leaves: Map<ExecId, Leaf>;
  readonly findings: PlanFinding[];
  /** Of all leaves, by STATE/STATUS. */
  readonly counts: Counts;
  /** Leaves that are not terminal, and tests whose items are not known. */
  open: number;
  /** Ready leaves by what they need beside a slot. */
  readonly ready: Map<string, Heap<Leaf>>;
  readyCount: number;
  /** Exclusive ones that run in another run. */
  readonly taken: Set<Leaf>;
  readonly putOff: Heap<PutOff>;
  readonly held: Held;
  host: Host;
  /** Nothing starts before, because of the launch delay or the load. */
  launchNotBefore: number;
  /** When something ran last. */
  busyAt: number;
  /** The wake that is on its way; 0: none. */
  wakeAt: number;
  isDone: boolean;
  /** Leaves that have come into the plan in this step. */
  added: Leaf[];
  /** Those of them that are to be linked to their prerequisites. */
  toLink: Leaf[];
  /** Those whose dependents may have to hear of a change. */
  readonly toTell: Set<Vertex>;
};

export function newPlannerState(): PlannerState {
  return {
    ...{
      now: 0,
      input: null,
      early: [],
      existing: new Map(),
      chosen: [],
      activeTests: new Set(),
      tests: new Map(),
      leaves: new Map(),
    },
    ...{ findings: [], counts: {}, open: 0, ready: new Map(), readyCount: 0 },
    ...{ taken: new Set(), isDone: false, added: [], toLink: [], toTell: new Set() },
    putOff: new Heap((a, b) => a.at < b.at || (a.at === b.at && a.leaf.id < b.leaf.id)),
    held: { running: 0, groups: new Map(), resources: new Map() },
    host: { load: 0, slots: Number.POSITIVE_INFINITY, elsewhere: new Set() },
    ...{ launchNotBefore: 0, busyAt: 0, wakeAt: 0 },
  };
}

export function inputOf({ input }: PlannerState): PlanInput {
  assert(input !== null, 'the first event is start');
  return input;
}

export function leafId(test: string, itemPath: string): ExecId {
  return itemPath === '' ? test : `${test}/${itemPath}`;
}

/** What the toplevel shows; of a test without items, its one execution. */
export function shownPair(test: TestNode): StatePair {
  return test.fixed ?? test.leaves.get('')?.pair ?? rollUp(test.counts);
}

/** What dependents look at; null while it is open. */
export function finalPair(vertex: Vertex): StatePair | null {
  if (vertex.kind === 'leaf') return isTerminal(vertex.pair) ? vertex.pair : null;
  if (vertex.fixed !== null) return vertex.fixed;
  if (vertex.open > 0 || isUnexpanded(vertex)) return null;
  return vertex.leaves.size === 0 ? NO_LEAVES : shownPair(vertex);
}

/** Its items are not known yet, and it may still have some. */
export function isUnexpanded({ items, fixed }: TestNode): boolean {
  return fixed === null && (items === 'late' || items === 'asked');
}
