/** An event trigger that keeps the triggers of two-way tables in step with ALTER TABLE. The application's statement never fails because of it. */
import { OWN_SCHEMA } from '../names.ts';

export const TWOWAY_EVENT_TRIGGER = 'tidelock_columns';

/** It runs before \`tidelock_ddl\`, by its name, so the stream's message finds the registry as it is then. */
export const TWOWAY_EVENT_SQL: readonly string[] = [
  `CREATE OR REPLACE FUNCTION ${OWN_SCHEMA}.twoway_on_ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $event$
DECLARE
  t record; was_busy text := coalesce(current_setting('tidelock.is_busy', true), '');
BEGIN
  IF current_setting('tidelock.is_refreshing', true) = 'on' THEN RETURN; END IF;
  PERFORM set_config('tidelock.is_refreshing', 'on', true), set_config('tidelock.is_busy', 'on', true);
  BEGIN
    FOR t IN SELECT DISTINCT w.relation FROM pg_event_trigger_ddl_commands() c
      JOIN ${OWN_SCHEMA}.twoway_tables w ON c.classid IN ('pg_class'::regclass, 'pg_constraint'::regclass)
        AND (c.objid = w.relation OR c.objid IN (SELECT k.oid FROM pg_constraint k WHERE k.conrelid = w.relation))
        OR c.classid = 'pg_namespace'::regclass AND c.objid = (SELECT r.relnamespace FROM pg_class r WHERE r.oid = w.relation)
    LOOP
      PERFORM ${OWN_SCHEMA}.twoway_refresh(t.relation);
    END LOOP;
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'tidelock: % was not noted: %', tg_tag, SQLERRM USING HINT = 'run tidelock twoway enable again for the table';
  END;
  PERFORM set_config('tidelock.is_refreshing', '', true), set_config('tidelock.is_busy', was_busy, true);
END $event$`,
  `DROP EVENT TRIGGER IF EXISTS ${TWOWAY_EVENT_TRIGGER}`,
  `CREATE EVENT TRIGGER ${TWOWAY_EVENT_TRIGGER} ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'ALTER SCHEMA')
  EXECUTE FUNCTION ${OWN_SCHEMA}.twoway_on_ddl()`,
  `ALTER EVENT TRIGGER ${TWOWAY_EVENT_TRIGGER} ENABLE ALWAYS`,
];
