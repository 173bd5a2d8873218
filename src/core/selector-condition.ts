/**
 * Conditions inside a selector rule, in SQL's three-valued logic: a comparison with NULL is neither true nor
 * false (null here). Columns are compared with constants only, and only in ways in which Postgres, SQLite and
 * this program cannot differ: bytes for equal or not, integers by size.
 */

/** What a column is compared with. `text` of an integer is canonical: no sign +, no leading zeros. */
export type Constant =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'integer'; readonly text: string };

export type Comparison = '=' | '<>' | '<' | '<=' | '>' | '>=';

export type Condition =
  | { readonly kind: 'constant'; readonly value: boolean | null }
  /** A boolean column by itself. */
  | { readonly kind: 'flag'; readonly column: string }
  | {
      readonly kind: 'compare';
      readonly column: string;
      readonly operator: Comparison;
      readonly constant: Constant;
    }
  | { readonly kind: 'in'; readonly column: string; readonly constants: readonly Constant[] }
  | { readonly kind: 'isNull'; readonly column: string }
  /** `of IS TRUE`, `IS FALSE`, `IS UNKNOWN`: itself never unknown. */
  | { readonly kind: 'is'; readonly of: Condition; readonly value: boolean | null }
  | { readonly kind: 'and'; readonly parts: readonly Condition[] }
  | { readonly kind: 'or'; readonly parts: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition };

/** How a column is used decides which types it may have. */
export type ColumnUse = 'text' | 'integer' | 'boolean' | 'any';

/** How a database writes columns: as text, as it is, and as a condition of its own. */
export type SqlColumns = {
  readonly text: (name: string) => string;
  readonly plain: (name: string) => string;
  readonly flag: (name: string) => string;
};

/** Gives a column's canonical text (`t` and `f` for booleans) in a row; null for NULL. */
export type ColumnReader<Row> = (name: string) => (row: Row) => string | null;

export type Truth = boolean | null;

export function visitCondition(
  node: Condition,
  visit: (column: string, use: ColumnUse) => void,
): void {
  switch (node.kind) {
    case 'constant':
      return;
    case 'flag':
      visit(node.column, 'boolean');
      return;
    case 'compare':
      visit(node.column, node.constant.type);
      return;
    case 'in':
      for (const { type } of node.constants) visit(node.column, type);
      return;
    case 'isNull':
      visit(node.column, 'any');
      return;
    case 'is':
    case 'not':
      visitCondition(node.of, visit);
      return;
    default:
      for (const part of node.parts) visitCondition(part, visit);
  }
}

/** hot path: asked for each row of the stream; everything that does not depend on the row is done before. */
export function compileCondition<Row>(
  node: Condition,
  column: ColumnReader<Row>,
): (row: Row) => Truth {
  switch (node.kind) {
    case 'constant': {
      const { value } = node;
      return () => value;
    }
    case 'flag': {
      const read = column(node.column);
      return (row) => flagOf(read(row));
    }
    case 'compare':
      return compileComparison(node, column(node.column));
    case 'in':
      return compileIn(node.constants, column(node.column));
    case 'isNull': {
      const read = column(node.column);
      return (row) => read(row) === null;
    }
    case 'is': {
      const { value } = node;
      const of = compileCondition(node.of, column);
      return (row) => of(row) === value;
    }
    case 'not': {
      const of = compileCondition(node.of, column);
      return (row) => negate(of(row));
    }
    default: {
      const parts = node.parts.map((part) => compileCondition(part, column));
      // One false decides `and`, one true decides `or`; otherwise one unknown makes all unknown.
      const decisive = node.kind === 'or';
      return (row) => combine(parts, row, decisive);
    }
  }
}

function combine<Row>(parts: readonly ((row: Row) => Truth)[], row: Row, decisive: boolean): Truth {
  let result: Truth = !decisive;
  for (const part of parts) {
    const truth = part(row);
    if (truth === decisive) return decisive;
    if (truth === null) result = null;
  }
  return result;
}

function flagOf(text: string | null): Truth {
  return text === null ? null : text === 't';
}

function negate(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function compileComparison<Row>(
  { operator, constant }: Extract<Condition, { readonly kind: 'compare' }>,
  read: (row: Row) => string | null,
): (row: Row) => Truth {
  if (constant.type === 'text' || operator === '=' || operator === '<>') {
    // Integers are canonical on both sides, so that equal texts are equal numbers.
    const wanted = operator === '=';
    return (row) => {
      const text = read(row);
      return text === null ? null : (text === constant.text) === wanted;
    };
  }
  const holds = ORDER[operator];
  return (row) => {
    const text = read(row);
    return text === null ? null : holds(compareIntegers(text, constant.text));
  };
}

const ORDER = {
  '<': (order: number) => order < 0,
  '<=': (order: number) => order <= 0,
  '>': (order: number) => order > 0,
  '>=': (order: number) => order >= 0,
};

function compileIn<Row>(
  constants: readonly Constant[],
  read: (row: Row) => string | null,
): (row: Row) => Truth {
  if (constants.length === 0) return () => false;
  const texts = new Set(constants.map(({ text }) => text));
  return (row) => {
    const text = read(row);
    return text === null ? null : texts.has(text);
  };
}

/** As many digits as a number surely holds. */
const SAFE_DIGITS = 15;

function compareIntegers(a: string, b: string): number {
  if (a.length <= SAFE_DIGITS && b.length <= SAFE_DIGITS) return Number(a) - Number(b);
  const left = BigInt(a);
  const right = BigInt(b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** The condition as SQL; in parentheses wherever it has parts. */
export function conditionSql(node: Condition, columns: SqlColumns): string {
  switch (node.kind) {
    case 'constant':
      return node.value === null ? '(NULL = 0)' : wordOf(node.value);
    case 'flag':
      return columns.flag(node.column);
    case 'compare': {
      const { column, operator, constant } = node;
      return `(${operandSql(column, constant, columns)} ${operator} ${constantSql(constant)})`;
    }
    case 'in':
      return inSql(node, columns);
    case 'isNull':
      return `(${columns.plain(node.column)} IS NULL)`;
    case 'is':
      return `((${conditionSql(node.of, columns)}) IS ${wordOf(node.value)})`;
    case 'not':
      return `(NOT ${conditionSql(node.of, columns)})`;
    default: {
      const word = node.kind === 'and' ? ' AND ' : ' OR ';
      return `(${node.parts.map((part) => conditionSql(part, columns)).join(word)})`;
    }
  }
}

function wordOf(truth: Truth): string {
  return truth === null ? 'NULL' : truth ? 'TRUE' : 'FALSE';
}

function inSql(
  { column, constants }: Extract<Condition, { readonly kind: 'in' }>,
  columns: SqlColumns,
): string {
  const [first] = constants;
  const list = constants.map(constantSql).join(', ');
  return first === undefined
    ? wordOf(false)
    : `(${operandSql(column, first, columns)} IN (${list}))`;
}

function operandSql(column: string, { type }: Constant, columns: SqlColumns): string {
  return type === 'text' ? columns.text(column) : columns.plain(column);
}

export function constantSql({ type, text }: Constant): string {
  return type === 'text' ? `'${text.replaceAll("'", "''")}'` : text;
}
