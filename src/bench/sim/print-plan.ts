/** Plans as scripts: what a person reads, what `tidelock script` runs, and what a fix is proven with. */

import { printScript } from '../../script/print.ts';
import type { Argument, CaseContent, Content } from '../../script/types.ts';
import type {
  Change,
  FaultAction,
  Plan,
  ReplicaOptions,
  TransactionAction,
} from '../../sim/plan.ts';
import type { TwowayPlan, WriteAction } from '../../sim/twoway/plan.ts';
import type { Write } from '../../sim/twoway/site-disk.ts';

export type PlanScript<P = Plan> = {
  readonly plan: P;
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
  const world = caseOf('world', headOf(seed, safetyMs, bug));
  return printRun(comments, [
    { ...world, input: sectionsOf({ network, stream, server }) },
    ...replicas.map(replicaCase),
    ...actions.map((one) => (one.kind === 'fault' ? faultCase(one) : transactionCase(one))),
  ]);
}

/** A run of sites that write. */
export function printTwowayPlan({ plan, bug, comments }: PlanScript<TwowayPlan>): string {
  const { seed, safetyMs, network, sites, actions } = plan;
  const world = caseOf('two-way', headOf(seed, safetyMs, bug));
  return printRun(comments, [
    { ...world, input: sectionsOf({ network }) },
    ...sites.map((name) => caseOf('site', values({ name }))),
    ...actions.map((one) =>
      one.kind === 'fault' ? faultCase({ ...one, target: one.site }) : writeCase(one),
    ),
  ]);
}

function printRun(comments: readonly string[], cases: readonly CaseContent[]): string {
  return printScript([
    ...comments.map((text): Content => ({ kind: 'comment', text: `# ${text}` })),
    { kind: 'comment', text: '#: world=sim' },
    { kind: 'comment', text: '' },
    ...cases,
    { ...caseOf('run', []), expected: CLEAN },
  ]);
}

function headOf(seed: number, safety: number, bug: string | null): Argument[] {
  return values({ seed, safety, ...(bug === null ? {} : { bug }) });
}

function sectionsOf(settings: Readonly<Record<string, object>>): string {
  return Object.entries(settings)
    .map(([name, options]) => `${name} ${pairsOf(options).join(' ')}\n`)
    .join('');
}

function replicaCase({
  name,
  selectors,
  startMs,
  openBytesMax,
  syncEvery,
}: ReplicaOptions): CaseContent {
  return caseOf('replica', [
    ...values({ name }),
    { kind: 'list', key: 'selectors', values: selectors },
    ...values({ start: startMs, 'open-bytes': openBytesMax, 'sync-every': syncEvery }),
  ]);
}

type AnyFault = Pick<FaultAction, 'at' | 'target' | 'ms' | 'point'> & { readonly fault: string };

function faultCase({ at, fault, target, ms, point }: AnyFault): CaseContent {
  return caseOf('fault', [
    ...values({ at, name: fault }),
    ...(target === null ? [] : values({ target })),
    ...values({ ms }),
    ...(point === undefined ? [] : values({ point })),
  ]);
}

function transactionCase(action: TransactionAction): CaseContent {
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
    case 'alter':
      return `alter ${change.how} ${change.column}\n`;
    default:
      return 'truncate\n';
  }
}

function writeCase({ at, site, writes }: WriteAction): CaseContent {
  const args = values({ at, ...(site === null ? {} : { site }) });
  return { ...caseOf('write', args), input: writes.map(writeLine).join('') };
}

function writeLine({ kind, key, a, b }: Write): string {
  return kind === 'delete' ? `delete ${key}\n` : `${kind} ${key} a=${a} b=${b}\n`;
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
