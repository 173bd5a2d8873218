/** Calls by name: functions, aggregates, and the few that are neither. */
import { notSupported, sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { FuncCall, Node } from '../pg-parser.ts';
import type { Expression } from '../plan.ts';
import { bindAggregate, isAggregate } from './aggregates.ts';
import { constant } from './coerce.ts';
import { type BindExpression, type Context, required } from './context.ts';
import { asText, bindFunction } from './operators.ts';
import { bindSystemCall } from './system-calls.ts';
import { bindWindowCall, isWindowName } from './windows.ts';

const NOW = new Set(['now', 'transaction_timestamp', 'statement_timestamp']);
/** By name, how many arguments they have at least. */
const CONCATENATIONS: ReadonlyMap<string, number> = new Map([
  ['concat', 1],
  ['concat_ws', 2],
]);

const LOGICAL_TIMESTAMP = new Set(['mz_logical_timestamp', 'mz_now']);

export function bindCall(call: FuncCall, context: Context, bind: BindExpression): Expression {
  const offset = call.location;
  const name = nameOf(call);
  if (call.over) return bindWindowCall(name, call, context, bind);
  if (isWindowName(name)) {
    throw sqlError('42809', `window function ${name} requires an OVER clause`, { offset });
  }
  if (call.func_variadic) throw notSupported('VARIADIC', offset);
  if (call.agg_within_group) throw notSupported('WITHIN GROUP', offset);
  if (isAggregate(name)) return bindAggregate(name, call, context, bind);
  if (call.agg_star || call.agg_distinct || call.agg_filter || call.agg_order) {
    throw sqlError('42809', `${name} is not a supported aggregate function`, { offset });
  }
  const args = (call.args ?? []).map((arg) => bindArgument(arg, context, bind));
  const place = { binding: context.binding, offset };
  const isAlone = args.length === 0;
  if (isAlone && NOW.has(name)) {
    context.binding.usesNow = true;
    return { kind: 'now', type: 'timestamptz' };
  }
  if (isAlone && LOGICAL_TIMESTAMP.has(name)) {
    context.binding.usesLogicalTimestamp = true;
    return { kind: 'logicalTimestamp', type: 'numeric' };
  }
  if (args.length >= (CONCATENATIONS.get(name) ?? Number.POSITIVE_INFINITY)) {
    const texts = args.map((arg) => asConcatenated(arg, place));
    return { kind: 'call', type: 'text', name, args: texts };
  }
  return bindSystemCall({ name, args, context, offset }) ?? bindFunction(name, args, place);
}

function bindArgument(node: Node, context: Context, bind: BindExpression): Expression {
  if ('NamedArgExpr' in node) throw notSupported('an argument by name', node.NamedArgExpr.location);
  return bind(node, context);
}

/** Booleans are `t` and `f` here, unlike in a cast. */
function asConcatenated(
  arg: Expression,
  place: { readonly binding: Context['binding']; readonly offset: number | undefined },
): Expression {
  if (arg.type !== 'bool') return asText(arg, place);
  const isNull: Expression = { kind: 'isNull', type: 'bool', arg };
  return {
    kind: 'case',
    type: 'text',
    branches: [
      { when: isNull, result: constant('text', null) },
      { when: arg, result: constant('text', 't') },
    ],
    otherwise: constant('text', 'f'),
  };
}

function nameOf(call: FuncCall): string {
  const parts = (call.funcname ?? []).map(stringOf);
  const [schema, name] = parts.length > 1 ? parts : ['pg_catalog', required(parts[0])];
  if (schema !== 'pg_catalog' || name === undefined) {
    throw sqlError('42883', `function ${parts.join('.')} does not exist`, {
      offset: call.location,
    });
  }
  return name;
}
