/** PostgreSQL's own parser (`libpg-query`, WebAssembly). The only file that knows the package. */
import type { ParseResult, SqlErrorDetails } from 'libpg-query';
import { assert } from '../core/assert.ts';

export type {
  A_Expr,
  ColumnDef,
  Constraint,
  FuncCall,
  JoinExpr,
  Node,
  RangeFunction,
  RangeSubselect,
  RangeVar,
  SelectStmt,
  SortBy,
  SubLink,
  TypeName,
  WindowDef,
} from 'libpg-query';

type Parser = typeof import('libpg-query');

/** A token as PostgreSQL's scanner cuts it; places are bytes of the UTF-8 text. */
export type PgToken = {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly tokenName: string;
  readonly keywordKind: number;
};

let parser: Parser | null = null;
let loading: Promise<void> | null = null;

/** Loads the parser, once. Only where there is SQL to read: it takes 20 MB of memory. */
export function loadPgParser(): Promise<void> {
  loading ??= import('libpg-query').then((module) =>
    module.loadModule().then(() => {
      parser = module;
    }),
  );
  return loading;
}

/** Throws the package's `SqlError` (with `sqlDetails`). `loadPgParser` has been awaited before. */
export function parsePg(sql: string): ParseResult {
  assert(parser !== null, 'the SQL parser is loaded before it is used');
  return parser.parseSync(sql);
}

/** Cuts SQL into tokens, comments among them. Throws as `parsePg` does. */
export function scanPg(sql: string): readonly PgToken[] {
  assert(parser !== null, 'the SQL parser is loaded before it is used');
  try {
    return parser.scanSync(sql).tokens;
  } catch (error) {
    parser.parseSync(sql); // the scanner of the package garbles its errors; the parser tells them
    throw error;
  }
}

/** What the parser says about the text that it refused: message, and place in characters from 0. */
export function pgErrorDetails(error: unknown): SqlErrorDetails | null {
  assert(parser !== null, 'the SQL parser is loaded before it is used');
  return parser.hasSqlDetails(error) ? (error.sqlDetails ?? null) : null;
}
