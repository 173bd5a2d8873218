/** The values that a policy compares: columns, constants, claims, and lists of them. */

import { type ClaimPart, type ClaimType, isClaimName } from '../../core/selector-class.ts';
import type { FuncCall, Node, SubLink, TypeName } from '../../sql/pg-parser.ts';
import { OWN_SCHEMA } from '../names.ts';
import {
  canonicalConstant,
  type Family,
  familyOf,
  type PolicyColumn,
  Uncompilable,
} from './policy.ts';

export type Operand =
  | { readonly kind: 'column'; readonly column: PolicyColumn; readonly family: Family }
  | {
      readonly kind: 'constant';
      /** Null for NULL. */
      readonly text: string | null;
      readonly family: Family;
    }
  | { readonly kind: 'claim'; readonly part: ClaimPart; readonly family: Family };

export type Columns = ReadonlyMap<string, PolicyColumn>;

/** Types by the names that Postgres prints and parses; any other type is refused where it is met. */
const TYPES: ReadonlyMap<string, Family> = new Map([
  ...['text', 'pg_catalog.varchar', 'varchar'].map((name) => [name, 'text'] as const),
  ...['pg_catalog.int2', 'pg_catalog.int4', 'pg_catalog.int8'].map(
    (name) => [name, 'integer'] as const,
  ),
  ['uuid', 'uuid'],
  ['pg_catalog.bool', 'boolean'],
]);

const CLAIM_TYPES: Readonly<Record<Family, ClaimType | null>> = {
  text: 'text',
  uuid: 'uuid',
  integer: 'bigint',
  boolean: null,
};

/** Throws `Uncompilable`. */
export function readOperand(node: Node, columns: Columns): Operand {
  if ('ColumnRef' in node) return readColumn(node, columns);
  if ('A_Const' in node) return readConstant(node.A_Const);
  if ('TypeCast' in node) return readCast(node.TypeCast, columns);
  if ('FuncCall' in node) return readClaim(node.FuncCall);
  if ('SubLink' in node) return readOperand(onlyTarget(node.SubLink), columns);
  throw new Uncompilable(wordsFor(node));
}

/** The constants of a list, all of one family, or the one claim that is a list. Throws `Uncompilable`. */
export function readList(
  node: Node,
  columns: Columns,
):
  | { readonly family: Family; readonly texts: readonly string[] }
  | Extract<Operand, { kind: 'claim' }> {
  if ('SubLink' in node) return readList(onlyTarget(node.SubLink), columns);
  if ('FuncCall' in node) {
    const claim = readClaim(node.FuncCall);
    if (claim.part.isList) return claim;
    throw new Uncompilable('a claim that is no list stands where a list is compared');
  }
  if ('TypeCast' in node) return readCastList(node.TypeCast, columns);
  if (!('A_ArrayExpr' in node)) throw new Uncompilable(wordsFor(node));
  const read = (node.A_ArrayExpr.elements ?? []).map((element) => readOperand(element, columns));
  const texts = read.map((one) => {
    if (one.kind === 'constant' && one.text !== null) return one.text;
    throw new Uncompilable('a list holds something else than constants');
  });
  const family = read[0]?.family ?? 'text';
  if (read.some((one) => one.family !== family)) throw new Uncompilable('a list mixes types');
  return { family, texts };
}

function readColumn(node: Extract<Node, { ColumnRef: unknown }>, columns: Columns): Operand {
  const name = wordsOf(node.ColumnRef.fields).join('.');
  const column = columns.get(name);
  if (column === undefined) throw new Uncompilable(`${name} is no column of the table`);
  return { kind: 'column', column, family: familyOf(column) };
}

type AConst = Extract<Node, { A_Const: unknown }>['A_Const'];

function readConstant(constant: AConst): Operand {
  const known = (family: Family, text: string | null): Operand => {
    return { kind: 'constant', text, family };
  };
  if (constant.isnull === true) return known('text', null);
  if (constant.boolval !== undefined) {
    return known('boolean', constant.boolval.boolval === true ? 't' : 'f');
  }
  if (constant.sval !== undefined) return known('text', constant.sval.sval ?? '');
  const digits = constant.fval?.fval ?? String(constant.ival?.ival ?? 0);
  const text = canonicalConstant('integer', digits);
  if (text === null) throw new Uncompilable(`${digits} is no integer`);
  return known('integer', text);
}

type CastNode = Extract<Node, { TypeCast: unknown }>['TypeCast'];

function readCast({ arg, typeName }: CastNode, columns: Columns): Operand {
  if (arg === undefined) throw new Uncompilable('a cast of nothing');
  const family = familyOfType(typeName);
  if (typeName?.arrayBounds !== undefined)
    throw new Uncompilable('a list stands where one value is compared');
  const operand = readOperand(arg, columns);
  if (operand.kind === 'constant') return castConstant(operand, family);
  if (operand.kind === 'claim') return castClaim(operand, family);
  if (operand.family === family) return operand;
  // The text of a uuid and of an integer is the canonical one that selectors have.
  const isPrintable = operand.family === 'uuid' || operand.family === 'integer';
  if (family === 'text' && isPrintable) return { ...operand, family };
  throw new Uncompilable(`a cast of column ${operand.column.name} to another type`);
}

