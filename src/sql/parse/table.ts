/** `CREATE TABLE`, as PostgreSQL reads it; what we do not keep is refused. */

import { notSupported, sqlError } from '../errors.ts';
import type { ColumnDef, Constraint, Node } from '../pg-parser.ts';
import type { Form } from '../statement.ts';
import { readTypeName } from '../type-names.ts';
import type { Column } from '../types.ts';
import { nameOf, stringOf } from './names.ts';
import type { TokenReader } from './tokens.ts';
import { parseNode } from './tree.ts';

/** Of a table. PostgreSQL's own limit. */
const COLUMNS_MAX = 1600;

/** At the word TABLE; `start` is the statement's. */
export function readTable(reader: TokenReader, sql: string, start: number): Form {
  const end = reader.rest.at(-1)?.end ?? start;
  const node = parseNode(sql.slice(start, end), start);
  reader.skipTo(end);
  if (!('CreateStmt' in node)) throw notSupported('CREATE TABLE AS', start);
  const { relation, tableElts = [], ...others } = node.CreateStmt;
  if (others.inhRelations || others.partspec || others.ofTypename || others.options) {
    throw notSupported('inheritance, partitions or storage options of a table', start);
  }
  if (relation?.relpersistence !== 'p') throw notSupported('a temporary table', start);
  const elements = tableElts.map((element) => readElement(element, start));
  const columns = elements.flatMap(({ column }) => (column === null ? [] : [column]));
  const keys = elements.map(({ key }) => key).filter((key) => key.length > 0);
  if (keys.length > 1) throw sqlError('42P16', 'a table has one primary key', { offset: start });
  const key = keys[0] ?? [];
  checkColumns(columns, key, start);
  return {
    kind: 'createTable',
    name: nameOf(relation),
    isIfNotExists: others.if_not_exists ?? false,
    columns: columns.map((column) =>
      key.includes(column.name) ? { ...column, isNullable: false } : column,
    ),
    key,
  };
}

type TableColumn = Column & { readonly default: Node | null };
type Element = { readonly column: TableColumn | null; readonly key: readonly string[] };

function readElement(node: Node, start: number): Element {
  if ('ColumnDef' in node) return readColumn(node.ColumnDef);
  if ('Constraint' in node && node.Constraint.contype === 'CONSTR_PRIMARY') {
    return { column: null, key: (node.Constraint.keys ?? []).map(stringOf) };
  }
  const offset = 'Constraint' in node ? node.Constraint.location : start;
  throw notSupported('a constraint other than PRIMARY KEY', offset);
}

function readColumn(definition: ColumnDef): Element {
  const { colname: name = '', typeName, constraints = [] } = definition;
  if (typeName === undefined) throw notSupported('a column without a type', definition.location);
  const { type, modifier } = readTypeName(typeName);
  const marks = constraints.flatMap((node) => ('Constraint' in node ? [node.Constraint] : []));
  const has = (contype: Constraint['contype']): boolean =>
    marks.some((mark) => mark.contype === contype);
  const foreign = marks.find(({ contype = 'CONSTR_CHECK' }) => !KEPT.has(contype));
  if (foreign !== undefined) {
    throw notSupported('a constraint other than NOT NULL, DEFAULT, PRIMARY KEY', foreign.location);
  }
  const isNullable = !has('CONSTR_NOTNULL') && !has('CONSTR_PRIMARY');
  const initial = marks.find(({ contype }) => contype === 'CONSTR_DEFAULT')?.raw_expr ?? null;
  return {
    column: {
      name,
      type,
      isNullable,
      ...(modifier === null ? {} : { modifier }),
      default: initial,
    },
    key: has('CONSTR_PRIMARY') ? [name] : [],
  };
}

const KEPT = new Set(['CONSTR_NULL', 'CONSTR_NOTNULL', 'CONSTR_DEFAULT', 'CONSTR_PRIMARY']);

function checkColumns(columns: readonly Column[], key: readonly string[], offset: number): void {
  if (columns.length > COLUMNS_MAX) {
    throw sqlError('54011', `a table has at most ${COLUMNS_MAX} columns`, { offset });
  }
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw sqlError('42701', `column "${twice}" specified more than once`, { offset });
  }
  const missing = key.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw sqlError('42703', `column "${missing}" named in key does not exist`, { offset });
  }
}
