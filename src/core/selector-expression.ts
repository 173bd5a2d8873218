/**
 * The expression that gives a row's selector, deliberately small, so that Postgres (snapshots), this program
 * (the stream) and SQLite (full scans of a replica) agree to the byte.
 */
import {
  type ColumnReader,
  type ColumnUse,
  type Condition,
  compileCondition,
  conditionSql,
  constantSql,
  type SqlColumns,
  visitCondition,
} from './selector-condition.ts';

export type SelectorExpression =
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'concat'; readonly parts: readonly SelectorExpression[] }
  | { readonly kind: 'coalesce'; readonly parts: readonly SelectorExpression[] }
  /** `from` is never empty. */
  | {
      readonly kind: 'replace';
      readonly of: SelectorExpression;
      readonly from: string;
      readonly to: string;
    }
  | {
      readonly kind: 'case';
      readonly branches: readonly Branch[];
      /** NULL without it. */
      readonly otherwise: SelectorExpression | null;
    };

export type Branch = { readonly when: Condition; readonly value: SelectorExpression };

type Compiled<Row> = (row: Row) => string | null;

/**
 * The expression as a function of a row, made once for each table. The result is null when the row reaches
 * nobody.
 */
export function compileExpression<Row>(
  node: SelectorExpression,
  column: ColumnReader<Row>,
): Compiled<Row> {
  switch (node.kind) {
    case 'column':
      return column(node.name);
    case 'literal': {
      const { text } = node;
      return () => text;
    }
    case 'concat':
      return concatenated(node.parts.map((part) => compileExpression(part, column)));
    case 'coalesce':
      return firstOf(node.parts.map((part) => compileExpression(part, column)));
    case 'replace': {
      const { from, to } = node;
      const of = compileExpression(node.of, column);
      // A function as replacement: `$` means nothing in it.
      return (row) => of(row)?.replaceAll(from, () => to) ?? null;
    }
    default:
      return chosen(node, column);
  }
}

function concatenated<Row>(parts: readonly Compiled<Row>[]): Compiled<Row> {
  return (row) => {
    let text = '';
    for (const part of parts) {
      const value = part(row);
      if (value === null) return null;
      text += value;
    }
    return text;
  };
}

function firstOf<Row>(parts: readonly Compiled<Row>[]): Compiled<Row> {
  return (row) => {
    for (const part of parts) {
      const value = part(row);
      if (value !== null) return value;
    }
    return null;
  };
}

function chosen<Row>(
  { branches, otherwise }: Extract<SelectorExpression, { readonly kind: 'case' }>,
  column: ColumnReader<Row>,
): Compiled<Row> {
  const compiled = branches.map(({ when, value }) => ({
    when: compileCondition(when, column),
    value: compileExpression(value, column),
  }));
  const last = otherwise === null ? () => null : compileExpression(otherwise, column);
  return (row) => {
    for (const branch of compiled) if (branch.when(row) === true) return branch.value(row);
    return last(row);
  };
}

/** The selector of one row. `column` gives a column's canonical text. For many rows: `compileExpression`. */
export function evaluateSelector(
  node: SelectorExpression,
  column: (name: string) => string | null,
): string | null {
  return compileExpression(node, (name) => () => column(name))(undefined);
}

/** The same expression as SQL text, for Postgres and SQLite alike. */
export function selectorSql(node: SelectorExpression, columns: SqlColumns): string {
  switch (node.kind) {
    case 'column':
      return columns.text(node.name);
    case 'literal':
      return literalSql(node.text);
    case 'concat':
      return `(${node.parts.map((part) => selectorSql(part, columns)).join(' || ')})`;
    case 'coalesce':
      return `coalesce(${node.parts.map((part) => selectorSql(part, columns)).join(', ')})`;
    case 'replace':
      return `replace(${selectorSql(node.of, columns)}, ${literalSql(node.from)}, ${literalSql(node.to)})`;
    default: {
      const branches = node.branches.map(
        ({ when, value }) =>
          `WHEN ${conditionSql(when, columns)} THEN ${selectorSql(value, columns)}`,
      );
      const otherwise =
        node.otherwise === null ? '' : ` ELSE ${selectorSql(node.otherwise, columns)}`;
      return `CASE ${branches.join(' ')}${otherwise} END`;
    }
  }
}

function literalSql(text: string): string {
  return constantSql({ type: 'text', text });
}

/** Calls `visit` for each use of a column. */
export function visitExpression(
  node: SelectorExpression,
  visit: (column: string, use: ColumnUse) => void,
): void {
  switch (node.kind) {
    case 'column':
      visit(node.name, 'text');
      return;
    case 'literal':
      return;
    case 'replace':
      visitExpression(node.of, visit);
      return;
    case 'case':
      for (const { when, value } of node.branches) {
        visitCondition(when, visit);
        visitExpression(value, visit);
      }
      if (node.otherwise !== null) visitExpression(node.otherwise, visit);
      return;
    default:
      for (const part of node.parts) visitExpression(part, visit);
  }
}

/** The expressions of which one is the result: the branches of `CASE`, or the expression itself. */
export function resultsOf(node: SelectorExpression): readonly SelectorExpression[] {
  if (node.kind !== 'case') return [node];
  const otherwise = node.otherwise === null ? [] : resultsOf(node.otherwise);
  return [...node.branches.flatMap(({ value }) => resultsOf(value)), ...otherwise];
}
