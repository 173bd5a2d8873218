/** Aggregates in SQLite's SQL: its own where they are exact, ours where they are not. */
import { equalKeyOf } from '../functions/keys.ts';
import type { Aggregate } from '../plan.ts';
import { compileExpression, type Environment, functionName } from './expression.ts';
import { orderTerms } from './order.ts';

/** The low half of an int8, whose sums cannot overflow. */
const LOW = 4_294_967_295;

export function compileAggregate(aggregate: Aggregate, environment: Environment): string {
  const { filter } = aggregate;
  const where = filter === null ? '' : ` FILTER (WHERE ${compileExpression(filter, environment)})`;
  if (aggregate.arg === null) return `count(*)${where}`;
  const call = new Call(aggregate, compileExpression(aggregate.arg, environment), where);
  if (aggregate.name === 'array_agg') return arrayAggregate(aggregate, environment, where);
  if (aggregate.name === 'string_agg') return stringAggregate(aggregate, environment, where);
  switch (aggregate.name) {
    case 'count':
      return call.native('count', call.isKeyed ? call.key : call.arg);
    case 'bool_and':
      return call.native('min');
    case 'bool_or':
      return call.native('max');
    case 'min':
    case 'max':
      return call.isKeyed ? call.own(aggregate.name) : call.native(aggregate.name);
    case 'sum':
      return sum(call);
    case 'avg':
      return average(call);
  }
}

class Call {
  readonly type: string;
  readonly arg: string;
  readonly #where: string;
  readonly #aggregate: Aggregate;

  constructor(aggregate: Aggregate, arg: string, where: string) {
    this.type = aggregate.arg?.type ?? 'text';
    this.arg = arg;
    this.#aggregate = aggregate;
    this.#where = where;
  }

  get isDistinct(): boolean {
    return this.#aggregate.isDistinct;
  }

  /** True when SQLite cannot tell equal values of the type. */
  get isKeyed(): boolean {
    return equalKeyOf(this.#aggregate.arg?.type ?? 'text') !== null;
  }

  get key(): string {
    const key = equalKeyOf(this.#aggregate.arg?.type ?? 'text');
    return key === null ? this.arg : `${functionName(key)}(${this.arg})`;
  }

  native(name: string, arg = this.arg): string {
    return `${name}(${this.isDistinct ? 'DISTINCT ' : ''}${arg})${this.#where}`;
  }

  /** One of ours: `pg_sum_numeric`, and `pg_sum_numeric_distinct` where SQLite cannot tell what is distinct. */
  own(name: string): string {
    const ours = `${name}_${this.type}`;
    if (!this.isDistinct || !this.isKeyed) return this.native(functionName(ours));
    return `${functionName(`${ours}_distinct`)}(${this.arg})${this.#where}`;
  }
}

function sum(call: Call): string {
  if (call.type === 'int2' || call.type === 'int4') return call.native('sum');
  if (call.type !== 'int8' || call.isDistinct) return call.own('sum');
  const halves = [`${call.arg} >> 32`, `${call.arg} & ${LOW}`];
  return `${functionName('sum_of_halves')}(${halves.map((half) => call.native('sum', half)).join(', ')})`;
}

function average(call: Call): string {
  const name = functionName('average_of_halves');
  if (call.type === 'int2' || call.type === 'int4') {
    return `${name}(0, ${call.native('sum')}, ${call.native('count')})`;
  }
  if (call.type !== 'int8' || call.isDistinct) return call.own('avg');
  const halves = [`${call.arg} >> 32`, `${call.arg} & ${LOW}`];
  const sums = halves.map((half) => call.native('sum', half));
  return `${name}(${sums.join(', ')}, ${call.native('count')})`;
}

/** As texts are put together: without an order of its own, they are sorted. NULL stands behind all. */
function arrayAggregate(aggregate: Aggregate, environment: Environment, where: string): string {
  const { arg, order } = aggregate;
  if (arg === null) return 'NULL';
  const text = compileExpression(arg, environment);
  const terms = [...orderTerms(order, environment), `${text} NULLS LAST`];
  return `${functionName('array_agg')}(${text} ORDER BY ${terms.join(', ')})${where}`;
}

/** Without an order of its own, the texts are sorted: the answer does not depend on how they were found. */
function stringAggregate(aggregate: Aggregate, environment: Environment, where: string): string {
  const { arg, separator, order, isDistinct } = aggregate;
  if (arg === null || separator === null) return 'NULL';
  const [text, by] = [arg, separator].map((part) => compileExpression(part, environment));
  if (isDistinct) {
    const isDescending = order[0]?.isDescending === true;
    return `${functionName(isDescending ? 'string_agg_distinct_desc' : 'string_agg_distinct')}(${text}, ${by})${where}`;
  }
  const terms = order.length === 0 ? [`${text}`] : [...orderTerms(order, environment), `${text}`];
  return `${functionName('string_agg')}(${text}, ${by} ORDER BY ${terms.join(', ')})${where}`;
}
