/**
 * Plans as SQLite's SQL with PostgreSQL's meaning. All is inlined: the text needs no parameters. It calls functions of
 * `functions/sqlite.ts`, which the connection must have.
 */
import { assert, unreachable } from '../../core/assert.ts';
import { sqlError } from '../errors.ts';
import { evaluate } from '../evaluate.ts';
import type { Expression, Plan, Query } from '../plan.ts';
import { columnName, isNative } from '../storage.ts';
import type { ItemId, SqlType } from '../types.ts';
import { compileAggregate } from './aggregate.ts';
import {
  Aliases,
  type Block,
  closed,
  fromWhere,
  isBare,
  isPlain,
  selectOf,
  tableBlock,
} from './block.ts';
import {
  compileExpression,
  type Environment,
  equalKey,
  functionName,
  type Outers,
  type Subqueries,
} from './expression.ts';
import { type Clocks, foldPlan, isFolded } from './fold.ts';
import { columnsOfJson, rowsAsJson, selectOfRows } from './lateral.ts';
import { noOrdinal, orderTerms, tieTerms } from './order.ts';
import { compileSet } from './set.ts';
import { compileWindow } from './window.ts';

export type CompileOptions = Clocks & {
  /** A SELECT of an item's rows, its columns named by `columnName`. */
  readonly relation: (item: ItemId) => string;
};

/** Tables that SQLite can join, less some that it adds itself. */
const TABLES_MAX = 60;

/**
 * A SELECT of `query.columns` as `c0`, `c1`, ..., in the query's order, equal rows column by column, NULL last. Parameters
 * have been put in before (`withParameters`).
 */
export function compileQuery(query: Query, options: CompileOptions): string {
  const compiler = new Compiler(options);
  const plan = foldPlan(query.plan, options);
  const block = closed(compiler.plan(plan, []), compiler.aliases);
  const shown = block.columns.slice(0, query.columns.length);
  const terms = [
    ...orderTerms(query.order, compiler.environment(block, [])),
    ...tieTerms(
      query.columns.map(({ type }) => type),
      shown,
    ),
  ];
  return `${selectOf(block, shown)} ORDER BY ${terms.join(', ')}`;
}

/** The same rows in no order: for what is only counted or compared. */
export function compileRows(query: Query, options: CompileOptions): string {
  const compiler = new Compiler(options);
  const block = compiler.plan(foldPlan(query.plan, options), []);
  return selectOf(block, block.columns.slice(0, query.columns.length));
}

class Compiler {
  readonly aliases = new Aliases();
  readonly #options: CompileOptions;
  readonly #subqueries: Subqueries;

