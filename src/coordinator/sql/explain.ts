/** EXPLAIN: the plan of a query, or at which time it would be read now and why. Nothing is changed by it. */
import { notSupported } from '../../sql/errors.ts';
import type { Query } from '../../sql/plan.ts';
import type { Statement } from '../../sql/statement.ts';
import { bindQuery, bindRelation } from './binding.ts';
import { fullName, itemOf } from './catalog.ts';
import type { Context } from './context.ts';
import { expandQuery } from './expand.ts';
import { frontOf } from './frontiers.ts';
import { bundleOf, readInput } from './reads.ts';
import type { Response } from './types.ts';
import type { Frontier } from './worker.ts';

export function explain(
  context: Context,
  { what, statement, offset }: Statement & { readonly kind: 'explain' },
): Response {
  const query = explained(context, statement, offset);
  const lines = what === 'plan' ? planLines(context, query) : timeLines(context, query, offset);
  const name = what === 'plan' ? 'Optimized Plan' : 'Timestamp';
  const columns = [{ name, type: 'text', isNullable: false }] as const;
  return { kind: 'rows', what: 'explain', columns, rows: lines.map((line) => [line]), time: null };
}

function explained(context: Context, statement: Statement, offset: number): Query {
  if (statement.kind === 'select') return bindQuery(context, statement.select);
  if (statement.kind === 'subscribe') return bindRelation(context, statement.relation);
  throw notSupported('EXPLAIN of anything but SELECT and SUBSCRIBE', offset);
}

/** One line a node, inputs below what reads them. */
function planLines({ state }: Context, query: Query): readonly string[] {
  const lines: string[] = [];
  const visit = (node: unknown, depth: number): void => {
    if (typeof node !== 'object' || node === null) return;
    const isPlan = 'kind' in node && 'columns' in node;
    if (isPlan) {
      const item =
        'item' in node ? ` ${fullName(itemOf(state.catalog, String(node.item)).at)}` : '';
      lines.push(`${'  '.repeat(depth)}${String(node.kind)}${item}`);
    }
    for (const part of Object.values(node)) visit(part, isPlan ? depth + 1 : depth);
  };
  visit(expandQuery(state, query).plan, 0);
  return lines;
}

function timeLines(context: Context, query: Query, offset: number): readonly string[] {
  const { state, session } = context;
  const bundle = bundleOf(context, query, offset);
  if (bundle === null) return ['time: any (nothing is read)'];
  const input = readInput(context, bundle, { kind: 'immediately' });
  const chosen = state.options.rules.readTime(input);
  const fronts = bundle.ids.map((id) => {
    const { since, upper } = frontOf(state, id);
    return `  ${fullName(itemOf(state.catalog, id).at)}: [${since}, ${show(upper)})`;
  });
  return [
    `time: ${chosen.kind === 'at' ? chosen.time : chosen.kind}`,
    `timeline: ${bundle.timeline}, isolation: ${session.isolation}`,
    `oracle: ${input.oracle}, session: ${input.sessionTime}`,
    'readable:',
    ...fronts,
    chosen.kind === 'at' && input.upper !== null && chosen.time >= input.upper
      ? 'waits: yes'
      : 'waits: no',
  ];
}

function show(upper: Frontier): string {
  return upper === null ? 'complete' : String(upper);
}
