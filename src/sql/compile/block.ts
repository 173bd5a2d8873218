/**
 * A SELECT that is still being put together: filters, projections and inner joins go into one as long as nothing has to be
 * computed in between, so that SQLite sees plain joins and can use indexes.
 */
import { columnName } from '../storage.ts';

export type Block = {
  /** `r1`, or joins of such. */
  readonly from: string;
  readonly where: readonly string[];
  /** The columns, over the tables of `from`. */
  readonly columns: readonly string[];
  readonly tableCount: number;
  /** A left or full join is among those of `from`: it cannot be the right side of another join as it is. */
  readonly hasOuterJoin: boolean;
};

/** Numbers the tables of one query. */
export class Aliases {
  #count = 0;

  next(): string {
    this.#count++;
    return `r${this.#count}`;
  }
}

/** A whole SELECT, or a relation in parentheses, as the one table of a new block. */
export function tableBlock(select: string, width: number, alias: string): Block {
  return {
    from: `(${select}) AS ${alias}`,
    where: [],
    columns: Array.from({ length: width }, (_, index) => `${alias}.${columnName(index)}`),
    tableCount: 1,
    hasOuterJoin: false,
  };
}

export function selectOf(block: Block, shown: readonly string[] = block.columns): string {
  const list = shown.map((sql, index) => `${sql} AS ${columnName(index)}`);
  return `SELECT ${list.join(', ') || '1'} FROM ${fromWhere(block)}`;
}

export function fromWhere({ from, where }: Block): string {
  return where.length === 0 ? from : `${from} WHERE ${where.join(' AND ')}`;
}

/** Everything computed: the columns are plain ones of one table. */
export function closed(block: Block, aliases: Aliases): Block {
  return tableBlock(selectOf(block), block.columns.length, aliases.next());
}

/** True when every column is a column of a table or a small literal: using it twice costs nothing. */
export function isPlain({ columns }: Block): boolean {
  return columns.every((column) => /^(?:r\d+\.c\w+|\(?-?\d+\)?|NULL)$/.test(column));
}

/** True when it is one table and nothing else. */
export function isBare(block: Block): boolean {
  const alias = /^\(.*\) AS (r\d+)$/s.exec(block.from)?.[1];
  return (
    block.tableCount === 1 &&
    block.where.length === 0 &&
    block.columns.every((column) => column.startsWith(`${alias}.`) && isPlain(block))
  );
}
