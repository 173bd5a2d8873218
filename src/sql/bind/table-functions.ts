/** Functions in FROM: `generate_series`, `unnest`, and those of one value, which make one row. */
import { notSupported } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { FuncCall, RangeFunction } from '../pg-parser.ts';
import type { Expression, Plan } from '../plan.ts';
import type { SqlType } from '../types.ts';
import { type Context, offsetOf } from './context.ts';
import { bindExpression } from './expression.ts';
import { bindFunction } from './operators.ts';

/** In SQL, and what makes its elements. */
const MAKERS: ReadonlyMap<string, string> = new Map([
  ['generate_series', 'series_of'],
  ['unnest', 'elements_of'],
]);

type Made = { readonly name: string; readonly plan: Plan };

/** `context.scope` has no columns of its own: what the function names stands before it or around. */
export function bindTableFunction(range: RangeFunction, context: Context): Made {
  const call = onlyCall(range);
  const name = stringOf(call.funcname?.at(-1));
  const inside: Context = { ...context, aggregates: 'functions in FROM' };
  const maker = MAKERS.get(name);
  if (maker === undefined) {
    const value = bindExpression({ FuncCall: call }, inside);
    const columns = [{ name, type: value.type, isNullable: true }];
    return { name, plan: { kind: 'values', columns, rows: [[value]] } };
  }
  const args = (call.args ?? []).map((arg) => bindExpression(arg, inside));
  const place = { binding: context.binding, offset: call.location };
  const made = bindFunction(maker, args, place, name);
  const columns = [{ name, type: elementOf(made), isNullable: maker === 'elements_of' }];
  return { name, plan: { kind: 'function', columns, call: made } };
}

function onlyCall(range: RangeFunction): FuncCall {
  const [first, ...others] = range.functions ?? [];
  const [call] = first !== undefined && 'List' in first ? (first.List.items ?? []) : [];
  if (range.ordinality) throw notSupported('WITH ORDINALITY', offsetOf(call));
  if (range.is_rowsfrom || others.length > 0) throw notSupported('ROWS FROM', offsetOf(call));
  if (range.coldeflist) throw notSupported('a list of columns of a function', offsetOf(call));
  if (call !== undefined && 'FuncCall' in call) return call.FuncCall;
  throw notSupported('this function in FROM', offsetOf(call));
}

/** Makers give JSON; their first argument is of the type of the elements, or an array of them. */
function elementOf(made: Expression): SqlType {
  const [first] = made.kind === 'call' ? made.args : [];
  return first === undefined || first.type === '_text' ? 'text' : first.type;
}
