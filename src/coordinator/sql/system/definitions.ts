/** Names and statements of objects, as `oid::regclass`, `pg_get_viewdef` and the like print them. */
import { bindScalar } from '../../../sql/bind/query.ts';
import { toPostgresText } from '../../../sql/text-values.ts';
import { longName } from '../../../sql/type-names.ts';
import { PG_CATALOG_OID, type ShownObject, type SystemView } from './objects.ts';

/** In quotes where the parser would read it as something else. */
const quoted = (name: string): string =>
  /^[a-z_][a-z0-9_$]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;

/** With its schema where the session would not find it without. */
export function nameOf({ session }: SystemView, { name, schema, schemaOid }: ShownObject): string {
  const isFound = schema === session.schema || schemaOid === PG_CATALOG_OID;
  return isFound ? quoted(name) : `${quoted(schema)}.${quoted(name)}`;
}

/** Of a view its query, of an index and a key what PostgreSQL prints for them; else null. */
export function definitionOf(view: SystemView, object: ShownObject): string | null {
  const { item } = object;
  if (item?.kind === 'view') return ` ${queryOf(item.text)};`;
  const index = view.indexes.find((one) => one.object.oid === object.oid);
  if (index === undefined) return null;
  const on = `${quoted(index.on.schema)}.${quoted(index.on.name)}`;
  const columns = object.columns.map(({ name }) => quoted(name)).join(', ');
  const unique = index.isKey ? 'UNIQUE ' : '';
  return `CREATE ${unique}INDEX ${quoted(object.name)} ON ${on} USING btree (${columns})`;
}

/** What stands behind the first AS of `CREATE VIEW ... AS`. */
function queryOf(text: string): string {
  const found = /\bas\b(?![^(]*\)\s*as\b)/i.exec(text);
  return found === null ? text : text.slice(found.index + found[0].length).trim();
}

/** The default of a column as PostgreSQL would print it; what is computed is shown as such. Null without one. */
export function defaultOf({ item }: ShownObject, index: number): string | null {
  if (item?.kind !== 'table') return null;
  const [written, column] = [item.defaults[index] ?? null, item.columns[index]];
  if (written === null || column === undefined) return null;
  const bound = bindScalar(written, column.type);
  if (bound.kind === 'now') return 'now()';
  if (bound.kind !== 'constant') return '(computed)';
  const text = toPostgresText(bound.type, bound.value);
  if (text === null) return `NULL::${longName(column.type)}`;
  if (typeof bound.value === 'boolean') return String(bound.value);
  if (typeof bound.value === 'number' || typeof bound.value === 'bigint') return text;
  return `'${text.replaceAll("'", "''")}'::${longName(column.type)}`;
}
