/** Which changes of a table's definition a replica can follow by itself. Pure. */
import type { ColumnDef, TableDef } from '../core/table.ts';
import { sqliteTypeOf, type ValueKind } from '../core/value.ts';

/** `extended`: columns were added at the end, indexes came or went. `other`: the rows cannot follow. */
export type DefinitionDifference = 'same' | 'extended' | 'other';

export function howItDiffers(old: TableDef, next: TableDef): DefinitionDifference {
  const keepsColumns = old.columns.every((column, index) => isKept(column, next.columns[index]));
  const keepsKey = old.key.join('\0') === next.key.join('\0');
  if (!keepsColumns || !keepsKey || selectorText(old) !== selectorText(next)) return 'other';
  const isSame =
    old.columns.length === next.columns.length &&
    old.columns.every((column, index) => column.type === next.columns[index]?.type) &&
    JSON.stringify(old.indexes.map(indexText)) === JSON.stringify(next.indexes.map(indexText)) &&
    JSON.stringify(old.twoway ?? null) === JSON.stringify(next.twoway ?? null);
  return isSame ? 'same' : 'extended';
}

/** A column as `CREATE TABLE` and `ADD COLUMN` have it. */
export function columnSql(quotedName: string, kind: ValueKind): string {
  return `${quotedName} ${sqliteTypeOf(kind)}`.trimEnd();
}

function isKept(old: ColumnDef, next: ColumnDef | undefined): boolean {
  if (next === undefined || next.name !== old.name || next.kind !== old.kind) return false;
  return next.type === old.type || isWidened(old.type, next.type);
}

const VARYING = /^character varying(?:\((\d+)\))?$/;

/** Longer limits of text leave every stored value as it is; any other change of type may rewrite values. */
function isWidened(oldType: string, nextType: string): boolean {
  const old = VARYING.exec(oldType);
  if (old === null) return false;
  if (nextType === 'text') return true;
  const next = VARYING.exec(nextType);
  return next !== null && lengthOf(next) >= lengthOf(old);
}

function lengthOf(match: RegExpExecArray): number {
  return match[1] === undefined ? Number.POSITIVE_INFINITY : Number(match[1]);
}

function indexText(index: TableDef['indexes'][number]): string {
  return [index.name, ...index.columns].join('\0');
}

function selectorText(table: TableDef): string {
  return table.selector.kind === 'everyone' ? '*' : table.selector.text;
}