  constructor(options: CompileOptions) {
    this.#options = options;
    this.#subqueries = {
      exists: (plan, outers) => `EXISTS (SELECT 1 FROM ${fromWhere(this.plan(plan, outers))})`,
      scalar: (plan, outers) => this.#scalar(plan, outers),
      members: (plan, outers) => this.#members(plan, outers),
    };
  }

  environment({ columns }: Block, outers: Outers): Environment {
    return { columns, outers, subqueries: this.#subqueries };
  }

  plan(plan: Plan, outers: Outers): Block {
    switch (plan.kind) {
      case 'get':
        return tableBlock(
          this.#options.relation(plan.item),
          plan.columns.length,
          this.aliases.next(),
        );
      case 'facts':
        return this.#facts(plan, outers);
      case 'values':
        return this.#values(plan, outers);
      case 'filter': {
        const block = this.plan(plan.input, outers);
        const predicate = compileExpression(plan.predicate, this.environment(block, outers));
        return { ...block, where: [...block.where, predicate] };
      }
      case 'project':
        return this.#project(plan, outers);
      case 'function':
        return this.#function(plan, outers);
      case 'lateral':
        return this.#lateral(plan, outers);
      case 'join':
        return this.#join(plan, outers);
      case 'aggregate':
        return this.#aggregate(plan, outers);
      case 'window':
        return this.#window(plan, outers);
      case 'distinct':
        return this.#distinct(this.plan(plan.input, outers), typesOf(plan));
      case 'set':
        return this.#set(plan, outers);
      case 'limit':
        return this.#limit(plan, outers);
      default:
        return unreachable(plan);
    }
  }

  #table(select: string, width: number): Block {
    return tableBlock(select, width, this.aliases.next());
  }

  /** As one text: thousands of literals would take longer to read than to ask. */
  #facts({ columns, facts }: Extract<Plan, { kind: 'facts' }>, outers: Outers): Block {
    const select = selectOfRows(columns, facts);
    if (outers.length === 0) return this.#table(select, columns.length);
    // Asked for each row of a query around, it is made once.
    const alias = this.aliases.next();
    const made = `WITH ${alias} AS MATERIALIZED (${select}) SELECT * FROM ${alias}`;
    return this.#table(made, columns.length);
  }

  #values({ columns, rows }: Extract<Plan, { kind: 'values' }>, outers: Outers): Block {
    if (columns.length === 0) return this.#table(rows.map(() => 'SELECT 1').join(' UNION ALL '), 0);
    if (rows.length === 0) {
      const nulls = columns.map((_, index) => `NULL AS ${columnName(index)}`);
      return this.#table(`SELECT ${nulls.join(', ')} WHERE 0`, columns.length);
    }
    const environment: Environment = { columns: [], outers, subqueries: this.#subqueries };
    const written = rows.map(
      (row) => `(${row.map((cell) => compileExpression(cell, environment)).join(', ')})`,
    );
    const names = columns.map((_, index) => columnName(index)).join(', ');
    const alias = this.aliases.next();
    const values = `WITH ${alias} (${names}) AS (VALUES ${written.join(', ')})`;
    return this.#table(`${values} SELECT ${names} FROM ${alias}`, columns.length);
  }

  #project({ input, expressions }: Extract<Plan, { kind: 'project' }>, outers: Outers): Block {
    const inner = this.plan(input, outers);
    const block = isPlain(inner) ? inner : closed(inner, this.aliases);
    const environment = this.environment(block, outers);
    return { ...block, columns: expressions.map((one) => compileExpression(one, environment)) };
  }

  #join(plan: Extract<Plan, { kind: 'join' }>, outers: Outers): Block {
    const isOuter = plan.type === 'left' || plan.type === 'full';
    let [left, right] = [this.plan(plan.left, outers), this.plan(plan.right, outers)];
    if (right.hasOuterJoin || (isOuter && !isBare(right))) right = closed(right, this.aliases);
    if (plan.type === 'full' && !isBare(left)) left = closed(left, this.aliases);
    if (left.tableCount + right.tableCount > TABLES_MAX) {
      [left, right] = [closed(left, this.aliases), closed(right, this.aliases)];
    }
    const joined: Block = {
      from: `${left.from} JOIN ${right.from}`,
      where: [...left.where, ...right.where],
      columns: [...left.columns, ...right.columns],
      tableCount: left.tableCount + right.tableCount,
      hasOuterJoin: left.hasOuterJoin || isOuter,
    };
    const on = compileExpression(plan.on, this.environment(joined, outers));
    if (!isOuter) {
      return { ...joined, where: [...joined.where, ...(on === '1' ? [] : [on])] };
    }
    return {
      ...joined,
      from: `${left.from} ${plan.type.toUpperCase()} JOIN ${right.from} ON ${on}`,
    };
  }

  #function({ call }: Extract<Plan, { kind: 'function' }>, outers: Outers): Block {
    const environment: Environment = { columns: [], outers, subqueries: this.#subqueries };
    const made = compileExpression(call, environment);
    return this.#table(`SELECT value AS ${columnName(0)} FROM json_each(${made})`, 1);
  }

  #lateral(plan: Extract<Plan, { kind: 'lateral' }>, outers: Outers): Block {
    const left = this.plan(plan.left, outers);
    const right = this.plan(plan.right, [left.columns, ...outers]);
    const types = typesOf(plan.right);
    const alias = this.aliases.next();
    const each = `json_each((${rowsAsJson(types, right)})) AS ${alias}`;
    const joined: Block = {
      from: `${left.from} JOIN ${each}`,
      where: left.where,
      columns: [...left.columns, ...columnsOfJson(types, `${alias}.value`)],
      tableCount: left.tableCount + 1,
      hasOuterJoin: left.hasOuterJoin || plan.type === 'left',
    };
    const on = compileExpression(plan.on, this.environment(joined, outers));
    if (plan.type === 'inner') return { ...joined, where: [...joined.where, on] };
    const from = `${left.from} LEFT JOIN ${each} ON ${on}`;
    return closed({ ...joined, from }, this.aliases);
  }

  #aggregate(plan: Extract<Plan, { kind: 'aggregate' }>, outers: Outers): Block {
    const inner = this.plan(plan.input, outers);
    // An aggregate over columns of a query around would be taken for that query's.
    const block = outers.length > 0 || !isPlain(inner) ? closed(inner, this.aliases) : inner;
    const environment = this.environment(block, outers);
    const keys = plan.keys.map((key) => ({
      type: key.type,
      sql: compileExpression(key, environment),
    }));
    const aggregates = plan.aggregates.map((one) => compileAggregate(one, environment));
    const shown = [...keys.map(representative), ...aggregates];
    const select =
      shown.length === 0 ? `SELECT count(*) FROM ${fromWhere(block)}` : selectOf(block, shown);
    return this.#table(`${select}${groupBy(keys)}`, shown.length);
  }

  #window({ input, calls }: Extract<Plan, { kind: 'window' }>, outers: Outers): Block {
    const block = closed(this.plan(input, outers), this.aliases);
    const environment = this.environment(block, outers);
    const made = calls.map((call) => compileWindow(call, environment, typesOf(input)));
    const shown = [...block.columns, ...made];
    return this.#table(selectOf(block, shown), shown.length);
  }

  #distinct(block: Block, types: readonly SqlType[]): Block {
    if (types.every(isNative)) {
      const select = selectOf(block).replace('SELECT ', 'SELECT DISTINCT ');
      return this.#table(select, types.length);
    }
    const keys = types.map((type, index) => ({ type, sql: block.columns[index] ?? 'NULL' }));
    return this.#table(
      `${selectOf(block, keys.map(representative))}${groupBy(keys)}`,
      types.length,
    );
  }

  #set(plan: Extract<Plan, { kind: 'set' }>, outers: Outers): Block {
    const [left, right] = [plan.left, plan.right].map((side) => selectOf(this.plan(side, outers)));
    assert(left !== undefined && right !== undefined, 'a set operation has two sides');
    const select = compileSet(plan, { left, right, alias: this.aliases.next() });
    return this.#table(select, plan.columns.length);
  }

  #limit(plan: Extract<Plan, { kind: 'limit' }>, outers: Outers): Block {
    const block = closed(this.plan(plan.input, outers), this.aliases);
    const terms = [
      ...orderTerms(plan.order, this.environment(block, outers)),
      ...tieTerms(typesOf(plan), block.columns),
    ];
    const limit = countOf(plan.limit, '2201W', 'LIMIT', this.#options) ?? -1n;
    const offset = countOf(plan.offset, '2201X', 'OFFSET', this.#options) ?? 0n;
    const order = `ORDER BY ${terms.join(', ')}`;
    return this.#table(
      `${selectOf(block)} ${order} LIMIT ${limit} OFFSET ${offset}`,
      block.columns.length,
    );
  }

  #scalar(plan: Plan, outers: Outers): string {
    const block = this.plan(plan, outers);
    if (hasOneRow(plan)) return `(${selectOf(block)})`;
    const only = closed(block, this.aliases);
    const [column = 'NULL'] = only.columns;
    return `(SELECT ${functionName('only_row')}(count(*), max(${column})) FROM ${only.from})`;
  }

  #members(plan: Plan, outers: Outers): string {
    const block = this.plan(plan, outers);
    const type = plan.columns[0]?.type ?? 'text';
    return selectOf(block, [equalKey(type, block.columns[0] ?? 'NULL')]);
  }
}

