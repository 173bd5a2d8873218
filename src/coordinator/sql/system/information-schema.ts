/** `information_schema`, which is the same in every database of SQL. */
import { longName } from '../../../sql/type-names.ts';
import type { Column } from '../../../sql/types.ts';
import { type Collection, columnsOf, type SystemRow } from './collection.ts';
import { defaultOf, definitionOf } from './definitions.ts';
import { OWNER, type ShownIndex, type ShownObject, type SystemView } from './objects.ts';

const view = (name: string, list: string, rows: Collection['rows']): Collection => ({
  ...{ schema: 'information_schema', name, oid: null, columns: columnsOf(list), rows },
});

/** As PostgreSQL: neither materialized views nor indexes. */
const listed = ({ objects }: SystemView): readonly ShownObject[] =>
  objects.filter(({ kind }) => kind === 'r' || kind === 'v');

const place = (all: SystemView, { schema, name }: ShownObject): SystemRow => ({
  ...{ table_catalog: all.session.database, table_schema: schema, table_name: name },
});

function columnRow(all: SystemView, object: ShownObject, column: Column, index: number): SystemRow {
  const { type, modifier } = column;
  const [first = null, second = null] = modifier ?? [];
  const isVarchar = type === 'text' && first !== null;
  const bits = BITS.get(type) ?? null;
  return {
    ...place(all, object),
    ...{ column_name: column.name, ordinal_position: index + 1 },
    column_default: defaultOf(object, index),
    is_nullable: column.isNullable || object.kind !== 'r' ? 'YES' : 'NO',
    data_type: isVarchar ? 'character varying' : type === '_text' ? 'ARRAY' : longName(type),
    character_maximum_length: isVarchar ? first : null,
    numeric_precision: type === 'numeric' ? first : bits,
    numeric_precision_radix: type === 'numeric' ? 10 : bits === null ? null : 2,
    numeric_scale: type === 'numeric' ? second : bits === null || bits < 16 ? null : scaleOf(type),
    datetime_precision: PRECISIONS.get(type) ?? null,
    ...{ udt_catalog: all.session.database, udt_schema: 'pg_catalog' },
    udt_name: isVarchar ? 'varchar' : type,
    ...{ dtd_identifier: String(index + 1), is_identity: 'NO', is_generated: 'NEVER' },
    is_updatable: object.item?.kind === 'table' ? 'YES' : 'NO',
  };
}

const BITS: ReadonlyMap<string, number> = new Map([
  ['int2', 16],
  ['int4', 32],
  ['int8', 64],
  ['float4', 24],
  ['float8', 53],
]);

const scaleOf = (type: Column['type']): number | null => (type.startsWith('int') ? 0 : null);

const PRECISIONS: ReadonlyMap<string, number> = new Map([
  ['date', 0],
  ['timestamp', 6],
  ['timestamptz', 6],
  ['interval', 6],
]);

const keys = ({ indexes }: SystemView): readonly ShownIndex[] =>
  indexes.filter(({ isKey }) => isKey);

const constraint = (all: SystemView, { object, on }: ShownIndex): SystemRow => ({
  constraint_catalog: all.session.database,
  ...{ constraint_schema: object.schema, constraint_name: object.name },
  ...place(all, on),
});

export const informationSchema: readonly Collection[] = [
  view(
    'tables',
    `table_catalog:name table_schema:name table_name:name table_type:text self_referencing_column_name:name?
    reference_generation:text? user_defined_type_catalog:name? user_defined_type_schema:name?
    user_defined_type_name:name? is_insertable_into:text is_typed:text commit_action:text?`,
    (all) =>
      listed(all).map((object) => ({
        ...place(all, object),
        table_type: object.kind === 'v' ? 'VIEW' : 'BASE TABLE',
        ...{ is_insertable_into: object.item?.kind === 'table' ? 'YES' : 'NO', is_typed: 'NO' },
      })),
  ),
  view(
    'columns',
    `table_catalog:name table_schema:name table_name:name column_name:name ordinal_position:int4 column_default:text?
    is_nullable:text data_type:text character_maximum_length:int4? character_octet_length:int4?
    numeric_precision:int4? numeric_precision_radix:int4? numeric_scale:int4? datetime_precision:int4?
    interval_type:text? character_set_name:name? collation_name:name? domain_name:name? udt_catalog:name
    udt_schema:name udt_name:name dtd_identifier:text is_identity:text identity_generation:text? is_generated:text
    generation_expression:text? is_updatable:text`,
    (all) =>
      listed(all).flatMap((object) =>
        object.columns.map((column, index) => columnRow(all, object, column, index)),
      ),
  ),
  view(
    'views',
    `table_catalog:name table_schema:name table_name:name view_definition:text? check_option:text
    is_updatable:text is_insertable_into:text`,
    (all) =>
      listed(all)
        .filter(({ kind }) => kind === 'v')
        .map((object) => ({
          ...{ ...place(all, object), view_definition: definitionOf(all, object) },
          ...{ check_option: 'NONE', is_updatable: 'NO', is_insertable_into: 'NO' },
        })),
  ),
  view(
    'schemata',
    'catalog_name:name schema_name:name schema_owner:name default_character_set_name:name?',
    ({ session, schemas }) =>
      schemas.map(({ name }) => ({
        ...{ catalog_name: session.database, schema_name: name, schema_owner: OWNER },
      })),
  ),
  view(
    'table_constraints',
    `constraint_catalog:name constraint_schema:name constraint_name:name table_catalog:name table_schema:name
    table_name:name constraint_type:text is_deferrable:text initially_deferred:text enforced:text`,
    (all) =>
      keys(all).map((key) => ({
        ...{ ...constraint(all, key), constraint_type: 'PRIMARY KEY' },
        ...{ is_deferrable: 'NO', initially_deferred: 'NO', enforced: 'YES' },
      })),
  ),
  view(
    'key_column_usage',
    `constraint_catalog:name constraint_schema:name constraint_name:name table_catalog:name table_schema:name
    table_name:name column_name:name ordinal_position:int4 position_in_unique_constraint:int4?`,
    (all) =>
      keys(all).flatMap((key) =>
        key.object.columns.map(({ name }, index) => ({
          ...{ ...constraint(all, key), column_name: name, ordinal_position: index + 1 },
        })),
      ),
  ),
  view(
    'constraint_column_usage',
    `table_catalog:name table_schema:name table_name:name column_name:name constraint_catalog:name
    constraint_schema:name constraint_name:name`,
    (all) =>
      keys(all).flatMap((key) =>
        key.object.columns.map(({ name }) => ({ ...constraint(all, key), column_name: name })),
      ),
  ),
];
