/** PostgreSQL's own parser (`libpg-query`, WebAssembly). The only file that knows the package. */
import type { ParseResult } from 'libpg-query';
import { assert } from '../core/assert.ts';

export type { A_Expr, FuncCall, Node, SelectStmt, SubLink, TypeName } from 'libpg-query';

type Parser = typeof import('libpg-query');

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