function castConstant(operand: Extract<Operand, { kind: 'constant' }>, family: Family): Operand {
  if (operand.text === null) return { ...operand, family };
  const isBool = family === 'boolean' && operand.family === 'text';
  const spelled = isBool ? (BOOLEANS[operand.text] ?? operand.text) : operand.text;
  const text =
    operand.family === 'boolean' && family === 'text' ? null : canonicalConstant(family, spelled);
  if (text === null) throw new Uncompilable(`the constant '${operand.text}' of type ${family}`);
  return { kind: 'constant', text, family };
}

const BOOLEANS: Readonly<Record<string, string>> = { true: 't', false: 'f' };

function castClaim(
  operand: Extract<Operand, { kind: 'claim' }>,
  family: Family,
): Extract<Operand, { kind: 'claim' }> {
  const type = CLAIM_TYPES[family];
  if (type === null || (operand.part.type !== 'text' && operand.part.type !== type)) {
    throw new Uncompilable(`a cast of a claim to ${family}`);
  }
  return { kind: 'claim', part: { ...operand.part, type }, family };
}

function readCastList({ arg, typeName }: CastNode, columns: Columns): ReturnType<typeof readList> {
  if (arg === undefined || typeName?.arrayBounds?.length !== 1) {
    throw new Uncompilable('a list that is cast to something else');
  }
  const family = familyOfType(typeName);
  if ('A_Const' in arg) return { family, texts: arrayTexts(arg.A_Const.sval?.sval, family) };
  const list = readList(arg, columns);
  if (!('texts' in list)) return castClaim(list, family);
  const texts = list.texts.map((text) => {
    const cast = castConstant({ kind: 'constant', text, family: list.family }, family);
    return cast.kind === 'constant' ? (cast.text ?? '') : '';
  });
  return { family, texts };
}

/** The elements of `'{a,b}'`, where none needs quotes. */
function arrayTexts(literal: string | undefined, family: Family): readonly string[] {
  const inner = /^\{([^{}"\\]*)\}$/.exec(literal ?? '')?.[1];
  if (inner === undefined) throw new Uncompilable(`the list '${literal ?? ''}'`);
  if (inner === '') return [];
  return inner.split(',').map((text) => {
    const known = canonicalConstant(family, text.trim());
    if (known !== null && text.trim().toUpperCase() !== 'NULL' && text === text.trim())
      return known;
    throw new Uncompilable(`the list '${literal ?? ''}'`);
  });
}

function familyOfType(typeName: TypeName | undefined): Family {
  const name = wordsOf(typeName?.names).join('.');
  const family = TYPES.get(name);
  if (family === undefined)
    throw new Uncompilable(`a cast to type ${name.replace('pg_catalog.', '')}`);
  if (typeName?.typmods !== undefined)
    throw new Uncompilable(`a cast to ${name.replace('pg_catalog.', '')} of limited length`);
  return family;
}

function readClaim({ funcname, args = [] }: FuncCall): Extract<Operand, { kind: 'claim' }> {
  const name = wordsOf(funcname).join('.');
  const family = 'text';
  if (name === `${OWN_SCHEMA}.auth_userid` && args.length === 0) {
    return { kind: 'claim', part: { claim: null, isList: false, type: 'text' }, family };
  }
  const isList = name === `${OWN_SCHEMA}.claim_list`;
  if (!isList && name !== `${OWN_SCHEMA}.claim`) throw new Uncompilable(`the function ${name}()`);
  const [arg] = args;
  const operand = arg === undefined ? undefined : readOperand(arg, new Map());
  const claim = operand?.kind === 'constant' ? operand.text : null;
  if (claim === null || !isClaimName(claim)) {
    throw new Uncompilable(`${name}() of something else than a plain name`);
  }
  return { kind: 'claim', part: { claim, isList, type: 'text' }, family };
}

/** `(SELECT f())` lets Postgres call the function once; it means the function. */
function onlyTarget({ subLinkType, subselect }: SubLink): Node {
  const select = subselect !== undefined && 'SelectStmt' in subselect ? subselect.SelectStmt : null;
  const [target, ...others] = select?.targetList ?? [];
  const isPlain =
    subLinkType === 'EXPR_SUBLINK' &&
    select !== null &&
    Object.keys(select).every((part) => ['targetList', 'limitOption', 'op'].includes(part));
  const value = target !== undefined && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (!isPlain || others.length > 0 || value === undefined) throw new Uncompilable('a subquery');
  return value;
}

/** The words of a qualified name. */
export function wordsOf(names: readonly Node[] | undefined): readonly string[] {
  return (names ?? []).map((part) => ('String' in part ? (part.String.sval ?? '') : '*'));
}

const WORDS: Readonly<Record<string, string>> = {
  SubLink: 'a subquery',
  CaseExpr: 'CASE',
  SQLValueFunction: 'a function of the session or the clock',
  CollateClause: 'a COLLATE clause',
  A_Expr: 'an operator on values',
  A_ArrayExpr: 'a list',
  RowExpr: 'a row',
  A_Indirection: 'a part of a value',
  CoalesceExpr: 'COALESCE',
  MinMaxExpr: 'GREATEST or LEAST',
};

/** What stands where it cannot be compiled, for people. */
export function wordsFor(node: Node): string {
  const [kind = ''] = Object.keys(node);
  if ('FuncCall' in node) return `the function ${wordsOf(node.FuncCall.funcname).join('.')}()`;
  if ('A_Expr' in node) return `the operator ${wordsOf(node.A_Expr.name).join('.')}`;
  return WORDS[kind] ?? `an expression of kind ${kind}`;
}
