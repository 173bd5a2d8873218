/**
 * Remembers in Postgres which tables must be copied again: changes of theirs passed while they were not
 * published. Set in the transaction that publishes them, taken off in the one that announces it, so that no
 * crash in between loses it. A comment, because whoever may publish may write it: no object of our own is needed.
 */
import { quoteName, quoteText } from '../core/table.ts';
import type { PgSession } from './session.ts';

/** Begins the last line of the publication's comment; lines before it are somebody else's. */
const MARK = 'tidelock copies again: ';

const COMMENT_SQL = `
  SELECT pg_catalog.obj_description(p.oid, 'pg_publication') AS comment
  FROM pg_catalog.pg_publication p WHERE p.pubname = $1`;

/** The marked tables. */
export async function readMark(
  session: PgSession,
  publication: string,
): Promise<readonly string[]> {
  return split(await readComment(session, publication)).tables;
}

/** Adds tables to the marked ones. Call it in the transaction that publishes them. */
export async function addMark(
  session: PgSession,
  publication: string,
  tables: readonly string[],
): Promise<void> {
  const { others, tables: before } = split(await readComment(session, publication));
  const all = [...new Set([...before, ...tables])];
  const comment = [...others, `${MARK}${JSON.stringify(all)}`].join('\n');
  await session.query(commentSql(publication, comment));
}

/** The statement that takes the mark off, for the transaction that makes it needless; empty without a mark. */
export async function clearMarkSql(session: PgSession, publication: string): Promise<string> {
  const comment = await readComment(session, publication);
  const { others } = split(comment);
  if (others.join('\n') === comment) return '';
  return commentSql(publication, others.length === 0 ? null : others.join('\n'));
}

async function readComment(session: PgSession, publication: string): Promise<string> {
  const [row] = await session.query(COMMENT_SQL, [publication]);
  return row?.comment ?? '';
}

function split(comment: string): { readonly others: string[]; readonly tables: string[] } {
  const lines = comment === '' ? [] : comment.split('\n');
  const last = lines.at(-1) ?? '';
  if (!last.startsWith(MARK)) return { others: lines, tables: [] };
  return { others: lines.slice(0, -1), tables: namesIn(last.slice(MARK.length)) };
}

/** Anybody who owns the publication may have written it. */
function namesIn(text: string): string[] {
  try {
    const names: unknown = JSON.parse(text);
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

function commentSql(publication: string, comment: string | null): string {
  const text = comment === null ? 'NULL' : quoteText(comment);
  return `COMMENT ON PUBLICATION ${quoteName(publication)} IS ${text}`;
}
