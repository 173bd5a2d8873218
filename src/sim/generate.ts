/**
 * Draws a plan from a seed. Also how often things happen is drawn: some runs have no partitions, some hardly anything
 * else, because rare cases hide behind frequent ones.
 */
import { CRASH_POINTS } from '../client/crash-points.ts';
import { ENGINE_CRASH_POINTS } from '../engine/crash-points.ts';
import { Chance } from './chance.ts';
import {
  ACCOUNTS_PER_SELECTOR,
  type Action,
  ALTERATIONS,
  type Change,
  ELSEWHERE,
  FAULTS,
  type FaultAction,
  type FaultName,
  type Plan,
  type ReplicaOptions,
  SELECTORS,
  type TransactionAction,
} from './plan.ts';

const SAFETY_MS = { least: 20_000, most: 45_000 };
const TRANSACTIONS = { least: 15, most: 45 };
const FAULTS_MAX = 9;
const REPLICAS_MAX = 3;
const ITEMS_MAX = 24;
const FIRST_BALANCE = 1000;
/** Ids that only one large transaction writes. */
const LARGE_IDS = 10_000;
const LARGE_ROWS = { least: 6, most: 24 };
/** Long enough that a few rows are more than a group may hold. */
const LONG_VALUE = 'long '.repeat(16).trim();
const SHARE_OF_KINDS = 0.4;
/** Runs in which another server takes Postgres' place, and how often at most. */
const TURNS = { share: 0.35, max: 2, unseen: 0.7 };
/** How long the server is away before and after one that it does not see. */
const UNSEEN_MS_MAX = 6000;
/** Runs in which the schema changes, and how often at most. */
const ALTERS = { share: 0.25, max: 4 };

/** How often each kind of a fault is drawn, where it may happen at all. */
const WEIGHTS: Readonly<Partial<Record<FaultName, number>>> = {
  'kill-server': 4,
  'crash-server': 6,
  'lose-server': 3,
  'kill-receiver': 3,
  'crash-receiver': 5,
  'kill-postgres': 4,
  'cut-connection': 3,
  checkpoint: 2,
  'write-other': 3,
};

const OF_REPLICA: ReadonlySet<FaultName> = new Set<FaultName>([
  ...(['kill-receiver', 'lose-receiver', 'crash-receiver', 'fill-receiver'] as const),
  ...(['forget-receiver', 'partition', 'stall-reader', 'cut-connection'] as const),
]);

/** These are drawn by themselves: after one of them hardly anything is as before. */
const TURN_FAULTS = ['move-slot', 'promote', 'promote-behind', 'restore', 'other-cluster'] as const;
const FREE_FAULTS = FAULTS.filter((fault) => !TURN_FAULTS.some((turn) => turn === fault));

/** The same seed gives the same plan, everywhere and always. */
export function planOf(seed: number): Plan {
  const chance = new Chance(seed, 'plan');
  const safetyMs = chance.between(SAFETY_MS.least, SAFETY_MS.most);
  const replicas = drawReplicas(chance);
  const writes = drawTransactions(chance.stream('writes'), safetyMs);
  const faults = drawFaults(chance.stream('faults'), { safetyMs, replicas });
  const turns = drawTurns(chance.stream('turns'), safetyMs);
  const alters = drawAlters(chance.stream('schema'), safetyMs);
  return {
    seed,
    network: {
      delayMsMin: chance.pick([0, 1, 5]),
      delayMsMax: chance.pick([5, 20, 80, 300]),
      breaks: chance.pick([0, 0, 0.02, 0.1]),
      repeats: chance.pick([0, 0, 0.2, 0.5]),
      splits: chance.pick([0, 0.1, 0.5]),
      windowBytes: chance.pick([400, 2000, 20_000]),
    },
    stream: {
      delayMsMax: chance.pick([1, 10, 60]),
      messagesMax: chance.pick([2, 6, 30]),
      resends: chance.pick([0, 0.3, 1]),
    },
    server: {
      groupBytesMax: chance.pick([400, 2000, 20_000]),
      partBytesMax: chance.pick([300, 900, 5000]),
      tailBytesMax: chance.pick([0, 4000, 1_000_000]),
      logBytesMax: chance.pick([6000, 20_000, 1_000_000, 1_000_000]),
      keepS: chance.pick([1, 5, 30]),
      leaseS: chance.pick([15, 60, 600]),
      freshGroups: chance.pick([0, 2, 1000]),
      digestEveryMs: chance.pick([4000, 15_000]),
    },
    replicas,
    safetyMs,
    actions: [...writes, ...alters, ...faults, ...turns].sort((a, b) => a.at - b.at),
  };
}

