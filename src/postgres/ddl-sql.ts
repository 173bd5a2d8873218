/**
 * What is installed in the source: schema `tidelock` with event triggers that put every change of a
 * replicated table's definition into the stream, at its place, with the definition as it then is.
 *
 * - A new table that is to be replicated joins the publication in the transaction that creates it, so
 *   none of its rows is missed. A table that loses its key leaves it, so that the application's updates
 *   go on working. Where a publication asks for it, the table gets REPLICA IDENTITY FULL first.
 * - The application's own statement never fails because of us: every error becomes a warning, and the
 *   stream's reader then finds out by comparing layouts.
 * - `tidelock.seen` remembers names and partitions, because after a rename, a drop or a detach the
 *   catalog no longer tells what was.
 */
import { GIVE_FULL_SQL } from './full-identity-sql.ts';
import { OWN_SCHEMA, SELECTOR_COLUMN } from './names.ts';
import { tableFactsSql } from './table-facts.ts';

export const DDL_PREFIX = 'tidelock.ddl';

const WARN = (what: string): string => `
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'tidelock: % was not noted: %', ${what}, SQLERRM
    USING HINT = 'replication goes on; the change is found when the table is written to next';`;

const TABLES = `
CREATE SCHEMA IF NOT EXISTS ${OWN_SCHEMA};
CREATE TABLE IF NOT EXISTS ${OWN_SCHEMA}.installation(only_one bool PRIMARY KEY DEFAULT true CHECK (only_one), stamp text NOT NULL);
CREATE TABLE IF NOT EXISTS ${OWN_SCHEMA}.publication(name text PRIMARY KEY);
ALTER TABLE ${OWN_SCHEMA}.publication ADD COLUMN IF NOT EXISTS is_full bool NOT NULL DEFAULT false;
CREATE TABLE IF NOT EXISTS ${OWN_SCHEMA}.declaration(publication text, name text, PRIMARY KEY (publication, name));
CREATE TABLE IF NOT EXISTS ${OWN_SCHEMA}.seen(relid oid PRIMARY KEY, name text NOT NULL, root oid NOT NULL);`;

