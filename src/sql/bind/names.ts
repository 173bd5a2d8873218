/** Names of output columns that have none of their own: PostgreSQL's. */
import type { Node } from '../pg-parser.ts';

export function columnNameOf(node: Node): string {
  return find(node)?.name ?? '?column?';
}

type Found = { readonly name: string; readonly isStrong: boolean };

/** A weak name (of a type, of CASE) yields to a strong one. */
function find(node: Node | undefined): Found | null {
  if (node === undefined) return null;
  if ('ColumnRef' in node) {
    const last = node.ColumnRef.fields?.findLast((field) => 'String' in field);
    return strong(last && 'String' in last ? last.String.sval : undefined);
  }
  if ('FuncCall' in node) {
    const last = node.FuncCall.funcname?.at(-1);
    return strong(last && 'String' in last ? last.String.sval : undefined);
  }
  if ('TypeCast' in node) return findInCast(node.TypeCast);
  if ('CollateClause' in node) return find(node.CollateClause.arg);
  if ('CaseExpr' in node) {
    const inner = find(node.CaseExpr.defresult);
    return inner?.isStrong ? inner : { name: 'case', isStrong: false };
  }
  if ('A_Expr' in node) return node.A_Expr.kind === 'AEXPR_NULLIF' ? strong('nullif') : null;
  if ('CoalesceExpr' in node) return strong('coalesce');
  if ('MinMaxExpr' in node) {
    return strong(node.MinMaxExpr.op === 'IS_LEAST' ? 'least' : 'greatest');
  }
  if ('SQLValueFunction' in node)
    return strong(node.SQLValueFunction.op?.replace('SVFOP_', '').toLowerCase());
  if ('SubLink' in node) return findInSubquery(node.SubLink);
  return null;
}

const strong = (name: string | undefined): Found | null =>
  name === undefined ? null : { name, isStrong: true };

type Part<K extends string> =
  Extract<Node, Record<K, unknown>> extends infer N
    ? N extends Record<K, infer P>
      ? P
      : never
    : never;

function findInCast({ arg, typeName }: Part<'TypeCast'>): Found | null {
  const inner = find(arg);
  if (inner?.isStrong) return inner;
  const last = typeName?.names?.at(-1);
  const name = last && 'String' in last ? last.String.sval : undefined;
  return name === undefined ? inner : { name, isStrong: false };
}

function findInSubquery({ subLinkType, subselect }: Part<'SubLink'>): Found | null {
  if (subLinkType === 'EXISTS_SUBLINK') return strong('exists');
  if (subLinkType !== 'EXPR_SUBLINK' || !subselect || !('SelectStmt' in subselect)) return null;
  let select = subselect.SelectStmt;
  while (select.larg !== undefined) select = select.larg;
  const target = select.targetList?.[0];
  if (select.valuesLists !== undefined) return strong('column1');
  if (!target || !('ResTarget' in target)) return null;
  return strong(target.ResTarget.name) ?? find(target.ResTarget.val);
}
