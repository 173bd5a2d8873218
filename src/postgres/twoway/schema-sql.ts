/**
 * What two-way sync keeps in schema `tidelock`: the registry of tables, sites of replicas, the horizon of collected
 * tombstones, and the functions that policies call. Every statement may be run again without harm.
 */
import { quoteName, quoteText } from '../../core/table.ts';
import { OWN_SCHEMA } from '../names.ts';
import { TWOWAY_EVENT_SQL } from './event-sql.ts';
import { MAY_BECOME } from './facts.ts';
import { TWOWAY_REFRESH_SQL } from './refresh-sql.ts';

/** Holds one row for each two-way table. Columns: see docs/merge.md. */
export const REGISTRY = `${OWN_SCHEMA}.twoway_tables`;
export const SITES = `${OWN_SCHEMA}.sites`;
export const HORIZON = `${OWN_SCHEMA}.horizon`;

/** As whom writes of replicas are done, unless another role is named. */
export const USER_ROLE = 'tidelock_user';

/** The comment by which `uninstall` knows that the role is ours. */
const USER_ROLE_COMMENT = 'made by tidelock: writes of two-way replicas are done as this role';

const TABLES: readonly string[] = [
  `CREATE SCHEMA IF NOT EXISTS ${OWN_SCHEMA}`,
  `CREATE TABLE IF NOT EXISTS ${REGISTRY}(
  relation regclass PRIMARY KEY, name text NOT NULL, versions_table text NOT NULL UNIQUE,
  key_columns text[] NOT NULL, key_numbers int2[] NOT NULL, columns text[] NOT NULL, column_numbers int2[] NOT NULL,
  audience text[] NOT NULL, audience_numbers int2[] NOT NULL, rule text NOT NULL,
  rule_kind text NOT NULL CHECK (rule_kind IN ('policy', 'selector')), role text NOT NULL, enabled_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE TABLE IF NOT EXISTS ${SITES}(
  site uuid PRIMARY KEY, userid text NOT NULL, number bigint NOT NULL, nonce text NOT NULL,
  rejected jsonb NOT NULL DEFAULT '[]', seen_at timestamptz NOT NULL DEFAULT now())`,
  `CREATE INDEX IF NOT EXISTS sites_userid ON ${SITES}(userid)`,
  `CREATE TABLE IF NOT EXISTS ${HORIZON}(
  only_one bool PRIMARY KEY DEFAULT true CHECK (only_one), timeline text NOT NULL, position pg_lsn NOT NULL)`,
];

/** Anybody's query may meet a policy that calls them, so anybody may call them. */
const IDENTITY_FUNCTIONS: readonly string[] = [
  `CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.auth_userid() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(pg_catalog.current_setting('tidelock.userid', true), '') $$`,
  `CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.claim(name text) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT nullif(pg_catalog.current_setting('tidelock.claims', true), '')::pg_catalog.jsonb ->> name $$`,
  `CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.claim_list(name text) RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
  AS $$ SELECT CASE pg_catalog.jsonb_typeof(c.list) WHEN 'array' THEN ARRAY(SELECT pg_catalog.jsonb_array_elements_text(c.list)) END
    FROM (SELECT nullif(pg_catalog.current_setting('tidelock.claims', true), '')::pg_catalog.jsonb -> name AS list) c $$`,
  `GRANT EXECUTE ON FUNCTION ${OWN_SCHEMA}.auth_userid(), ${OWN_SCHEMA}.claim(text), ${OWN_SCHEMA}.claim_list(text) TO PUBLIC`,
];

/** Everything but roles and event trigger, in order. */
export function twowaySchemaSql(): readonly string[] {
  return [...TABLES, ...IDENTITY_FUNCTIONS, ...TWOWAY_REFRESH_SQL];
}

/** Only some roles may: without it, `enable` is to be run again after an ALTER TABLE. */
export function twowayEventSql(): readonly string[] {
  return TWOWAY_EVENT_SQL;
}

/** Makes the role where it is missing, and lets the one that runs this act as it. */
export function roleSql(role: string): readonly string[] {
  const [name, text] = [quoteName(role), quoteText(role)];
  return [
    `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = ${text}) THEN
    CREATE ROLE ${name} NOLOGIN;
    COMMENT ON ROLE ${name} IS ${quoteText(USER_ROLE_COMMENT)};
  END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- made in another database meanwhile
END $$`,
    `DO $$ BEGIN
  IF NOT pg_catalog.pg_has_role(current_user, ${text}, ${MAY_BECOME}) THEN GRANT ${name} TO CURRENT_USER; END IF;
END $$`,
    `GRANT USAGE ON SCHEMA ${OWN_SCHEMA} TO ${name}`,
  ];
}

/** Takes a role away that `roleSql` made; it stays where policies, grants or other databases need it. */
export function dropRoleSql(role: string): string {
  const [name, text] = [quoteName(role), quoteText(role)];
  return `DO $$ BEGIN
  IF pg_catalog.shobj_description((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = ${text}), 'pg_authid') = ${quoteText(USER_ROLE_COMMENT)} THEN
    REVOKE USAGE ON SCHEMA ${OWN_SCHEMA} FROM ${name};
    DROP ROLE ${name};
  END IF;
EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege OR object_in_use THEN NULL;
END $$`;
}

export function grantSql(table: string, role: string): string {
  return `GRANT SELECT, INSERT, UPDATE, DELETE ON ${table} TO ${quoteName(role)}`;
}
