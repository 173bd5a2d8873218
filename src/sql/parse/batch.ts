/**
 * Reads a batch of statements. The heads that are ours are read here by recursive descent over PostgreSQL's own
 * tokens; queries, expressions and its own statements are handed to its parser.
 */
import { notSupported, sqlError } from '../errors.ts';
import type { Form, Statement } from '../statement.ts';
import { readQuery } from './as-of.ts';
import { readDelete, readInsert, readUpdate } from './changes.ts';
import { readAlter, readCreate, readDrop } from './create.ts';
import { readSet, readShow, readTransaction } from './session.ts';
import { readClose, readDeclareHead, readExplain, readFetch, readSubscribe } from './subscribe.ts';
import { type Token, TokenReader, tokensOf } from './tokens.ts';

/** Of statements inside of statements: `EXPLAIN EXPLAIN ...`. */
const NESTING_MAX = 8;

/** Of statements in a batch. */
export const BATCH_STATEMENTS_MAX = 10_000;

/**
 * The statements of a batch in their order; empty ones are left out. Throws `SqlError` with the place in the batch.
 * `loadPgParser` has been awaited before.
 */
export function parseBatch(sql: string): readonly Statement[] {
  const parts = splitStatements(tokensOf(sql));
  if (parts.length > BATCH_STATEMENTS_MAX) {
    throw sqlError('54000', `a batch has at most ${BATCH_STATEMENTS_MAX} statements`);
  }
  return parts.map((tokens) => readStatement(sql, tokens, 0));
}

function splitStatements(tokens: readonly Token[]): readonly (readonly Token[])[] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    if (token.kind === 'symbol' && token.value === ';') parts.push([]);
    else parts.at(-1)?.push(token);
  }
  return parts.filter((part) => part.length > 0);
}

function readStatement(sql: string, tokens: readonly Token[], depth: number): Statement {
  const [first, last] = [tokens[0], tokens.at(-1)];
  if (first === undefined || last === undefined) {
    throw sqlError('42601', 'syntax error at end of input', { offset: sql.length });
  }
  if (depth > NESTING_MAX) throw sqlError('54001', 'too many statements inside of one another');
  const reader = new TokenReader(sql, tokens);
  const form = readForm(reader, sql, depth);
  reader.end();
  return { ...form, text: sql.slice(first.start, last.end), offset: first.start };
}

function readForm(reader: TokenReader, sql: string, depth: number): Form {
  const inner = (): Statement => readStatement(sql, takeAll(reader), depth + 1);
  const word =
    reader.next?.kind === 'word' ? reader.next.value : reader.next?.value === '(' ? '(' : '';
  switch (word) {
    case 'select':
    case 'values':
    case 'with':
    case 'table':
    case '(':
      return { kind: 'select', ...readQuery(reader, sql) };
    case 'create':
      return readCreate(reader, sql);
    case 'alter':
      return readAlter(reader);
    case 'drop':
      return readDrop(reader);
    case 'insert':
      return readInsert(takeText(reader, sql));
    case 'update':
      return readUpdate(takeText(reader, sql));
    case 'delete':
      return readDelete(takeText(reader, sql));
    case 'tail':
    case 'subscribe':
      return readSubscribe(reader, sql);
    case 'declare':
      return { kind: 'declare', cursor: readDeclareHead(reader), statement: inner() };
    case 'fetch':
      return readFetch(reader);
    case 'close':
      return readClose(reader);
    case 'explain':
      return { kind: 'explain', what: readExplain(reader), statement: inner() };
    case 'show':
      return readShow(reader);
    case 'set':
    case 'reset':
      return readSet(reader, sql);
    default:
      return readTransaction(reader) ?? refuse(reader, sql);
  }
}

function takeAll(reader: TokenReader): readonly Token[] {
  const { rest } = reader;
  reader.skipTo(rest.at(-1)?.end ?? 0);
  return rest;
}

/** The rest of the statement as text, from its first token on. */
function takeText(reader: TokenReader, sql: string): { text: string; offset: number } {
  const { offset } = reader;
  return { text: sql.slice(offset, takeAll(reader).at(-1)?.end ?? offset), offset };
}

/** PostgreSQL tells a statement that it knows from a wrong one. */
const KNOWN = new Set(
  `analyze call checkpoint cluster comment copy deallocate discard do execute grant import listen load lock
  merge move notify prepare reassign refresh reindex release revoke savepoint security truncate unlisten
  vacuum`.split(/\s+/),
);

function refuse(reader: TokenReader, sql: string): never {
  const { next } = reader;
  if (next === undefined || !KNOWN.has(next.value)) throw reader.failure();
  throw notSupported(sql.slice(next.start, next.end).toUpperCase(), next.start);
}
