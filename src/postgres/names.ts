/** `schema.table` texts and what Postgres' SQL wants instead. */
import { quoteName } from '../core/table.ts';

/** The column that makes a table replicated without a declaration. */
export const SELECTOR_COLUMN = '_change_selector';

/** The schema that holds everything of ours in the source. */
export const OWN_SCHEMA = 'tidelock';

/** Splits at the first dot: schemas with a dot in their name are refused by the catalog's reader. */
export function splitTableName(name: string): { schema: string; table: string } {
  const dot = name.indexOf('.');
  if (dot < 0) return { schema: 'public', table: name };
  return { schema: name.slice(0, dot), table: name.slice(dot + 1) };
}

/** `public.Cities` -> `"public"."Cities"`. */
export function quoteTable(name: string): string {
  const { schema, table } = splitTableName(name);
  return `${quoteName(schema)}.${quoteName(table)}`;
}
