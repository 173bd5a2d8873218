/** UNION, EXCEPT and INTERSECT: both sides with the same types. */
import { notSupported, sqlError } from '../errors.ts';
import type { SelectStmt } from '../pg-parser.ts';
import type { Expression, Plan } from '../plan.ts';
import type { SqlType } from '../types.ts';
import { coerceTo, commonType, mismatch } from './coerce.ts';
import { type Around, type Bound, required } from './context.ts';
import { columnAt } from './scope.ts';

const OPERATIONS = {
  SETOP_UNION: 'union',
  SETOP_EXCEPT: 'except',
  SETOP_INTERSECT: 'intersect',
} as const;

/** `bindSide` leaves literals without a type as they are. */
export function bindSetOperation(
  select: SelectStmt,
  around: Around,
  bindSide: (side: SelectStmt) => Bound,
): Bound {
  const { op, larg, rarg } = select;
  if (op === undefined || op === 'SETOP_NONE') throw notSupported('this set operation');
  const operation = OPERATIONS[op];
  const [left, right] = [bindSide(required(larg)), bindSide(required(rarg))];
  if (left.columns.length !== right.columns.length) {
    throw sqlError(
      '42601',
      `each ${operation.toUpperCase()} query must have the same number of columns`,
    );
  }
  const types = left.columns.map((column, index) => {
    const pair = [column.type, required(right.columns[index]).type];
    const type = commonType(pair);
    if (type === null) throw mismatch(operation.toUpperCase(), pair, undefined);
    return type;
  });
  const [l, r] = [left, right].map((side) => retype(side.plan, types, around));
  const columns = left.columns.map(({ name, isNullable }, index) => ({
    name,
    type: required(types[index]),
    isNullable: isNullable || (operation === 'union' && required(right.columns[index]).isNullable),
  }));
  const isAll = select.all ?? false;
  return {
    plan: { kind: 'set', columns, operation, isAll, left: required(l), right: required(r) },
    columns,
  };
}

/** Casts inside of a select list or VALUES where that is possible, around it otherwise. */
function retype(plan: Plan, types: readonly SqlType[], around: Around): Plan {
  if (plan.columns.every(({ type }, index) => type === types[index])) return plan;
  const place = { binding: around.binding, offset: undefined, what: 'UNION' };
  const cast = (expression: Expression, index: number): Expression =>
    coerceTo(expression, required(types[index]), place);
  const columns = plan.columns.map((column, index) => ({
    ...column,
    type: required(types[index]),
  }));
  if (plan.kind === 'project') return { ...plan, columns, expressions: plan.expressions.map(cast) };
  const expressions = plan.columns.map(({ type }, index) => cast(columnAt(index, type), index));
  return { kind: 'project', columns, input: plan, expressions };
}
