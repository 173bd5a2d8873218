/** Reads the text of a policy's expression, as `pg_get_expr` prints it under `search_path = pg_catalog`. */
import type { Comparison, Condition } from '../../core/selector-condition.ts';
import { type Node, type A_Expr as Operation, parsePg } from '../../sql/pg-parser.ts';
import { type Columns, type Operand, readList, readOperand, wordsFor, wordsOf } from './operand.ts';
import { type ClaimTest, type Policy, Uncompilable } from './policy.ts';

/** Throws `Uncompilable`. `loadPgParser` has been awaited before. */
export function parsePolicy(text: string, columns: Columns): Policy {
  return readPolicy(parseNode(text), columns);
}

function parseNode(text: string): Node {
  let statement: Node | undefined;
  try {
    statement = parsePg(`SELECT ${text}`).stmts?.[0]?.stmt;
  } catch {
    throw new Uncompilable('its text cannot be parsed');
  }
  const select = statement !== undefined && 'SelectStmt' in statement ? statement.SelectStmt : null;
  const target = select?.targetList?.[0];
  const node = target !== undefined && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (node === undefined) throw new Uncompilable('its text cannot be parsed');
  return node;
}

function readPolicy(node: Node, columns: Columns): Policy {
  if ('BoolExpr' in node) {
    const parts = (node.BoolExpr.args ?? []).map((part) => readPolicy(part, columns));
    const [only] = parts;
    if (node.BoolExpr.boolop === 'NOT_EXPR' && only !== undefined) return not(only);
    return { kind: node.BoolExpr.boolop === 'OR_EXPR' ? 'or' : 'and', parts };
  }
  if ('NullTest' in node) {
    const { arg, nulltesttype } = node.NullTest;
    return negated(readNullTest(arg, columns), nulltesttype === 'IS_NOT_NULL');
  }
  if ('BooleanTest' in node) return readBooleanTest(node.BooleanTest, columns);
  if ('CoalesceExpr' in node) return readCoalesce(node.CoalesceExpr.args ?? [], columns);
  if ('A_Expr' in node) return readOperation(node.A_Expr, columns);
  return readFlag(readOperand(node, columns));
}

function readFlag(operand: Operand): Policy {
  if (operand.family !== 'boolean') throw new Uncompilable('a value that is no condition');
  if (operand.kind === 'column') return row({ kind: 'flag', column: operand.column.name });
  if (operand.kind === 'constant') {
    return row({ kind: 'constant', value: operand.text === null ? null : operand.text === 't' });
  }
  throw new Uncompilable('a claim by itself');
}

function readNullTest(arg: Node | undefined, columns: Columns): Policy {
  if (arg === undefined) throw new Uncompilable('IS NULL of nothing');
  // Whatever its type: the text of a cast is NULL where the column is.
  if ('ColumnRef' in arg) {
    const name = wordsOf(arg.ColumnRef.fields).join('.');
    if (columns.has(name)) return row({ kind: 'isNull', column: name });
  }
  if (isLogic(arg)) return { kind: 'is', of: readPolicy(arg, columns), value: null };
  const operand = readOperand(arg, columns);
  if (operand.kind === 'column') return row({ kind: 'isNull', column: operand.column.name });
  throw new Uncompilable(`IS NULL of ${operand.kind === 'claim' ? 'a claim' : 'a constant'}`);
}

function isLogic(node: Node): boolean {
  return ['BoolExpr', 'NullTest', 'BooleanTest', 'A_Expr'].some((kind) => kind in node);
}

type Test = Extract<Node, { BooleanTest: unknown }>['BooleanTest'];

function readBooleanTest({ arg, booltesttype = 'IS_TRUE' }: Test, columns: Columns): Policy {
  if (arg === undefined) throw new Uncompilable('IS TRUE of nothing');
  const word = booltesttype.replace('IS_', '').replace('NOT_', '');
  const value = word === 'UNKNOWN' ? null : word === 'TRUE';
  const test: Policy = { kind: 'is', of: readPolicy(arg, columns), value };
  return negated(test, booltesttype.includes('NOT_'));
}

/** `coalesce(done, false)` is `done IS TRUE`, and `coalesce(done, true)` is `done IS NOT FALSE`. */
function readCoalesce(args: readonly Node[], columns: Columns): Policy {
  const [first, second, ...others] = args;
  if (first === undefined || second === undefined || others.length > 0) {
    throw new Uncompilable('COALESCE');
  }
  const fallback = readPolicy(second, columns);
  const { condition } = fallback.kind === 'row' ? fallback : { condition: null };
  if (condition?.kind !== 'constant' || condition.value === null)
    throw new Uncompilable('COALESCE');
  const of = readPolicy(first, columns);
  return condition.value ? not({ kind: 'is', of, value: false }) : { kind: 'is', of, value: true };
}

