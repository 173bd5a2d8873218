/** What the ingest path precomputes per table, so that a row costs no look-ups by name. */

import { EVERYONE, mayBeEveryone, type SelectorRule } from '../core/selector.ts';
import { compileExpression } from '../core/selector-expression.ts';
import { type RawTuple, type Relation, TUPLE_TEXT } from '../core/source.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import type { ValueKind } from '../core/value.ts';

/** Ready bytes of the front of a table's lines for one selector. */
export type LinePrefixes = {
  readonly insert: Uint8Array;
  readonly update: Uint8Array;
  readonly delete: Uint8Array;
};

/** Distinct selectors of a table whose prefixes are kept; beyond it the cache starts anew. */
const PREFIXES_MAX = 20_000;

export class TablePlan {
  readonly table: TableDef;
  readonly kinds: readonly ValueKind[];
  readonly columns: readonly number[];
  readonly key: readonly number[];
  /** True when rows of the selector `*` are for everybody. */
  readonly mayBeEveryone: boolean;
  readonly keepsOldRows: boolean;
  /** The selector of a row version, or null when the row reaches nobody. */
  readonly selectorOf: (row: RawTuple) => string | null;
  #prefixes = new Map<string, LinePrefixes>();

  constructor(table: TableDef, keepsOldRows = false) {
    this.table = table;
    this.keepsOldRows = keepsOldRows;
    this.kinds = table.columns.map((column) => column.kind);
    this.columns = table.columns.map((_, index) => index);
    this.key = keyPositions(table);
    this.mayBeEveryone = mayBeEveryone(table.selector);
    this.selectorOf = compileSelector(table.selector, table);
  }

  prefixes(selector: string): LinePrefixes {
    const known = this.#prefixes.get(selector);
    if (known !== undefined) return known;
    if (this.#prefixes.size >= PREFIXES_MAX) this.#prefixes = new Map();
    const rest = `"table":${JSON.stringify(this.table.name)},"selector":${JSON.stringify(selector)},`;
    const made = {
      insert: Buffer.from(`{"type":"insert",${rest}"row":[`),
      update: Buffer.from(`{"type":"update",${rest}`),
      delete: Buffer.from(`{"type":"delete",${rest}"key":[`),
    };
    this.#prefixes.set(selector, made);
    return made;
  }

  /** True when the stream's layout is the one this plan was made for. */
  fits(relation: Relation): boolean {
    return (
      relation.columns.length === this.table.columns.length &&
      relation.columns.every((column, index) => column.name === this.table.columns[index]?.name)
    );
  }
}

function compileSelector(rule: SelectorRule, table: TableDef): (row: RawTuple) => string | null {
  if (rule.kind === 'everyone') return () => EVERYONE;
  return compileExpression(rule.expression, (name) => {
    const position = table.columns.findIndex((column) => column.name === name);
    return (row: RawTuple) => columnText(row, position);
  });
}

function columnText(row: RawTuple, position: number): string | null {
  if (row.state[position] !== TUPLE_TEXT) return null;
  const buffer = row.buffer as Buffer;
  return buffer.toString('utf8', row.start[position] ?? 0, row.end[position] ?? 0);
}
