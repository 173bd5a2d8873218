/**
 * `query AS OF [AT LEAST] time`. A query that PostgreSQL can read as it stands is taken as it stands, so `t AS of`
 * would be an alias: that is refused, not guessed. Otherwise the last `AS OF` outside of parentheses is cut off.
 */
import { SqlError, sqlError } from '../errors.ts';
import type { SelectStmt } from '../pg-parser.ts';
import type { AsOf } from '../statement.ts';
import type { Token, TokenReader } from './tokens.ts';
import { parseExpression, parseSelect } from './tree.ts';

/** Reads the rest of a statement. */
export function readQuery(
  reader: TokenReader,
  sql: string,
): { readonly select: SelectStmt; readonly asOf: AsOf | null } {
  const { rest } = reader;
  const [first, last] = [rest[0], rest.at(-1)];
  if (first === undefined || last === undefined) throw reader.failure();
  const place = lastAsOf(rest);
  const text = sql.slice(first.start, last.end);
  reader.skipTo(last.end);
  if (place === null) return { select: parseSelect(text, first.start), asOf: null };
  if (isQuery(text, first.start)) {
    throw sqlError('42601', 'AS OF without a time reads as an alias', {
      offset: place.start,
      hint: 'quote the alias: AS "of"',
    });
  }
  const select = parseSelect(sql.slice(first.start, place.start), first.start);
  return { select, asOf: readTime(sql, place.after, last.end) };
}

/** `AS OF` as the next tokens: the time up to the statement's end. */
export function readAsOf(reader: TokenReader, sql: string): AsOf | null {
  if (!reader.sees('as', 'of')) return null;
  reader.expect('as', 'of');
  const last = reader.rest.at(-1);
  if (last === undefined) throw reader.failure();
  const asOf = readTime(sql, reader.rest, last.end);
  reader.skipTo(last.end);
  return asOf;
}

function readTime(sql: string, tokens: readonly Token[], end: number): AsOf {
  const isAtLeast = tokens[0]?.value === 'at' && tokens[1]?.value === 'least';
  const first = tokens[isAtLeast ? 2 : 0];
  if (first === undefined) throw sqlError('42601', 'AS OF without a time', { offset: end });
  return { expression: parseExpression(sql.slice(first.start, end), first.start), isAtLeast };
}

function isQuery(text: string, offset: number): boolean {
  try {
    parseSelect(text, offset);
    return true;
  } catch (error) {
    if (error instanceof SqlError) return false;
    throw error;
  }
}

function lastAsOf(tokens: readonly Token[]): { start: number; after: readonly Token[] } | null {
  let depth = 0;
  let found: { start: number; after: readonly Token[] } | null = null;
  tokens.forEach((token, index) => {
    if (token.kind === 'symbol') depth += depthOf(token.value);
    const isPair = isWord(token, 'as') && isWord(tokens[index + 1], 'of');
    if (depth === 0 && isPair) found = { start: token.start, after: tokens.slice(index + 2) };
  });
  return found;
}

const depthOf = (symbol: string): number => (symbol === '(' ? 1 : symbol === ')' ? -1 : 0);

const isWord = (token: Token | undefined, word: string): boolean =>
  token?.kind === 'word' && token.value === word;
