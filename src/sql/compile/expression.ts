/** Expressions in SQLite's SQL. */
import { assert, unreachable } from '../../core/assert.ts';
import { findCast } from '../functions/casts.ts';
import { equalKeyOf, sortKeyOf } from '../functions/keys.ts';
import type { Expression, Plan } from '../plan.ts';
import { toStored } from '../storage.ts';
import type { SqlType } from '../types.ts';
import { FAIL } from './fold.ts';
import { literal } from './literal.ts';

/** How a query inside of an expression is compiled. */
export type Subqueries = {
  exists(plan: Plan, outers: Outers): string;
  scalar(plan: Plan, outers: Outers): string;
  /** A SELECT of one column, as a key where the type has one. */
  members(plan: Plan, outers: Outers): string;
};

/** Columns of the queries around, the next one first. */
export type Outers = readonly (readonly string[])[];

export type Environment = {
  /** What the columns of the input are in SQL. */
  readonly columns: readonly string[];
  readonly outers: Outers;
  readonly subqueries: Subqueries;
};

/** Our functions cannot be mistaken for SQLite's. */
export const functionName = (name: string): string => `pg_${name}`;

export function compileExpression(expression: Expression, environment: Environment): string {
  const one = (inner: Expression): string => compileExpression(inner, environment);
  switch (expression.kind) {
    case 'constant':
      return literal(toStored(expression.type, expression.value));
    case 'column':
      return columnOf(environment.columns, expression.index);
    case 'outer':
      return columnOf(environment.outers[expression.depth - 1] ?? [], expression.index);
    case 'call':
      return compileCall(expression, environment);
    case 'and':
    case 'or':
      return membership(expression, one) ?? connective(expression.kind, expression.args.map(one));
    case 'not':
      return `(NOT ${one(expression.arg)})`;
    case 'isNull':
      return `(${one(expression.arg)} IS NULL)`;
    case 'case': {
      const branches = expression.branches.map(
        ({ when, result }) => `WHEN ${one(when)} THEN ${one(result)}`,
      );
      return `(CASE ${branches.join(' ')} ELSE ${one(expression.otherwise)} END)`;
    }
    case 'cast':
      return compileCast(expression, one);
    case 'exists':
    case 'scalar': {
      const outers = [environment.columns, ...environment.outers];
      return environment.subqueries[expression.kind](expression.plan, outers);
    }
    case 'in': {
      const outers = [environment.columns, ...environment.outers];
      const members = environment.subqueries.members(expression.plan, outers);
      return `(${equalKey(expression.arg.type, one(expression.arg))} IN (${members}))`;
    }
    case 'parameter':
    case 'logicalTimestamp':
    case 'now':
      throw new Error(`${expression.kind} has no value when its query is compiled`);
    default:
      return unreachable(expression);
  }
}

function columnOf(columns: readonly string[], index: number): string {
  const column = columns[index];
  assert(column !== undefined, `the row has a column ${index}`);
  return column;
}

/** `x IN (1, 2, 3)` of a chain of equalities of one thing with constants: SQLite looks those up. */
function membership(
  { kind, args }: Extract<Expression, { kind: 'and' | 'or' }>,
  one: (expression: Expression) => string,
): string | null {
  if (kind === 'and' || args.length < 2) return null;
  const [first] = args;
  if (first?.kind !== 'call' || first.name !== 'eq') return null;
  const subject = first.args[0];
  if (subject === undefined) return null;
  const values: string[] = [];
  for (const arg of args) {
    if (arg.kind !== 'call' || arg.name !== 'eq' || arg.args[0] !== subject) return null;
    const value = arg.args[1];
    if (value?.kind !== 'constant') return null;
    values.push(equalKey(value.type, one(value)));
  }
  return `(${equalKey(subject.type, one(subject))} IN (${values.join(', ')}))`;
}

/** As a balanced tree: SQLite bounds the depth of expressions. */
function connective(kind: 'and' | 'or', parts: readonly string[]): string {
  const [only] = parts;
  if (only === undefined) return kind === 'and' ? '1' : '0';
  if (parts.length === 1) return only;
  const middle = Math.ceil(parts.length / 2);
  const [left, right] = [parts.slice(0, middle), parts.slice(middle)];
  return `(${connective(kind, left)} ${kind.toUpperCase()} ${connective(kind, right)})`;
}

const OPERATORS: ReadonlyMap<string, string> = new Map([
  ['eq', '='],
  ['ne', '<>'],
  ['lt', '<'],
  ['le', '<='],
  ['gt', '>'],
  ['ge', '>='],
]);

/** What SQLite does just as PostgreSQL. */
const NATIVE: ReadonlyMap<string, (...args: readonly string[]) => string> = new Map([
  ['concatenate_text_text', (a, b) => `(${a} || ${b})`],
  ['length_text', (a) => `length(${a})`],
]);

function compileCall(
  { name, args, type }: Extract<Expression, { kind: 'call' }>,
  environment: Environment,
): string {
  const values = args.map((arg) => compileExpression(arg, environment));
  const of = args[0]?.type ?? 'text';
  const [a = 'NULL', b = 'NULL'] = values;
  const operator = OPERATORS.get(name);
  if (operator !== undefined) {
    const key = operator === '=' || operator === '<>' ? equalKey : sortKey;
    return `(${key(of, a)} ${operator} ${key(of, b)})`;
  }
  if (name === 'distinct') return `(${equalKey(of, a)} IS NOT ${equalKey(of, b)})`;
  if (name === 'greatest' || name === 'least') {
    const suffix = sortKeyOf(type) === null ? '' : `_${type}`;
    return `${functionName(name + suffix)}(${values.join(', ')})`;
  }
  if (name === FAIL) return `${functionName(FAIL)}(${values.join(', ')})`;
  return NATIVE.get(name)?.(...values) ?? `${functionName(name)}(${values.join(', ')})`;
}

function compileCast(
  { arg, type }: Extract<Expression, { kind: 'cast' }>,
  one: (expression: Expression) => string,
): string {
  if (arg.type === type || arg.type === 'unknown') return one(arg);
  const cast = findCast(arg.type, type);
  assert(cast !== null, `there is a cast from ${arg.type} to ${type}`);
  return cast.call === null ? one(arg) : `${functionName(cast.call.name)}(${one(arg)})`;
}

/** What is compared for equality, grouped and made distinct by. */
export function equalKey(type: SqlType, sql: string): string {
  const key = equalKeyOf(type);
  return key === null ? sql : `${functionName(key)}(${sql})`;
}

/** What is sorted by. jsonb, which has no order, is sorted by its text where rows must have some order. */
export function sortKey(type: SqlType, sql: string): string {
  const key = sortKeyOf(type);
  return key === null ? sql : `${functionName(key)}(${sql})`;
}
