/**
 * Collections of what there is none of here: policies, triggers, publications, functions made by users, ... They have the
 * columns that others are joined by. A query that reads such a one has no rows, so what else it names is not looked at.
 */
import { type Collection, columnsOf } from './collection.ts';

const LISTS: Readonly<Record<string, string>> = {
  pg_aggregate: 'aggfnoid:oid',
  pg_auth_members: 'oid:oid roleid:oid member:oid grantor:oid admin_option:bool',
  pg_cast: 'oid:oid castsource:oid casttarget:oid castfunc:oid castcontext:char castmethod:char',
  pg_conversion: 'oid:oid conname:name connamespace:oid',
  pg_cursors: 'name:text statement:text is_holdable:bool',
  pg_db_role_setting: 'setdatabase:oid setrole:oid setconfig:texts?',
  pg_default_acl: 'oid:oid defaclrole:oid defaclnamespace:oid',
  pg_depend:
    'classid:oid objid:oid objsubid:int4 refclassid:oid refobjid:oid refobjsubid:int4 deptype:char',
  pg_description: 'objoid:oid classoid:oid objsubid:int4 description:text',
  pg_enum: 'oid:oid enumtypid:oid enumsortorder:float4 enumlabel:name',
  pg_event_trigger: 'oid:oid evtname:name',
  pg_extension: 'oid:oid extname:name extowner:oid extnamespace:oid extversion:text',
  pg_foreign_data_wrapper: 'oid:oid fdwname:name',
  pg_foreign_server: 'oid:oid srvname:name srvowner:oid srvfdw:oid',
  pg_foreign_table: 'ftrelid:oid ftserver:oid ftoptions:texts?',
  pg_inherits: 'inhrelid:oid inhparent:oid inhseqno:int4 inhdetachpending:bool',
  pg_language: 'oid:oid lanname:name',
  pg_locks: 'locktype:text database:oid? relation:oid? pid:int4? mode:text granted:bool',
  pg_opclass: 'oid:oid opcname:name',
  pg_operator: 'oid:oid oprname:name',
  pg_partitioned_table: 'partrelid:oid partstrat:char',
  pg_policies: 'schemaname:name tablename:name policyname:name',
  pg_policy: 'oid:oid polname:name polrelid:oid polcmd:char polpermissive:bool',
  pg_prepared_statements: 'name:text statement:text',
  pg_proc:
    'oid:oid proname:name pronamespace:oid proowner:oid prolang:oid prokind:char prorettype:oid',
  pg_publication: 'oid:oid pubname:name pubowner:oid puballtables:bool',
  pg_publication_namespace: 'oid:oid pnpubid:oid pnnspid:oid',
  pg_publication_rel: 'oid:oid prpubid:oid prrelid:oid',
  pg_publication_tables: 'pubname:name schemaname:name tablename:name',
  pg_range: 'rngtypid:oid rngsubtype:oid rngmultitypid:oid',
  pg_replication_slots: 'slot_name:name plugin:name slot_type:text active:bool',
  pg_rewrite: 'oid:oid rulename:name ev_class:oid ev_type:char',
  pg_rules: 'schemaname:name tablename:name rulename:name definition:text',
  pg_seclabel: 'objoid:oid classoid:oid objsubid:int4 provider:text label:text',
  pg_sequence: 'seqrelid:oid seqtypid:oid',
  pg_sequences: 'schemaname:name sequencename:name sequenceowner:name',
  pg_shdescription: 'objoid:oid classoid:oid description:text',
  pg_stat_replication: 'pid:int4 usename:name',
  pg_statistic_ext: 'oid:oid stxrelid:oid stxname:name stxnamespace:oid',
  pg_subscription: 'oid:oid subdbid:oid subname:name',
  pg_trigger:
    'oid:oid tgrelid:oid tgparentid:oid tgname:name tgfoid:oid tgtype:int2 tgenabled:char tgisinternal:bool',
  pg_ts_config: 'oid:oid cfgname:name',
  pg_ts_dict: 'oid:oid dictname:name',
  pg_user_mapping: 'oid:oid umuser:oid umserver:oid',
};

const INFORMATION: Readonly<Record<string, string>> = {
  check_constraints: 'constraint_catalog:name constraint_schema:name constraint_name:name',
  parameters: 'specific_catalog:name specific_schema:name specific_name:name',
  referential_constraints:
    'constraint_catalog:name constraint_schema:name constraint_name:name unique_constraint_name:name',
  routines: 'specific_schema:name specific_name:name routine_schema:name routine_name:name',
  sequences: 'sequence_catalog:name sequence_schema:name sequence_name:name',
  triggers: 'trigger_catalog:name trigger_schema:name trigger_name:name event_object_table:name',
};

const empty =
  (schema: Collection['schema']) =>
  ([name, list]: readonly [string, string]): Collection => ({
    ...{ schema, name, oid: OIDS.get(name) ?? null },
    ...{ columns: columnsOf(list), rows: () => [] },
  });

/** Numbers that clients write instead of the name. */
const OIDS: ReadonlyMap<string, number> = new Map([
  ['pg_proc', 1255],
  ['pg_trigger', 2620],
  ['pg_rewrite', 2618],
  ['pg_extension', 3079],
]);

export const emptyCollections: readonly Collection[] = [
  ...Object.entries(LISTS).map(empty('pg_catalog')),
  ...Object.entries(INFORMATION).map(empty('information_schema')),
];