const TABLE_FACTS = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.table_facts(rel oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $facts$
${tableFactsSql('c.oid = $1')}
$facts$;`;

/** Adds to and removes from the publications; true when the table is in all that want it. */
const PUBLISH = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.publish(rel oid) RETURNS bool
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $publish$
DECLARE
  p record; may_be bool; is_wanted bool; is_in_all bool := true; quoted text;
BEGIN
  SELECT c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition
      AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisprimary AND i.indimmediate)
      AND (c.relreplident IN ('d', 'f') OR c.relreplident = 'i'
        AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = rel AND i.indisreplident))
      AND NOT (c.relreplident = 'f'
        AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = rel AND a.attgenerated = 'v' AND NOT a.attisdropped)),
    format('%I.%I', n.nspname, c.relname)
  INTO may_be, quoted FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = rel;
  FOR p IN SELECT own.name, pub.oid, r.oid AS member,
      to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL AS is_partial
    FROM ${OWN_SCHEMA}.publication own JOIN pg_publication pub ON pub.pubname = own.name
    LEFT JOIN pg_publication_rel r ON r.prpubid = pub.oid AND r.prrelid = rel
    WHERE NOT pub.puballtables
  LOOP
    is_wanted := ${OWN_SCHEMA}.is_wanted(rel, p.name);
    IF p.member IS NOT NULL AND (p.is_partial OR NOT (is_wanted AND may_be)) THEN
      EXECUTE format('ALTER PUBLICATION %I DROP TABLE ONLY %s', p.name, quoted);
      p.member := NULL;
    END IF;
    IF p.member IS NULL AND is_wanted AND may_be THEN
      EXECUTE format('ALTER PUBLICATION %I ADD TABLE ONLY %s', p.name, quoted);
    END IF;
    is_in_all := is_in_all AND is_wanted AND may_be;
  END LOOP;
  RETURN is_in_all;
END $publish$;`;

const IS_WANTED = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.is_wanted(rel oid, publication_name text) RETURNS bool
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $wanted$
  SELECT EXISTS (SELECT FROM pg_attribute a
      WHERE a.attrelid = rel AND a.attname = '${SELECTOR_COLUMN}' AND NOT a.attisdropped)
    OR EXISTS (SELECT FROM ${OWN_SCHEMA}.declaration d
      JOIN pg_class c ON c.oid = rel JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE d.publication = publication_name AND d.name = n.nspname || '.' || c.relname)
$wanted$;`;

/**
 * True when partitions with rows came or went since the last look; remembers the present ones. A table
 * that became a partition is no table of its own any more, and the reverse. Postgres does not send the
 * TRUNCATE of a single partition at all, so partitions report it themselves.
 */
const NOTE_PARTITIONS = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.note_partitions(tree oid, tag text) RETURNS bool
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $parts$
DECLARE
  leaf record; has_rows bool; is_changed bool := false;
BEGIN
  FOR leaf IN DELETE FROM ${OWN_SCHEMA}.seen s WHERE s.root = tree AND s.relid <> tree
    AND s.relid NOT IN (SELECT t.relid FROM pg_partition_tree(tree) t WHERE t.isleaf) RETURNING s.relid
  LOOP
    is_changed := true;
    PERFORM ${OWN_SCHEMA}.watch_truncate(leaf.relid, NULL, '');
    PERFORM ${OWN_SCHEMA}.note_table(leaf.relid, tag, true);
  END LOOP;
  FOR leaf IN SELECT t.relid, s.relid IS NOT NULL AS was_own, s.name FROM pg_partition_tree(tree) t
    LEFT JOIN ${OWN_SCHEMA}.seen s ON s.relid = t.relid
    WHERE t.isleaf AND t.relid <> tree AND (s.root IS NULL OR s.root <> tree)
  LOOP
    IF leaf.was_own THEN
      PERFORM ${OWN_SCHEMA}.publish(leaf.relid), ${OWN_SCHEMA}.report(leaf.name, NULL, tag, false, true);
    END IF;
    INSERT INTO ${OWN_SCHEMA}.seen VALUES (leaf.relid, leaf.relid::regclass::text, tree)
      ON CONFLICT (relid) DO UPDATE SET root = tree;
    PERFORM ${OWN_SCHEMA}.watch_truncate(leaf.relid, 'AFTER', 'on_truncate');
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', leaf.relid::regclass) INTO has_rows;
    is_changed := is_changed OR has_rows;
  END LOOP;
  IF EXISTS (SELECT FROM pg_class c WHERE c.oid = tree AND c.relkind = 'p') THEN
    PERFORM ${OWN_SCHEMA}.watch_truncate(tree, 'BEFORE', 'on_truncate_all');
  END IF;
  RETURN is_changed;
END $parts$;`;

/** Puts our truncate trigger on a table, or takes it off (\`moment\` null). */
const WATCH_TRUNCATE = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.watch_truncate(rel oid, moment text, fn text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $watch$
DECLARE
  has_trigger bool;
BEGIN
  has_trigger := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = rel AND tgname = 'tidelock_truncate');
  IF has_trigger AND moment IS NULL THEN
    EXECUTE format('DROP TRIGGER tidelock_truncate ON %s', rel::regclass);
  ELSIF NOT has_trigger AND moment IS NOT NULL THEN
    EXECUTE format('CREATE TRIGGER tidelock_truncate %s TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION ${OWN_SCHEMA}.%I()', moment, rel::regclass, fn);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER tidelock_truncate', rel::regclass);
  END IF;
END $watch$;`;

/** When the whole table is truncated, Postgres does send it: its partitions need not report. */
const ON_TRUNCATE = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.on_truncate_all() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $all$
BEGIN
  PERFORM set_config('tidelock.truncating', coalesce(current_setting('tidelock.truncating', true), '') ||
    (SELECT coalesce(string_agg(',' || t.relid::oid || ',', ''), '') FROM pg_partition_tree(TG_RELID) t WHERE t.isleaf), true);
  RETURN NULL;
END $all$;
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.on_truncate() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $one$
DECLARE
  expected text := coalesce(current_setting('tidelock.truncating', true), '');
  tree oid := pg_partition_root(TG_RELID); tree_name text;
BEGIN
  IF expected LIKE '%,' || TG_RELID || ',%' THEN
    PERFORM set_config('tidelock.truncating', replace(expected, ',' || TG_RELID || ',', ''), true);
    RETURN NULL;
  END IF;
  SELECT s.name INTO tree_name FROM ${OWN_SCHEMA}.seen s WHERE s.relid = tree;
  IF tree_name IS NOT NULL THEN
    PERFORM ${OWN_SCHEMA}.report(tree_name, ${OWN_SCHEMA}.table_facts(tree), 'TRUNCATE', false, true);
  END IF;
  RETURN NULL;
${WARN("'a truncate'")}
  RETURN NULL;
END $one$;`;

/** Publishes, remembers and reports one table (never a partition). */
const NOTE_TABLE = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.note_table(rel oid, tag text, is_rewritten bool) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $note$
DECLARE
  old_name text; new_name text; is_public bool; is_given_full bool; has_rows bool := true;
BEGIN
  SELECT n.nspname || '.' || c.relname INTO new_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = rel AND c.relpersistence <> 't' AND n.nspname <> '${OWN_SCHEMA}' AND c.relkind IN ('r', 'p');
  IF new_name IS NULL THEN RETURN; END IF;
  SELECT s.name INTO old_name FROM ${OWN_SCHEMA}.seen s WHERE s.relid = rel AND s.root = rel;
  IF NOT FOUND AND NOT EXISTS (SELECT FROM ${OWN_SCHEMA}.publication p WHERE ${OWN_SCHEMA}.is_wanted(rel, p.name)) THEN
    RETURN;
  END IF;
  is_given_full := ${OWN_SCHEMA}.give_full(rel);
  is_public := ${OWN_SCHEMA}.publish(rel);
  IF old_name <> new_name THEN PERFORM ${OWN_SCHEMA}.report(old_name, NULL, tag, false, true); END IF;
  INSERT INTO ${OWN_SCHEMA}.seen VALUES (rel, new_name, rel)
    ON CONFLICT (relid) DO UPDATE SET name = new_name, root = rel;
  is_rewritten := ${OWN_SCHEMA}.note_partitions(rel, tag) OR is_rewritten;
  -- An older snapshot than this moment's would not see every row.
  IF is_public AND current_setting('transaction_isolation') = 'read committed' THEN
    EXECUTE format('SELECT EXISTS (SELECT FROM %s)', rel::regclass) INTO has_rows;
  END IF;
  PERFORM ${OWN_SCHEMA}.report(new_name, ${OWN_SCHEMA}.table_facts(rel), tag, NOT has_rows, is_rewritten, is_given_full);
END $note$;`;

/** The form without \`is_given_full\` is of an older version. */
const REPORT = `
DROP FUNCTION IF EXISTS ${OWN_SCHEMA}.report(text, text, text, bool, bool);
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.report(name text, facts text, tag text, is_new bool, is_rewritten bool, is_given_full bool DEFAULT false) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $report$
  SELECT pg_logical_emit_message(true, '${DDL_PREFIX}', json_build_object(
    'name', name, 'facts', facts::json, 'command', tag, 'isNew', is_new, 'isRewritten', is_rewritten, 'isGivenFull', is_given_full,
    'version', current_setting('server_version_num')::int)::text)
$report$;`;

/** Tables that a changed type is part of: directly, in arrays, domains, ranges and rows. */
const TABLES_OF_TYPE = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.tables_of_type(changed oid) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $types$
  WITH RECURSIVE t(oid) AS (
    SELECT changed
    UNION
    SELECT x.oid FROM t JOIN pg_type x ON x.typelem = t.oid OR x.typbasetype = t.oid
      OR EXISTS (SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'c'
        WHERE a.attrelid = x.typrelid AND a.atttypid = t.oid)
      OR EXISTS (SELECT FROM pg_range r WHERE r.rngtypid = x.oid AND r.rngsubtype = t.oid)
  )
  SELECT DISTINCT s.root FROM ${OWN_SCHEMA}.seen s JOIN pg_attribute a ON a.attrelid = s.relid
  WHERE a.atttypid IN (SELECT oid FROM t) AND NOT a.attisdropped
$types$;`;

/**
 * While we alter the publication ourselves, the triggers keep still.
 * A type whose values were renamed prints its rows differently without any row changing; only the
 * statement's text tells, so whatever is not plainly harmless counts as a rewrite.
 */
const ON_DDL = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.on_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $ddl$
DECLARE
  rewritten text := coalesce(current_setting('tidelock.rewritten', true), '');
  t record; is_type_rewritten bool;
BEGIN
  IF current_setting('tidelock.is_busy', true) = 'on' THEN RETURN; END IF;
  PERFORM set_config('tidelock.is_busy', 'on', true);
  is_type_rewritten := NOT (current_query() ~* '^\\s*alter\\s+type' AND
    current_query() !~* '(rename\\s+value|(add|drop|alter)\\s+attribute)');
  FOR t IN
    WITH touched AS (
      SELECT DISTINCT coalesce(i.indrelid, k.conrelid, c.objid) AS relid
      FROM pg_event_trigger_ddl_commands() c
      LEFT JOIN pg_index i ON c.classid = 'pg_class'::regclass AND i.indexrelid = c.objid
      LEFT JOIN pg_constraint k ON c.classid = 'pg_constraint'::regclass AND k.oid = c.objid
      WHERE c.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
      UNION
      SELECT s.root FROM pg_event_trigger_ddl_commands() c
      JOIN pg_class r ON r.relnamespace = c.objid JOIN ${OWN_SCHEMA}.seen s ON s.relid = r.oid
      WHERE c.classid = 'pg_namespace'::regclass AND c.command_tag = 'ALTER SCHEMA'
      UNION
      SELECT s.root FROM ${OWN_SCHEMA}.seen s WHERE tg_tag = 'ALTER PUBLICATION'
      UNION
      SELECT p.polrelid FROM pg_event_trigger_ddl_commands() c JOIN pg_policy p ON p.oid = c.objid
      WHERE c.classid = 'pg_policy'::regclass
    )
    SELECT coalesce(pg_partition_root(relid), relid) AS relid,
      bool_or(rewritten LIKE '%,' || relid || ',%') AS is_rewritten
    FROM touched GROUP BY 1
    UNION ALL
    SELECT u.relid, c.command_tag = 'ALTER TYPE' AND is_type_rewritten
    FROM pg_event_trigger_ddl_commands() c, LATERAL ${OWN_SCHEMA}.tables_of_type(c.objid) u(relid)
    WHERE c.command_tag IN ('ALTER TYPE', 'ALTER DOMAIN')
  LOOP
    PERFORM ${OWN_SCHEMA}.note_table(t.relid, tg_tag, t.is_rewritten);
  END LOOP;
  PERFORM ${OWN_SCHEMA}.restore_options();
  PERFORM set_config('tidelock.rewritten', '', true), set_config('tidelock.is_busy', '', true);
${WARN('tg_tag')}
END $ddl$;`;

/** Somebody may have changed what the publication publishes. */
const RESTORE_OPTIONS = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.restore_options() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $options$
DECLARE p record;
BEGIN
  FOR p IN SELECT pub.pubname FROM ${OWN_SCHEMA}.publication own
    JOIN pg_publication pub ON pub.pubname = own.name
    WHERE NOT (pub.pubinsert AND pub.pubupdate AND pub.pubdelete AND pub.pubtruncate AND pub.pubviaroot)
  LOOP
    EXECUTE format('ALTER PUBLICATION %I SET (publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)', p.pubname);
    RAISE WARNING 'tidelock: publication % publishes every kind of change again', p.pubname;
  END LOOP;
END $options$;`;

const ON_DROP = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.on_drop() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $drop$
DECLARE
  t record;
BEGIN
  IF current_setting('tidelock.is_busy', true) = 'on' THEN RETURN; END IF;
  PERFORM set_config('tidelock.is_busy', 'on', true);
  FOR t IN DELETE FROM ${OWN_SCHEMA}.seen s USING pg_event_trigger_dropped_objects() d
    WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND s.relid = d.objid
    RETURNING s.relid, s.name, s.root
  LOOP
    IF t.relid = t.root THEN
      PERFORM ${OWN_SCHEMA}.report(t.name, NULL, tg_tag, false, true);
    ELSIF EXISTS (SELECT FROM pg_class c WHERE c.oid = t.root) THEN
      PERFORM ${OWN_SCHEMA}.note_table(t.root, tg_tag, true);
    END IF;
  END LOOP;
  FOR t IN
    SELECT d.objid AS relid FROM pg_event_trigger_dropped_objects() d
    JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.objsubid <> 0 AND tg_tag <> 'ALTER TABLE'
    UNION
    SELECT to_regclass(format('%I.%I', d.address_names[1], d.address_names[2]))::oid
    FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'policy'
    UNION
    SELECT c.oid FROM ${OWN_SCHEMA}.seen s JOIN pg_class c ON c.oid = s.root
    WHERE c.relreplident = 'i' AND EXISTS (SELECT FROM pg_event_trigger_dropped_objects() d WHERE d.object_type = 'index')
      AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)
  LOOP
    PERFORM ${OWN_SCHEMA}.note_table(coalesce(pg_partition_root(t.relid), t.relid), tg_tag, false);
  END LOOP;
  PERFORM set_config('tidelock.is_busy', '', true);