function drawReplicas(chance: Chance): readonly ReplicaOptions[] {
  return Array.from({ length: chance.between(1, REPLICAS_MAX) }, (_, index) => ({
    name: `r${index + 1}`,
    selectors: SELECTORS.filter((_selector, at) => at === index || chance.hits(0.35)),
    startMs: chance.between(0, 6000),
    openBytesMax: chance.pick([200, 2000, 100_000]),
    syncEvery: chance.pick([1, 5, 50]),
  }));
}

/** The first one makes the accounts and some rows. */
function drawTransactions(chance: Chance, safetyMs: number): readonly TransactionAction[] {
  const count = chance.between(TRANSACTIONS.least, TRANSACTIONS.most);
  const openMsMax = chance.pick([20, 400, 4000]);
  const visibleMsMax = chance.pick([1, 50, 600]);
  const largeShare = chance.pick([0, 0.05, 0.2]);
  const rest = Array.from({ length: count }, (_, index): TransactionAction => {
    const isLarge = chance.hits(largeShare);
    const changes = isLarge ? drawLarge(chance, index) : drawChanges(chance, index);
    const pieces = isLarge ? chance.between(1, 4) : 0;
    return {
      ...{ kind: 'transaction', name: `t${index + 1}`, changes, pieces },
      at: chance.between(50, safetyMs - 100),
      openMs: chance.between(1, isLarge ? 6000 : openMsMax),
      visibleMs: chance.between(0, visibleMsMax),
      isRolledBack: chance.hits(0.1),
      lostPiece: pieces > 1 && chance.hits(0.5) ? chance.between(0, pieces - 1) : null,
    };
  });
  return [firstTransaction(chance), ...rest];
}

function firstTransaction(chance: Chance): TransactionAction {
  const accounts = accountsOf().map(({ id, selector }) => ({
    ...{ kind: 'open' as const, account: id, balance: FIRST_BALANCE, selector },
  }));
  const items = Array.from({ length: 8 }, (_, id): Change => {
    return { kind: 'put', id, selector: drawSelector(chance), value: `first ${id}` };
  });
  return {
    ...{ kind: 'transaction', at: 0, name: 't0', openMs: 0, visibleMs: 0, isRolledBack: false },
    ...{ pieces: 0, lostPiece: null, changes: [...accounts, ...items] },
  };
}

function accountsOf(): readonly { readonly id: number; readonly selector: string }[] {
  return SELECTORS.flatMap((selector, at) =>
    Array.from({ length: ACCOUNTS_PER_SELECTOR }, (_, index) => ({
      id: at * ACCOUNTS_PER_SELECTOR + index + 1,
      selector,
    })),
  );
}

function drawChanges(chance: Chance, transaction: number): readonly Change[] {
  return Array.from({ length: chance.between(1, 4) }, (_, index): Change => {
    const roll = chance.next();
    const accounts = accountsOf();
    if (roll < 0.3) {
      const [from, to] = [chance.pick(accounts).id, chance.pick(accounts).id];
      return { kind: 'transfer', from, to, amount: chance.between(1, 50) };
    }
    if (roll < 0.35) {
      return { kind: 'move', account: chance.pick(accounts).id, selector: drawSelector(chance) };
    }
    const id = chance.between(0, ITEMS_MAX);
    if (roll < 0.5) return { kind: 'delete', id };
    if (roll < 0.51) return { kind: 'truncate' };
    const isNobodys = chance.hits(0.04);
    const text = `${transaction}.${index}${chance.hits(0.1) ? ` ${LONG_VALUE}` : ''}`;
    const selector = isNobodys ? null : drawSelector(chance);
    return { kind: 'put', id, selector, value: text };
  });
}

function drawLarge(chance: Chance, transaction: number): readonly Change[] {
  const count = chance.between(LARGE_ROWS.least, LARGE_ROWS.most);
  return Array.from({ length: count }, (_, index) => ({
    kind: 'put' as const,
    id: LARGE_IDS + transaction * 100 + index,
    selector: drawSelector(chance),
    value: `large ${transaction}.${index} ${LONG_VALUE}`,
  }));
}

