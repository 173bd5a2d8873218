/** Hands parts of a batch to PostgreSQL's parser, and makes the places in its trees those of the batch. */
import { SqlError, sqlError } from '../errors.ts';
import { type Node, parsePg, type SelectStmt } from '../pg-parser.ts';
import { characterPlaces, guard } from './tokens.ts';

/** Deeper trees are refused: every later pass goes down them by recursion. */
export const TREE_DEPTH_MAX = 600;

/** One statement. `offset`: where `text` begins in the batch. */
export function parseNode(text: string, offset: number): Node {
  const [only, ...others] = guard({ text, offset }, parsePg).stmts ?? [];
  if (only?.stmt === undefined || others.length > 0) {
    throw sqlError('42601', 'one statement is expected', { offset });
  }
  relocate(only.stmt, { toCharacter: characterPlaces(text), offset }, 0);
  return only.stmt;
}

export function parseSelect(text: string, offset: number): SelectStmt {
  const node = parseNode(text, offset);
  if (!('SelectStmt' in node)) throw sqlError('42601', 'a query is expected', { offset });
  return node.SelectStmt;
}

/** An expression alone. */
export function parseExpression(text: string, offset: number): Node {
  const head = 'SELECT (';
  const select = within(offset + text.length, () =>
    parseSelect(`${head}${text}\n)`, offset - head.length),
  );
  const [target, ...others] = select.targetList ?? [];
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (value === undefined || others.length > 0 || Object.keys(select).some(isClause)) {
    throw sqlError('42601', 'an expression is expected', { offset });
  }
  return value;
}

/** An error behind the text is one at its end. */
function within<T>(end: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof SqlError) || error.offset === null || error.offset < end) throw error;
    throw sqlError(error.sqlState, error.message, { offset: end, cause: error });
  }
}

const isClause = (key: string): boolean => key.endsWith('Clause') || key === 'valuesLists';

type Places = { readonly toCharacter: (byte: number) => number; readonly offset: number };

function relocate(node: unknown, places: Places, depth: number): void {
  if (depth > TREE_DEPTH_MAX) {
    throw sqlError('54001', `a statement is nested at most ${TREE_DEPTH_MAX} levels deep`, {
      offset: places.offset,
    });
  }
  if (Array.isArray(node)) for (const part of node) relocate(part, places, depth + 1);
  else if (typeof node === 'object' && node !== null) relocateFields(node, places, depth);
}

function relocateFields(node: object, places: Places, depth: number): void {
  for (const [key, value] of Object.entries(node)) {
    if (key === 'location' && typeof value === 'number') {
      if (value >= 0) Object.assign(node, { location: places.offset + places.toCharacter(value) });
    } else relocate(value, places, depth + 1);
  }
}