function readOperation(node: Operation, columns: Columns): Policy {
  const { lexpr, rexpr, kind } = node;
  const operator = wordsOf(node.name).join('.');
  if (lexpr === undefined || rexpr === undefined)
    throw new Uncompilable(`the operator ${operator}`);
  const isAny = kind === 'AEXPR_OP_ANY' && operator === '=';
  if (isAny || (kind === 'AEXPR_OP_ALL' && operator === '<>')) {
    return negated(readIn(readOperand(lexpr, columns), rexpr, columns), !isAny);
  }
  if (kind === 'AEXPR_DISTINCT' || kind === 'AEXPR_NOT_DISTINCT') {
    const equal = compare('=', readOperand(lexpr, columns), readOperand(rexpr, columns));
    if (equal.kind === 'claim') throw new Uncompilable('IS DISTINCT FROM with a claim');
    return negated({ kind: 'is', of: equal, value: true }, kind === 'AEXPR_DISTINCT');
  }
  if (kind !== 'AEXPR_OP' || !(operator in MIRRORED))
    throw new Uncompilable(wordsFor({ A_Expr: node }));
  return compare(operator as Comparison, readOperand(lexpr, columns), readOperand(rexpr, columns));
}

function readIn(operand: Operand, listed: Node, columns: Columns): Policy {
  const list = readList(listed, columns);
  requireFamily(operand, list);
  if (!('texts' in list)) return claimTest(list, operand);
  if (operand.kind !== 'column') throw new Uncompilable('a list that is compared with no column');
  if (list.texts.length === 0) return row({ kind: 'constant', value: false });
  const column = operand.column.name;
  if (operand.family === 'boolean') {
    const parts = list.texts.map((text) => negated(row({ kind: 'flag', column }), text === 'f'));
    return { kind: 'or', parts };
  }
  const type = operand.family === 'integer' ? 'integer' : 'text';
  return row({ kind: 'in', column, constants: list.texts.map((text) => ({ type, text })) });
}

const MIRRORED: Readonly<Record<Comparison, Comparison>> = {
  ...{ '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' },
};

function compare(operator: Comparison, left: Operand, right: Operand): Policy {
  requireFamily(left, right);
  if (left.kind === 'claim' || right.kind === 'claim') {
    const [claim, value] = left.kind === 'claim' ? [left, right] : [right, left];
    if (claim.kind !== 'claim' || (operator !== '=' && operator !== '<>')) {
      throw new Uncompilable(`a claim that is compared with ${operator}`);
    }
    return negated(claimTest(claim, value), operator === '<>');
  }
  if (left.kind === 'column' && right.kind === 'constant') return decided(operator, left, right);
  if (left.kind === 'constant' && right.kind === 'column') {
    return decided(MIRRORED[operator], right, left);
  }
  throw new Uncompilable(
    left.kind === 'column' && right.kind === 'column'
      ? `column ${left.column.name} is compared with column ${right.column.name}`
      : 'two constants are compared',
  );
}

/** A column against a constant. */
function decided(
  operator: Comparison,
  { column: { name: column }, family }: Extract<Operand, { kind: 'column' }>,
  { text }: Extract<Operand, { kind: 'constant' }>,
): Policy {
  if (text === null) return row({ kind: 'constant', value: null });
  const isEquality = operator === '=' || operator === '<>';
  if (!isEquality && family !== 'integer') {
    throw new Uncompilable(
      `column ${column} of type ${family} is compared with ${operator}: only integers have an order that is the same everywhere`,
    );
  }
  if (family === 'boolean') {
    return negated(row({ kind: 'flag', column }), (operator === '=') !== (text === 't'));
  }
  const type = family === 'integer' ? 'integer' : 'text';
  const isNot = operator === '<>';
  const comparison = isNot ? '=' : operator;
  return negated(
    row({ kind: 'compare', column, operator: comparison, constant: { type, text } }),
    isNot,
  );
}

function claimTest({ part }: Extract<Operand, { kind: 'claim' }>, value: Operand): Policy {
  if (value.kind === 'claim') throw new Uncompilable('a claim that is compared with a claim');
  if (value.kind === 'constant') {
    if (value.text === null) return row({ kind: 'constant', value: null });
    return claim({ part, value: { kind: 'constant', text: value.text } });
  }
  return claim({ part, value: { kind: 'column', name: value.column.name } });
}

function requireFamily(
  left: { readonly family: string },
  right: { readonly family: string },
): void {
  if (left.family === right.family) return;
  throw new Uncompilable(`a ${left.family} is compared with a ${right.family}`);
}

function row(condition: Condition): Policy {
  return { kind: 'row', condition };
}

function claim(test: ClaimTest): Policy {
  return { kind: 'claim', test };
}

function not(of: Policy): Policy {
  return { kind: 'not', of };
}

function negated(policy: Policy, isNegated: boolean): Policy {
  return isNegated ? not(policy) : policy;
}
