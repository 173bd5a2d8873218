/**
 * Queries over what there is none of here, as policies and triggers. No row comes of them, so what they compute need not be
 * among what we have: what cannot be bound is NULL of the type text.
 */
import { SqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { Node, SelectStmt } from '../pg-parser.ts';
import { isAggregate } from './aggregates.ts';
import { constant, known } from './coerce.ts';
import { type Context, required } from './context.ts';
import { columnNameOf } from './names.ts';
import { bindTargets, type Target } from './targets.ts';

export function bindEmptyTargets(
  { targetList = [] }: SelectStmt,
  context: Context,
): readonly Target[] {
  const targets = targetList.flatMap((node): readonly Target[] => {
    try {
      return bindTargets([node], context);
    } catch (error) {
      if (!(error instanceof SqlError)) throw error;
      const { name, val } = required('ResTarget' in node ? node.ResTarget : undefined);
      const expression = constant('text', null);
      return [{ name: name ?? columnNameOf(required(val)), expression, offset: undefined }];
    }
  });
  return targets.map((one) => ({ ...one, expression: known(one.expression, context.binding) }));
}

/** Aggregates give a row also of nothing. Those of subqueries count too: then nothing is let pass. */
export function hasAggregates({ targetList = [], havingClause, groupClause }: SelectStmt): boolean {
  if (havingClause !== undefined || groupClause !== undefined) return true;
  return targetList.some(namesAggregate);
}

function namesAggregate(node: Node): boolean {
  let isFound = false;
  JSON.stringify(node, (key, value: unknown) => {
    if (key === 'SubLink') return undefined;
    if (key === 'funcname' && Array.isArray(value)) {
      isFound ||= isAggregate(stringOf(value.at(-1) as Node | undefined));
    }
    return value;
  });
  return isFound;
}
