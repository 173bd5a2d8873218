/** Names of tables as people write them: `public.cities`, `public."Cities"`, `"My schema"."a=b"`. */

const PART = '"(?:[^"]|"")+"|[^."]+';
const NAME = new RegExp(`^(${PART})\\.(${PART})$`);

/** `schema.table` without quotes, or null when it is no such name. */
export function parseTableName(text: string): string | null {
  const match = NAME.exec(text.trim());
  if (match === null) return null;
  const [schema = '', table = ''] = match.slice(1).map(unquoted);
  return schema.includes('.') ? null : `${schema}.${table}`;
}

/** Splits `table=selector` at the first `=` outside of quotes. */
export function splitDeclaration(text: string): { name: string; selector: string } {
  const quoted = /^[^"=]*(?:"[^"]*"[^"=]*)*/.exec(text)?.[0].length ?? 0;
  if (text[quoted] !== '=') return { name: text.trim(), selector: '' };
  return { name: text.slice(0, quoted).trim(), selector: text.slice(quoted + 1).trim() };
}

function unquoted(part: string): string {
  return part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
}
