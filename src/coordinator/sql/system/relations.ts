/**
 * `pg_catalog` and `information_schema`: read-only collections that are computed from the catalog when a query names them.
 * Their rows stand in the plan as values, so they have no frontier and wait for nothing.
 */
import type { Facts } from '../../../sql/bind/context.ts';
import type { Name } from '../../../sql/statement.ts';
import { type Collection, valuesOf } from './collection.ts';
import { emptyCollections } from './empty.ts';
import { informationSchema } from './information-schema.ts';
import { type Names, viewOf } from './objects.ts';
import { pgCatalog } from './pg-catalog.ts';
import { pgViews } from './pg-views.ts';

const ALL: readonly Collection[] = [
  ...pgCatalog,
  ...pgViews,
  ...emptyCollections,
  ...informationSchema,
];

/** Those with a name that begins so are internal: nobody sees them in a list. */
const INTERNAL = '?';

const LISTED = ALL.filter(({ name }) => !name.startsWith(INTERNAL));

const BY_NAME: ReadonlyMap<string, Collection> = new Map(
  ALL.map((one) => [`${one.schema}.${one.name}`, one] as const),
);

/** Null for a name of anything else. `pg_catalog` need not be named. */
export function systemRelation(names: Names, { parts }: Name): Facts | null {
  const [last = '', schema = 'pg_catalog', database] = [...parts].reverse();
  if (database !== undefined && database !== names.session.database) return null;
  const found = BY_NAME.get(`${schema}.${last}`);
  if (found === undefined) return null;
  const rows = valuesOf(found, found.rows(viewOf(names, LISTED)));
  return { columns: found.columns, rows };
}