const typesOf = (plan: Plan): readonly SqlType[] => plan.columns.map(({ type }) => type);

/** At most one row, for certain. */
function hasOneRow(plan: Plan): boolean {
  switch (plan.kind) {
    case 'aggregate':
      return plan.keys.length === 0;
    case 'values':
      return plan.rows.length <= 1;
    case 'filter':
    case 'project':
    case 'distinct':
      return hasOneRow(plan.input);
    default:
      return false;
  }
}

type Key = { readonly type: SqlType; readonly sql: string };

/** Of equal values that print differently, the least text. */
const representative = ({ type, sql }: Key): string => (isNative(type) ? sql : `min(${sql})`);

function groupBy(keys: readonly Key[]): string {
  if (keys.length === 0) return '';
  return ` GROUP BY ${keys.map(({ type, sql }) => noOrdinal(type, equalKey(type, sql))).join(', ')}`;
}

/** The number of LIMIT or OFFSET; null for none. */
function countOf(
  expression: Expression | null,
  code: '2201W' | '2201X',
  clause: string,
  clocks: Clocks,
): bigint | null {
  if (expression === null) return null;
  if (!isFolded(expression)) throw sqlError('54000', `${clause} takes too long to compute`);
  const value = evaluate(expression, clocks);
  if (value === null) return null;
  if (BigInt(Number(value)) < 0n) throw sqlError(code, `${clause} must not be negative`);
  return BigInt(value as bigint);
}
