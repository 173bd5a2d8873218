/** Arrays behind ANY and ALL, as the rows that they are. */
import { notSupported } from '../errors.ts';
import { innerName } from '../functions/table.ts';
import type { Node } from '../pg-parser.ts';
import type { Expression, Plan } from '../plan.ts';
import { readTypeName } from '../type-names.ts';
import type { SqlType } from '../types.ts';
import { type Coercion, coerceTo } from './coerce.ts';
import { type BindExpression, type Bound, type Context, offsetOf } from './context.ts';
import { inside } from './facts.ts';
import { columnAt } from './scope.ts';

type ArrayOf = { readonly array: Expression; readonly type: SqlType };

/** Its elements are of the type that a cast names, or of the other side's: arrays travel as texts. */
export function bindArray(
  node: Node,
  otherSide: SqlType,
  context: Context,
  bind: BindExpression,
): ArrayOf {
  const offset = offsetOf(node);
  const { binding } = context;
  const cast = 'TypeCast' in node && node.TypeCast.typeName?.arrayBounds ? node.TypeCast : null;
  const given = bind(cast?.arg ?? node, context);
  if (cast === null && given.type !== 'unknown' && given.type !== '_text') {
    throw notSupported('ANY or ALL of what is no array', offset);
  }
  const array = coerceTo(given, '_text', { binding, offset, what: 'the array' });
  if (cast?.typeName) {
    const { arrayBounds: _, ...element } = cast.typeName;
    return { array, type: readTypeName(element).type };
  }
  return { array, type: given.type === '_text' ? 'text' : otherSide };
}

/** One row an element, seen from inside of the query that the array stands in. */
export function elementsOf(array: Expression, type: SqlType, place: Coercion): Bound {
  const columns = [{ name: 'element', type: 'text', isNullable: true }] as const;
  const call: Expression = {
    ...{ kind: 'call', type: 'text', name: innerName('elements_of', ['_text']) },
    args: [inside(array)],
  };
  const elements: Plan = { kind: 'function', columns, call };
  if (type === 'text') return { plan: elements, columns };
  const value = coerceTo(columnAt(0, 'text'), type, {
    ...{ ...place, context: 'explicit', what: 'an element of the array' },
  });
  const typed = [{ name: 'element', type, isNullable: true }];
  const plan: Plan = { kind: 'project', columns: typed, input: elements, expressions: [value] };
  return { plan, columns: typed };
}
