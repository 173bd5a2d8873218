/**
 * `tidelock.twoway_refresh(table)`: makes a two-way table's companion table and triggers what the registry and the
 * catalog say, and returns the statements that this took: none when all is as it should be. It is one
 * function in Postgres, because `enable` calls it and so does the event trigger behind an ALTER TABLE.
 *
 * Columns are known by their numbers, so a renamed column keeps its place in `columns`, a dropped one leaves an empty
 * name there, and a new one is appended.
 */
import { OWN_SCHEMA } from '../names.ts';
import { TRIGGER_SQL } from './trigger-sql.ts';

/**
 * The type under all domains, as text: a domain's CHECK may call a function of its owner, which must not run as the owner
 * of our triggers.
 */
const TYPE_OF = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_type(type oid, modifier int4) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $type$
  WITH RECURSIVE base(oid, modifier) AS (
    SELECT type, modifier
    UNION ALL
    SELECT t.typbasetype, CASE WHEN base.modifier >= 0 THEN base.modifier ELSE t.typtypmod END
    FROM base JOIN pg_type t ON t.oid = base.oid AND t.typtype = 'd')
  SELECT format_type(base.oid, base.modifier) FROM base JOIN pg_type t ON t.oid = base.oid WHERE t.typtype <> 'd'
$type$`;

/** Names, types and numbers of a table's live columns, in the order of `numbers`; what is gone is left out. */
const COLUMNS_OF = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_columns(rel oid, numbers int2[])
RETURNS TABLE(name text, type text, plain_type text, type_oid oid, collation_sql text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $columns$
  SELECT a.attname::text, ${OWN_SCHEMA}.twoway_type(a.atttypid, a.atttypmod), format_type(a.atttypid, NULL), a.atttypid,
    CASE WHEN a.attcollation <> t.typcollation AND a.attcollation <> 0 THEN
      (SELECT format(' COLLATE %I.%I', n.nspname, c.collname) FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace
        WHERE c.oid = a.attcollation) ELSE '' END
  FROM unnest(numbers) WITH ORDINALITY u(number, place)
  JOIN pg_attribute a ON a.attrelid = rel AND a.attnum = u.number AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid ORDER BY u.place
$columns$`;

/** The statements that bring an existing companion to the table's present columns. */
const ALTER_COMPANION = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_alter(entry ${OWN_SCHEMA}.twoway_tables) RETURNS text[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $alter$
DECLARE
  statements text[] := '{}'; companion regclass := entry.versions_table; wanted record; has record; filled text[] := '{}';
BEGIN
  FOR wanted IN
    SELECT u.old_name, a.attname::text AS name, ${OWN_SCHEMA}.twoway_type(a.atttypid, a.atttypmod) AS type, u.is_key
    FROM (SELECT *, true FROM unnest(entry.key_columns, entry.key_numbers)
      UNION ALL SELECT *, false FROM unnest(entry.audience, entry.audience_numbers)) u(old_name, number, is_key)
    JOIN pg_attribute a ON a.attrelid = entry.relation AND a.attnum = u.number AND NOT a.attisdropped
  LOOP
    SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type INTO has FROM pg_attribute a
      WHERE a.attrelid = companion AND a.attname = wanted.old_name AND NOT a.attisdropped;
    IF NOT FOUND THEN
      statements := statements || format('ALTER TABLE %s ADD COLUMN %I %s', companion, wanted.name, wanted.type);
      filled := filled || wanted.name;
      CONTINUE;
    END IF;
    IF has.name <> wanted.name THEN
      statements := statements || format('ALTER TABLE %s RENAME COLUMN %I TO %I', companion, has.name, wanted.name);
    END IF;
    IF has.type <> wanted.type AND wanted.is_key THEN
      statements := statements || format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %2$I::%3$s', companion, wanted.name, wanted.type);
    ELSIF has.type <> wanted.type THEN
      statements := statements || format('ALTER TABLE %s DROP COLUMN %I, ADD COLUMN %2$I %s', companion, wanted.name, wanted.type);
      filled := filled || wanted.name;
    END IF;
  END LOOP;
  FOR has IN SELECT a.attname FROM pg_attribute a WHERE a.attrelid = companion AND a.attnum > 0 AND NOT a.attisdropped
    AND NOT a.attname = ANY (entry.key_columns || entry.audience || '{tidelock_cl,tidelock_versions}'::text[])
  LOOP
    statements := statements || format('ALTER TABLE %s DROP COLUMN %I', companion, has.attname);
  END LOOP;
  IF cardinality(filled) > 0 THEN
    statements := statements || (SELECT format('UPDATE %s v SET %s FROM ONLY %s b WHERE %s', companion,
      (SELECT string_agg(format('%I = b.%1$I', name), ', ') FROM unnest(filled) name), entry.relation,
      (SELECT string_agg(format('v.%I = b.%1$I', name), ' AND ') FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.key_numbers))));
  END IF;
  RETURN statements;
