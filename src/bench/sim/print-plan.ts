/** A plan as a script: what a person reads, what `tidelock script` runs, and what a fix is proven with. */

import { printScript } from '../../script/print.ts';
import type { Argument, CaseContent, Content } from '../../script/types.ts';
import type {
  Change,
  FaultAction,
  Plan,
  ReplicaOptions,
  TransactionAction,
} from '../../sim/plan.ts';

export type PlanScript = {
  readonly plan: Plan;
  /** The planted bug that the run had, if any. */
  readonly bug: string | null;
  /** Above the script, one line each. */
  readonly comments: readonly string[];
};

/** Stands for a row that is in no selector. */
export const NOBODY = '-';
/** What a sound product prints. */
export const CLEAN = 'every property holds\n';

export function printPlan({ plan, bug, comments }: PlanScript): string {
  const { seed, safetyMs, network, stream, server, replicas, actions } = plan;
  const settings = { network, stream, server };
  const input = Object.entries(settings).map(
    ([name, options]) => `${name} ${pairsOf(options).join(' ')}\n`,
  );
  const world = caseOf('world', [
    ...values({ seed, safety: safetyMs }),
    ...(bug === null ? [] : values({ bug })),
  ]);
  const contents: Content[] = [
    ...comments.map((text): Content => ({ kind: 'comment', text: `# ${text}` })),
    { kind: 'comment', text: '#: world=sim' },
    { kind: 'comment', text: '' },
    { ...world, input: input.join('') },
    ...replicas.map(replicaCase),
    ...actions.map((one) => (one.kind === 'fault' ? faultCase(one) : transactionCase(one))),
    { ...caseOf('run', []), expected: CLEAN },
  ];
  return printScript(contents);
}

/** A run of sites that write: it is its seed. */
export function printTwoway(seed: number, bug: string | null, comments: readonly string[]): string {
  const args = [...values({ seed }), ...(bug === null ? [] : values({ bug }))];
  return printScript([
    ...comments.map((text): Content => ({ kind: 'comment', text: `# ${text}` })),
    { kind: 'comment', text: '#: world=sim' },
    { kind: 'comment', text: '' },
    { ...caseOf('two-way', args), expected: CLEAN },
  ]);
}

function replicaCase({
  name,
  selectors,
  startMs,
  openBytesMax,
  syncEvery,
}: ReplicaOptions): Content {
  return caseOf('replica', [
    ...values({ name }),
    { kind: 'list', key: 'selectors', values: selectors },
    ...values({ start: startMs, 'open-bytes': openBytesMax, 'sync-every': syncEvery }),
  ]);
}

function faultCase({ at, fault, target, ms, point }: FaultAction): Content {
  return caseOf('fault', [
    ...values({ at, name: fault }),
    ...(target === null ? [] : values({ target })),
    ...values({ ms }),
    ...(point === undefined ? [] : values({ point })),
  ]);
}

function transactionCase(action: TransactionAction): Content {
  const { at, name, openMs, visibleMs, isRolledBack, pieces, lostPiece, changes } = action;
  const args = [
    ...values({ at, name, open: openMs, visible: visibleMs }),
    ...(isRolledBack ? [{ kind: 'flag' as const, key: 'rolled-back' }] : []),
    ...(pieces > 0 ? values({ pieces }) : []),
    ...(lostPiece === null ? [] : values({ 'lost-piece': lostPiece })),
  ];
  return { ...caseOf('transaction', args), input: changes.map(changeLine).join('') };
}

function changeLine(change: Change): string {
  switch (change.kind) {
    case 'put':
      return `put ${change.id} ${change.selector ?? NOBODY} ${change.value}\n`;
    case 'delete':
      return `delete ${change.id}\n`;
    case 'transfer':
      return `transfer ${change.from} ${change.to} ${change.amount}\n`;
    case 'move':
      return `move ${change.account} ${change.selector}\n`;
    case 'open':
      return `open ${change.account} ${change.balance} ${change.selector}\n`;
    default:
      return 'truncate\n';
  }
}

function caseOf(command: string, args: readonly Argument[]): CaseContent {
  return { kind: 'case', command, args, input: '', expected: '' };
}

function values(pairs: Readonly<Record<string, string | number>>): Argument[] {
  return Object.entries(pairs).map(([key, value]) => ({ kind: 'value', key, value: `${value}` }));
}

function pairsOf(options: object): string[] {
  return Object.entries(options).map(([key, value]) => `${key}=${String(value)}`);
}