/** Changes of the schema, some of them with rows before and after in the same transaction. */
function drawAlters(chance: Chance, safetyMs: number): readonly TransactionAction[] {
  if (!chance.hits(ALTERS.share)) return [];
  const count = chance.between(1, ALTERS.max);
  return Array.from({ length: count }, (_, index): TransactionAction => {
    const alter = {
      kind: 'alter' as const,
      how: chance.pick(ALTERATIONS),
      column: `c${index + 1}`,
    };
    const put = (place: string): Change => ({
      ...{ kind: 'put', id: chance.between(0, ITEMS_MAX), selector: drawSelector(chance) },
      value: `${place} alter ${index}`,
    });
    const before = chance.hits(0.3) ? [put('before')] : [];
    const after = chance.hits(0.5) ? [put('after')] : [];
    return {
      ...{ kind: 'transaction', name: `a${index + 1}`, pieces: 0, lostPiece: null },
      ...{ at: chance.between(50, safetyMs - 100), openMs: chance.between(1, 400) },
      ...{ visibleMs: chance.pick([0, 50, 600]), isRolledBack: chance.hits(0.1) },
      changes: [...before, alter, ...after],
    };
  });
}

function drawSelector(chance: Chance): string {
  return chance.hits(0.12) ? ELSEWHERE : chance.pick(SELECTORS);
}

function drawFaults(
  chance: Chance,
  of: { readonly safetyMs: number; readonly replicas: readonly ReplicaOptions[] },
): readonly Action[] {
  const kinds = FREE_FAULTS.filter(() => chance.hits(SHARE_OF_KINDS));
  const bag = kinds.flatMap((fault) => Array.from({ length: WEIGHTS[fault] ?? 1 }, () => fault));
  if (bag.length === 0) return [];
  const count = chance.between(0, FAULTS_MAX);
  return Array.from({ length: count }, () => drawFault(chance, chance.pick(bag), of));
}

/** Another server takes Postgres' place, or somebody moves the slot. */
function drawTurns(chance: Chance, safetyMs: number): readonly FaultAction[] {
  if (!chance.hits(TURNS.share)) return [];
  return Array.from({ length: chance.between(1, TURNS.max) }, () => {
    const kind = 'fault';
    const turn: FaultAction = {
      ...{ kind, fault: chance.pick(TURN_FAULTS), target: null },
      ...{ at: chance.between(500, safetyMs - 500), ms: chance.pick([0, 3000, 10_000]) },
    };
    if (!chance.hits(TURNS.unseen)) return [turn];
    const at = Math.max(0, turn.at - chance.between(10, UNSEEN_MS_MAX));
    const ms = turn.at - at + chance.between(500, UNSEEN_MS_MAX);
    const away: FaultAction = { kind, fault: 'kill-server', target: null, at, ms };
    const written = { kind, fault: 'write-other', target: null, ms: 5000 } as const;
    return [away, turn, { ...written, at: turn.at + 450 }];
  }).flat();
}

function drawFault(
  chance: Chance,
  fault: FaultName,
  of: { readonly safetyMs: number; readonly replicas: readonly ReplicaOptions[] },
): FaultAction {
  const at = chance.between(200, of.safetyMs - 500);
  const target = OF_REPLICA.has(fault) ? chance.pick(of.replicas).name : null;
  const action = { kind: 'fault' as const, at, fault, target, ms: drawLength(chance, fault) };
  if (fault === 'crash-server') return { ...action, point: chance.pick(ENGINE_CRASH_POINTS) };
  if (fault === 'crash-receiver') return { ...action, point: chance.pick(CRASH_POINTS) };
  return action;
}

function drawLength(chance: Chance, fault: FaultName): number {
  switch (fault) {
    case 'jump-clock':
      return chance.between(-7200, 7200) * 1000;
    case 'write-other':
      return chance.between(1, 5000);
    case 'partition':
    case 'stall-reader':
      return chance.pick([300, 4000, 20_000, 40_000]);
    case 'fill-log':
    case 'fill-receiver':
      return chance.between(100, 8000);
    default:
      return chance.pick([10, 500, 3000, 20_000]);
  }
}