END $alter$`;

/** The companion as it is made for a table that is enabled for the first time. */
const CREATE_COMPANION = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_create(entry ${OWN_SCHEMA}.twoway_tables) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $create$
  SELECT ARRAY[
    format('CREATE TABLE %s(%s, tidelock_cl bigint NOT NULL, tidelock_versions integer[]%s, PRIMARY KEY (%s))', entry.versions_table,
      (SELECT string_agg(format('%I %s%s', name, type, collation_sql), ', ') FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.key_numbers)),
      (SELECT coalesce(string_agg(format(', %I %s', name, type), ''), '') FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.audience_numbers)),
      (SELECT string_agg(quote_ident(name), ', ') FROM ${OWN_SCHEMA}.twoway_columns(entry.relation, entry.key_numbers))),
    format('CREATE INDEX ON %s (tidelock_cl) WHERE tidelock_cl %% 2 = 0', entry.versions_table),
    format('REVOKE ALL ON %s FROM PUBLIC', entry.versions_table)]
$create$`;

/** The registry's row with the names and numbers that the catalog has now; \`key_columns\` and \`audience\` stay as they were. */
const RENUMBER = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_renumber(entry ${OWN_SCHEMA}.twoway_tables) RETURNS ${OWN_SCHEMA}.twoway_tables
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $renumber$
BEGIN
  SELECT n.nspname || '.' || c.relname INTO entry.name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = entry.relation;
  SELECT coalesce(array_agg(coalesce(a.attname::text, '') ORDER BY u.place), '{}'),
    coalesce(array_agg(coalesce(a.attnum, 0::int2) ORDER BY u.place), '{}') INTO entry.columns, entry.column_numbers
    FROM unnest(entry.column_numbers) WITH ORDINALITY u(number, place)
    LEFT JOIN pg_attribute a ON a.attrelid = entry.relation AND a.attnum = u.number AND NOT a.attisdropped;
  SELECT entry.columns || coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}'),
    entry.column_numbers || coalesce(array_agg(a.attnum ORDER BY a.attnum), '{}') INTO entry.columns, entry.column_numbers
    FROM pg_attribute a WHERE a.attrelid = entry.relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    AND NOT a.attnum = ANY (entry.key_numbers || entry.column_numbers);
  RETURN entry;
END $renumber$`;

const REFRESH = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_refresh(rel oid, is_dry bool DEFAULT false) RETURNS text[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $refresh$
DECLARE
  old ${OWN_SCHEMA}.twoway_tables; entry ${OWN_SCHEMA}.twoway_tables; statements text[] := '{}'; statement text; identity "char";
BEGIN
  SELECT * INTO old FROM ${OWN_SCHEMA}.twoway_tables t WHERE t.relation = rel;
  IF NOT FOUND THEN RETURN statements; END IF;
  entry := ${OWN_SCHEMA}.twoway_renumber(old);
  IF to_regclass(entry.versions_table) IS NULL THEN
    statements := statements || ${OWN_SCHEMA}.twoway_create(entry);
    identity := 'd';
  ELSE
    statements := statements || ${OWN_SCHEMA}.twoway_alter(entry);
    identity := (SELECT c.relreplident FROM pg_class c WHERE c.oid = to_regclass(entry.versions_table));
  END IF;
  SELECT coalesce(array_agg(name), '{}') INTO entry.key_columns FROM ${OWN_SCHEMA}.twoway_columns(rel, entry.key_numbers);
  SELECT coalesce(array_agg(c.name), '{}'), coalesce(array_agg(a.attnum), '{}') INTO entry.audience, entry.audience_numbers
    FROM ${OWN_SCHEMA}.twoway_columns(rel, entry.audience_numbers) c JOIN pg_attribute a ON a.attrelid = rel AND a.attname = c.name;
  IF (identity = 'f') <> (cardinality(entry.audience) > 0) THEN
    statements := statements || format('ALTER TABLE %s REPLICA IDENTITY %s', entry.versions_table,
      CASE WHEN identity = 'f' THEN 'DEFAULT' ELSE 'FULL' END);
  END IF;
  statements := statements || ${OWN_SCHEMA}.twoway_triggers(entry);
  IF entry IS DISTINCT FROM old THEN
    statements := statements || format('UPDATE ${OWN_SCHEMA}.twoway_tables SET name = %L, key_columns = %L, columns = %L, column_numbers = %L, audience = %L, audience_numbers = %L WHERE relation = %L::regclass',
      entry.name, entry.key_columns, entry.columns, entry.column_numbers, entry.audience, entry.audience_numbers, entry.relation);
  END IF;
  IF NOT is_dry THEN
    FOREACH statement IN ARRAY statements LOOP EXECUTE statement; END LOOP;
  END IF;
  RETURN statements;
END $refresh$`;

const OWN_FUNCTIONS = ['twoway_columns(oid, int2[])', 'twoway_refresh(oid, bool)'];

export const TWOWAY_REFRESH_SQL: readonly string[] = [
  TYPE_OF,
  COLUMNS_OF,
  ALTER_COMPANION,
  CREATE_COMPANION,
  RENUMBER,
  ...TRIGGER_SQL,
  REFRESH,
  `REVOKE ALL ON FUNCTION ${OWN_FUNCTIONS.map((one) => `${OWN_SCHEMA}.${one}`).join(', ')} FROM PUBLIC`,
].map((statement) => statement.trim());