${WARN('tg_tag')}
END $drop$;`;

const ON_REWRITE = `
CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.on_rewrite() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $rewrite$
BEGIN
  PERFORM set_config('tidelock.rewritten',
    coalesce(nullif(current_setting('tidelock.rewritten', true), ''), ',') || pg_event_trigger_table_rewrite_oid() || ',', true);
${WARN("'a rewrite'")}
END $rewrite$;`;

const DDL_TAGS = [
  ...['CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE INDEX'],
  ...['ALTER INDEX', 'CREATE SCHEMA', 'ALTER SCHEMA', 'ALTER TYPE', 'ALTER DOMAIN'],
  ...['ALTER PUBLICATION', 'CREATE POLICY', 'ALTER POLICY'],
];

export const EVENT_TRIGGERS = ['tidelock_ddl', 'tidelock_drop', 'tidelock_rewrite'];

/** ALWAYS: also in sessions that load data as a replica would. */
const TRIGGERS = `
${EVENT_TRIGGERS.map((name) => `DROP EVENT TRIGGER IF EXISTS ${name};`).join('\n')}
CREATE EVENT TRIGGER tidelock_rewrite ON table_rewrite EXECUTE FUNCTION ${OWN_SCHEMA}.on_rewrite();
CREATE EVENT TRIGGER tidelock_drop ON sql_drop EXECUTE FUNCTION ${OWN_SCHEMA}.on_drop();
CREATE EVENT TRIGGER tidelock_ddl ON ddl_command_end
  WHEN TAG IN (${DDL_TAGS.map((tag) => `'${tag}'`).join(', ')}) EXECUTE FUNCTION ${OWN_SCHEMA}.on_ddl();
