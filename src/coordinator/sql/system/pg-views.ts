/** The views of `pg_catalog` that people read themselves. */
import { allSettings } from '../setting-values.ts';
import { type Collection, columnsOf } from './collection.ts';
import { definitionOf } from './definitions.ts';
import { OWNER, type ShownObject, type SystemView } from './objects.ts';

const view = (name: string, list: string, rows: Collection['rows']): Collection => ({
  ...{ schema: 'pg_catalog', name, oid: null, columns: columnsOf(list), rows },
});

const ofKind = ({ objects }: SystemView, kind: ShownObject['kind']): readonly ShownObject[] =>
  objects.filter((object) => object.kind === kind);

const hasIndex = ({ indexes }: SystemView, { oid }: ShownObject): boolean =>
  indexes.some(({ on }) => on.oid === oid);

export const pgViews: readonly Collection[] = [
  view(
    'pg_tables',
    `schemaname:name tablename:name tableowner:name tablespace:name? hasindexes:bool hasrules:bool hastriggers:bool
    rowsecurity:bool`,
    (all) =>
      ofKind(all, 'r').map((object) => ({
        ...{ schemaname: object.schema, tablename: object.name, tableowner: OWNER },
        hasindexes: hasIndex(all, object),
      })),
  ),
  view('pg_views', 'schemaname:name viewname:name viewowner:name definition:text?', (all) =>
    ofKind(all, 'v').map((object) => ({
      ...{ schemaname: object.schema, viewname: object.name, viewowner: OWNER },
      definition: definitionOf(all, object),
    })),
  ),
  view(
    'pg_matviews',
    `schemaname:name matviewname:name matviewowner:name tablespace:name? hasindexes:bool ispopulated:bool
    definition:text?`,
    (all) =>
      ofKind(all, 'm').map((object) => ({
        ...{ schemaname: object.schema, matviewname: object.name, matviewowner: OWNER },
        ...{ hasindexes: true, ispopulated: true, definition: definitionOf(all, object) },
      })),
  ),
  view(
    'pg_indexes',
    'schemaname:name tablename:name indexname:name tablespace:name? indexdef:text?',
    (all) =>
      all.indexes.map(({ object, on }) => ({
        ...{ schemaname: object.schema, tablename: on.name, indexname: object.name },
        indexdef: definitionOf(all, object),
      })),
  ),
  view(
    'pg_settings',
    `name:text setting:text unit:text? category:text short_desc:text context:text vartype:text source:text
    boot_val:text? reset_val:text?`,
    (all) =>
      allSettings(all).map(([name, setting]) => ({
        ...{ name, setting, category: 'Tidelock', context: 'user', vartype: 'string' },
        ...{ source: 'default', boot_val: setting, reset_val: setting },
      })),
  ),
  view(
    'pg_stat_activity',
    `datid:oid? datname:name? pid:int4 usesysid:oid? usename:name? application_name:text client_addr:text?
    backend_start:timestamptz? state:text? query:text backend_type:text`,
    ({ state }) =>
      [...state.sessions.values()].map((one) => ({
        ...{ datname: one.database, pid: one.connection, usename: one.user },
        application_name: one.settings.get('application_name') ?? '',
        state: one.running === null && one.batch === null ? 'idle' : 'active',
        backend_type: 'client backend',
      })),
  ),
  view('pg_user', 'usename:name usesysid:oid usecreatedb:bool usesuper:bool', ({ session }) =>
    [...new Set([OWNER, session.user])].map((usename) => ({
      usename,
      usesuper: usename === OWNER,
    })),
  ),
];
