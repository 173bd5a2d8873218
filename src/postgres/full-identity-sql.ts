/**
 * Which tables lack REPLICA IDENTITY FULL: asked at a connect, and inside the event trigger at the moment a
 * table is made or changed. The partitions of a partitioned table count, because Postgres logs the old rows
 * of a partition as that partition is set, whatever its parent is.
 */
import { OWN_SCHEMA } from './names.ts';

/**
 * A query of `name` (of the replicated table) and `quoted` (of it or of one of its partitions) over the tables
 * `c` in schema `n` that fit `condition`. Tables that could not be replicated with FULL either are left alone:
 * without a key, unlogged, or with virtual columns, whose updates would then fail.
 */
export function lackingFullSql(condition: string): string {
  return `SELECT n.nspname || '.' || c.relname AS name,
    pg_catalog.format('%I.%I', mn.nspname, m.relname) AS quoted
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  CROSS JOIN LATERAL (SELECT c.oid AS relid UNION SELECT t.relid FROM pg_catalog.pg_partition_tree(c.oid) t) tree
  JOIN pg_catalog.pg_class m ON m.oid = tree.relid AND m.relkind IN ('r', 'p') AND m.relreplident <> 'f'
  JOIN pg_catalog.pg_namespace mn ON mn.oid = m.relnamespace
  WHERE ${condition} AND c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
    AND EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate)
    AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = c.oid AND a.attgenerated = 'v' AND NOT a.attisdropped)
  ORDER BY n.nspname, c.relname, mn.nspname, m.relname`;
}

/**
 * The event triggers' function: sets it where a publication asks for it; true when something lacked it. Its lock is
 * stronger than that of the statement it may run behind (CREATE INDEX), so it waits for nobody.
 */
export const GIVE_FULL_SQL: string = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.give_full(rel oid) RETURNS bool
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '50ms' AS $full$
DECLARE
  lacking record; is_given bool := false;
BEGIN
  IF NOT EXISTS (SELECT FROM ${OWN_SCHEMA}.publication p WHERE p.is_full AND ${OWN_SCHEMA}.is_wanted(rel, p.name)) THEN
    RETURN false;
  END IF;
  FOR lacking IN ${lackingFullSql('c.oid = rel')} LOOP
    EXECUTE format('ALTER TABLE ONLY %s REPLICA IDENTITY FULL', lacking.quoted);
    is_given := true;
  END LOOP;
  RETURN is_given;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'tidelock: % was not given REPLICA IDENTITY FULL: %', rel::regclass, SQLERRM
    USING HINT = 'unless it is set, the table is not replicated';
  RETURN false;
END $full$;`;
