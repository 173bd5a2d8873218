/** Names of tables as Transicator writes them. */

/** Words that Postgres' `quote_ident` quotes: every keyword that is not unreserved. */
const KEYWORDS: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case
cast char character check coalesce collate collation column concurrently constraint create cross current_catalog
current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
primary real references returning right row select session_user setof similar smallint some substring symmetric
system_user table tablesample then time timestamp to trailing treat trim true union unique user using values
varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`.split(/\s+/),
);

const PLAIN = /^[a-z_][a-z0-9_]*$/;

/** How a SQLite snapshot names its tables: as since April 2017, as before, or both through views. */
export type TableNaming = 'schema_table' | 'table' | 'both';

export const TABLE_NAMINGS = [
  'schema_table',
  'table',
  'both',
] as const satisfies readonly TableNaming[];

/** Splits `schema.table` (unquoted) at its first dot: no replicated schema has one in its name. */
function splitName(name: string): { readonly schema: string; readonly table: string } {
  const dot = name.indexOf('.');
  return { schema: name.slice(0, dot), table: name.slice(dot + 1) };
}

/** `public.cities`, `public."Order"`: quoted where Postgres would quote. */
export function changeTableName(name: string): string {
  const { schema, table } = splitName(name);
  return `${quoteIdent(schema)}.${quoteIdent(table)}`;
}

function quoteIdent(name: string): string {
  return PLAIN.test(name) && !KEYWORDS.has(name) ? name : `"${name.replaceAll('"', '""')}"`;
}

export type SqliteName = {
  /** The table in the file. */
  readonly name: string;
  /** A view of the same rows under the old name; null when there is none. */
  readonly alias: string | null;
};

/**
 * Names of the tables in a SQLite snapshot, in the order given. SQLite's names ignore case: whoever would take a
 * name that is taken keeps the longer one, or goes without an alias.
 */
export function sqliteNames(tables: readonly string[], naming: TableNaming): readonly SqliteName[] {
  const taken = new Set<string>();
  const take = (...wishes: readonly string[]): string => {
    const free = wishes.find((wish) => !taken.has(wish.toLowerCase()));
    const name = free ?? `${wishes.at(-1)}_${taken.size}`;
    taken.add(name.toLowerCase());
    return name;
  };
  const names = tables.map((name) => {
    const { schema, table } = splitName(name);
    return naming === 'table' ? take(table, `${schema}_${table}`) : take(`${schema}_${table}`);
  });
  return names.map((name, at) => {
    const { table } = splitName(tables[at] ?? '');
    const hasAlias = naming === 'both' && !taken.has(table.toLowerCase());
    return { name, alias: hasAlias ? take(table) : null };
  });
}
