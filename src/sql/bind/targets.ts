/** The select list, and how ORDER BY and GROUP BY point into it. */
import { sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { Node } from '../pg-parser.ts';
import type { Expression } from '../plan.ts';
import type { Column } from '../types.ts';
import { type Context, offsetOf, required } from './context.ts';
import { bindExpression } from './expression.ts';
import { isSame } from './grouping.ts';
import { columnNameOf } from './names.ts';
import type { Scope } from './scope.ts';

export type Target = {
  readonly name: string;
  readonly expression: Expression;
  readonly offset: number | undefined;
};

/** PostgreSQL's own limit. */
const TARGETS_MAX = 1664;

export function bindTargets(nodes: readonly Node[], context: Context): readonly Target[] {
  const targets = nodes.flatMap((node) => {
    const { name, val, location } = required('ResTarget' in node ? node.ResTarget : undefined);
    const value = required(val, location);
    const star = starOf(value);
    if (star !== null) return expandStar(star.table, context.scope, location);
    const expression = bindExpression(value, context);
    return [{ name: name ?? columnNameOf(value), expression, offset: offsetOf(value) ?? location }];
  });
  if (targets.length > TARGETS_MAX) {
    throw sqlError('54011', `target lists can have at most ${TARGETS_MAX} entries`);
  }
  return targets;
}

function starOf(node: Node): { readonly table: string | null } | null {
  if (!('ColumnRef' in node)) return null;
  const fields = node.ColumnRef.fields ?? [];
  const last = fields.at(-1);
  if (last === undefined || !('A_Star' in last)) return null;
  return { table: fields.length > 1 ? stringOf(fields.at(-2)) : null };
}

function expandStar(
  table: string | null,
  scope: Scope,
  offset: number | undefined,
): readonly Target[] {
  if (table === null && scope.tables.length === 0 && scope.columns.length === 0) {
    throw sqlError('42601', 'SELECT * with no tables specified is not valid', { offset });
  }
  if (table !== null && !scope.tables.includes(table)) {
    throw sqlError('42P01', `missing FROM-clause entry for table "${table}"`, { offset });
  }
  return scope.columns
    .filter((column) => (table === null ? !column.isMerged : column.table === table))
    .map(({ name, expression }) => ({ name, expression, offset }));
}

/** The target that a key of ORDER BY or GROUP BY names or numbers; null when it is an expression of its own. */
export function namedTarget(
  node: Node,
  targets: readonly Target[],
  { context, columnsFirst }: { readonly context: Context; readonly columnsFirst: boolean },
): Target | null {
  const offset = offsetOf(node);
  const number = numberOf(node);
  if (number !== null) {
    const target = targets[number - 1];
    if (target !== undefined) return target;
    const clause = columnsFirst ? 'GROUP BY' : 'ORDER BY';
    throw sqlError('42P10', `${clause} position ${number} is not in select list`, { offset });
  }
  const name = nameIn(node);
  if (name === null) return null;
  if (
    columnsFirst &&
    context.scope.columns.some((column) => column.name === name && !column.isMerged)
  ) {
    return null;
  }
  const found = targets.filter((target) => target.name === name);
  const [first, ...others] = found;
  if (first === undefined) return null;
  if (others.some((other) => !isSame(other.expression, first.expression))) {
    const clause = columnsFirst ? 'GROUP BY' : 'ORDER BY';
    throw sqlError('42702', `${clause} "${name}" is ambiguous`, { offset });
  }
  return first;
}

/** The place among `columns` that a key names or numbers; null when it is an expression. */
export function keyNode(
  node: Node | undefined,
  columns: readonly Column[],
  offset: number | undefined,
): number | null {
  const number = node === undefined ? null : numberOf(node);
  if (number !== null) {
    if (number >= 1 && number <= columns.length) return number - 1;
    throw sqlError('42P10', `ORDER BY position ${number} is not in select list`, { offset });
  }
  const name = node === undefined ? null : nameIn(node);
  if (name === null) return null;
  const index = columns.findIndex((column) => column.name === name);
  if (index >= 0) return index;
  throw sqlError('42703', `column "${name}" does not exist`, { offset });
}

function numberOf(node: Node): number | null {
  if (!('A_Const' in node)) return null;
  const { ival, isnull } = node.A_Const;
  if (ival !== undefined) return ival.ival ?? 0;
  if (isnull) return null;
  throw sqlError('42601', 'non-integer constant in ORDER BY or GROUP BY', {
    offset: node.A_Const.location,
  });
}

function nameIn(node: Node): string | null {
  if (!('ColumnRef' in node)) return null;
  const [only, ...others] = node.ColumnRef.fields ?? [];
  return only !== undefined && others.length === 0 && 'String' in only ? stringOf(only) : null;
}

/** False only where NULL cannot come. */
export function isNullableExpression(expression: Expression, input: readonly Column[]): boolean {
  switch (expression.kind) {
    case 'constant':
      return expression.value === null;
    case 'column':
      return input[expression.index]?.isNullable ?? true;
    case 'isNull':
    case 'exists':
    case 'now':
    case 'logicalTimestamp':
      return false;
    default:
      return true;
  }
}
