/** The backslash commands of the SQL shell: each is a few SHOW statements. Pure. */

export type SqlCommand =
  /** Statements whose first columns are shown as one table, beside what they name. */
  | { readonly kind: 'list'; readonly parts: readonly { sql: string; of: string }[] }
  | { readonly kind: 'run'; readonly sql: string }
  | { readonly kind: 'help' | 'quit' }
  | { readonly kind: 'unknown'; readonly name: string };

const LISTS: Readonly<Record<string, readonly string[]>> = {
  d: ['tables', 'sources', 'views', 'sinks'],
  dt: ['tables', 'sources'],
  dv: ['views'],
  ds: ['sinks'],
};

export const SQL_HELP = `
Statements end with ; and are sent one by one. Ctrl-C cancels the one that runs.
  \\d                   tables, sources, views and sinks
  \\d NAME              the columns of one
  \\dt, \\dv, \\ds, \\di   tables and sources, views, sinks, indexes
  \\dr                  the tables of Postgres that a source can be made of
  \\l, \\dn              databases, schemas
  \\?                   this help
  \\q                   the end, also Ctrl-D
`;

export function readCommand([name = '', argument]: readonly string[]): SqlCommand {
  if (name === 'q' || name === 'quit') return { kind: 'quit' };
  if (name === '?' || name === 'h' || name === 'help') return { kind: 'help' };
  if (name === 'd' && argument !== undefined) {
    return { kind: 'run', sql: `SHOW COLUMNS FROM ${argument.replace(/;$/, '')}` };
  }
  const kinds = LISTS[name];
  if (kinds !== undefined) {
    const parts = kinds.map((kind) => ({
      sql: `SHOW ${kind.toUpperCase()}`,
      of: kind.slice(0, -1),
    }));
    return { kind: 'list', parts };
  }
  const sql = RUNS[name];
  return sql === undefined ? { kind: 'unknown', name } : { kind: 'run', sql };
}

const RUNS: Readonly<Record<string, string>> = {
  di: 'SHOW INDEXES',
  dr: 'SHOW REPLICATED TABLES',
  dn: 'SHOW SCHEMAS',
  l: 'SHOW DATABASES',
};
