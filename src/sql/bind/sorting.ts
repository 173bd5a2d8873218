/** Sort keys. */
import { notSupported } from '../errors.ts';
import type { SortBy } from '../pg-parser.ts';
import type { Expression, SortKey } from '../plan.ts';
import { checkSortable, type Place } from './operators.ts';

/** NULL is above everything, unless it is said otherwise. */
export function readSortKey(sort: SortBy, expression: Expression, place: Place): SortKey {
  if (sort.sortby_dir === 'SORTBY_USING') throw notSupported('ORDER BY ... USING', place.offset);
  const isDescending = sort.sortby_dir === 'SORTBY_DESC';
  const nulls = sort.sortby_nulls ?? 'SORTBY_NULLS_DEFAULT';
  return {
    expression: checkSortable(expression, place),
    isDescending,
    areNullsFirst: nulls === 'SORTBY_NULLS_DEFAULT' ? isDescending : nulls === 'SORTBY_NULLS_FIRST',
  };
}