${EVENT_TRIGGERS.map((name) => `ALTER EVENT TRIGGER ${name} ENABLE ALWAYS;`).join('\n')}`;

/** Every statement of the installation, for one transaction. */
export const INSTALL_SQL: string = [
  TABLES,
  TABLE_FACTS,
  IS_WANTED,
  GIVE_FULL_SQL,
  PUBLISH,
  WATCH_TRUNCATE,
  REPORT,
  NOTE_PARTITIONS,
  ON_TRUNCATE,
  NOTE_TABLE,
  TABLES_OF_TYPE,
  RESTORE_OPTIONS,
  ON_DDL,
  ON_DROP,
  ON_REWRITE,
  TRIGGERS,
].join('\n');

/** Removes everything of ours but the publication and the slot. */
export const UNINSTALL_SQL: string = [
  ...EVENT_TRIGGERS.map((name) => `DROP EVENT TRIGGER IF EXISTS ${name};`),
  `DROP SCHEMA IF EXISTS ${OWN_SCHEMA} CASCADE;`,
].join('\n');

/**
 * Tables that are replicated when the triggers come: their names and partitions are known from then on.
 * Partitions that are busy for long stay unwatched until the next start.
 */
export const REMEMBER_SQL = `
DO $remember$
DECLARE
  t record;
BEGIN
  PERFORM set_config('tidelock.is_busy', 'on', true), set_config('lock_timeout', '2s', true);
  FOR t IN SELECT DISTINCT r.prrelid AS relid, n.nspname || '.' || c.relname AS name
    FROM pg_catalog.pg_publication_rel r
    JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
    JOIN ${OWN_SCHEMA}.publication own ON own.name = p.pubname
    JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LOOP
    BEGIN
      INSERT INTO ${OWN_SCHEMA}.seen VALUES (t.relid, t.name, t.relid)
        ON CONFLICT (relid) DO UPDATE SET name = excluded.name, root = excluded.root;
      PERFORM ${OWN_SCHEMA}.note_partitions(t.relid, 'start');
    EXCEPTION WHEN lock_not_available THEN
      RAISE WARNING 'tidelock: the partitions of % are busy', t.name;
    END;
  END LOOP;
  DELETE FROM ${OWN_SCHEMA}.seen s WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = s.relid);
  PERFORM set_config('tidelock.is_busy', '', true), set_config('lock_timeout', '0', true);
END $remember$`;
