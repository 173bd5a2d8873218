/** WITH: each query is bound once and stands wherever it is named. */
import { notSupported, sqlError } from '../errors.ts';
import { stringOf } from '../parse/names.ts';
import type { SelectStmt } from '../pg-parser.ts';
import type { Around, BindSelect, Bound, Ctes } from './context.ts';
import { depthOf } from './scope.ts';

/** The names that the query sees: its own first, then those around it. */
export function bindWith(
  clause: SelectStmt['withClause'],
  around: Around,
  bindInner: BindSelect,
): Ctes | null {
  let { ctes } = around;
  const names = new Set<string>();
  for (const node of clause?.ctes ?? []) {
    if (!('CommonTableExpr' in node)) continue;
    const {
      ctename: name = '',
      ctequery,
      aliascolnames = [],
      location: offset,
    } = node.CommonTableExpr;
    if (names.has(name))
      throw sqlError('42712', `WITH query name "${name}" specified more than once`, { offset });
    names.add(name);
    if (!ctequery || !('SelectStmt' in ctequery))
      throw notSupported('a change inside of WITH', offset);
    const isRecursive = clause?.recursive === true && namesItself(ctequery.SelectStmt, name);
    if (isRecursive) throw notSupported('WITH RECURSIVE', offset);
    const bound = bindInner(ctequery.SelectStmt, { ...around, ctes });
    ctes = {
      name,
      bound: rename(bound, aliascolnames.map(stringOf), name, offset),
      depth: depthOf(around.outer),
      next: ctes,
    };
  }
  return ctes;
}

function namesItself(query: SelectStmt, name: string): boolean {
  return JSON.stringify(query).includes(`"relname":${JSON.stringify(name)}`);
}

function rename(
  bound: Bound,
  names: readonly string[],
  table: string,
  offset: number | undefined,
): Bound {
  if (names.length > bound.columns.length) {
    throw sqlError(
      '42P10',
      `WITH query "${table}" has ${bound.columns.length} columns available but ${names.length} columns specified`,
      { offset },
    );
  }
  const columns = bound.columns.map((column, index) => ({
    ...column,
    name: names[index] ?? column.name,
  }));
  return { plan: bound.plan, columns };
}
