/** INSERT, UPDATE and DELETE, as PostgreSQL reads them; what we do not do is refused. */

import { notSupported, sqlError } from '../errors.ts';
import type { Node, RangeVar } from '../pg-parser.ts';
import type { Form } from '../statement.ts';
import { nameOf } from './names.ts';
import { parseNode } from './tree.ts';

type Text = { readonly text: string; readonly offset: number };

export function readInsert({ text, offset }: Text): Form {
  const node = parseNode(text, offset);
  if (!('InsertStmt' in node)) throw sqlError('42601', 'an INSERT is expected', { offset });
  const { relation, cols, selectStmt, onConflictClause, override, ...others } = node.InsertStmt;
  if (onConflictClause) throw notSupported('ON CONFLICT', onConflictClause.location ?? offset);
  if (override !== undefined && override !== 'OVERRIDING_NOT_SET') {
    throw notSupported('OVERRIDING', offset);
  }
  refuseCommon(others, offset);
  if (relation?.alias) throw notSupported('an alias of the table of INSERT', offset);
  const columns = cols?.map((target) => columnOf(target, offset)) ?? null;
  const select = selectStmt && 'SelectStmt' in selectStmt ? selectStmt.SelectStmt : null;
  return { kind: 'insert', table: nameOf(relation), columns, select };
}

export function readUpdate({ text, offset }: Text): Form {
  const node = parseNode(text, offset);
  if (!('UpdateStmt' in node)) throw sqlError('42601', 'an UPDATE is expected', { offset });
  const { relation, targetList = [], whereClause, fromClause, ...others } = node.UpdateStmt;
  if (fromClause) throw notSupported('UPDATE ... FROM', offset);
  refuseCommon(others, offset);
  const assignments = targetList.map((target) => {
    const value = 'ResTarget' in target ? target.ResTarget.val : undefined;
    if (value === undefined || 'MultiAssignRef' in value) {
      throw notSupported('SET (a, b) = ...', offset);
    }
    return { column: columnOf(target, offset), value };
  });
  return { kind: 'update', ...tableOf(relation), assignments, where: whereClause ?? null };
}

export function readDelete({ text, offset }: Text): Form {
  const node = parseNode(text, offset);
  if (!('DeleteStmt' in node)) throw sqlError('42601', 'a DELETE is expected', { offset });
  const { relation, whereClause, usingClause, ...others } = node.DeleteStmt;
  if (usingClause) throw notSupported('DELETE ... USING', offset);
  refuseCommon(others, offset);
  return { kind: 'delete', ...tableOf(relation), where: whereClause ?? null };
}

function refuseCommon(
  clauses: { readonly withClause?: unknown; readonly returningClause?: unknown },
  offset: number,
): void {
  if (clauses.withClause) throw notSupported('WITH before a change', offset);
  if (clauses.returningClause) throw notSupported('RETURNING', offset);
}

function tableOf(relation: RangeVar | undefined): {
  table: ReturnType<typeof nameOf>;
  alias: string | null;
} {
  return { table: nameOf(relation), alias: relation?.alias?.aliasname ?? null };
}

function columnOf(target: Node, offset: number): string {
  const { name, indirection } = 'ResTarget' in target ? target.ResTarget : {};
  if (name === undefined || indirection) throw notSupported('a part of a column', offset);
  return name;
}
