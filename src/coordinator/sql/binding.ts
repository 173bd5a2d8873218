/** Names become items: queries, changes and times of a session, bound against its catalog. */
import type { Lookup, SessionFacts } from '../../sql/bind/context.ts';
import { bindScalar, bindSelect } from '../../sql/bind/query.ts';
import { sqlError } from '../../sql/errors.ts';
import { evaluateStored } from '../../sql/evaluate.ts';
import type { SelectStmt } from '../../sql/pg-parser.ts';
import type { Query } from '../../sql/plan.ts';
import type { AsOf, Name, RelationOf } from '../../sql/statement.ts';
import { UNIX_EPOCH_MICROS } from '../../sql/values/datetime.ts';
import { isRelation, lookUp, type Relation, resolve } from './catalog.ts';
import { type Context, transactionOf } from './context.ts';
import { withParameters } from './expand.ts';
import { findSetting } from './setting-values.ts';
import { systemRelation } from './system/relations.ts';
import type { Time } from './worker.ts';

/** What names are looked up in. */
export type Names = Pick<Context, 'state' | 'session'>;

/** Throws `SqlError` for names that are unknown, types that do not match, and what is not supported. */
export function bindQuery(context: Context, select: SelectStmt): Query {
  const parameters = context.session.batch?.parameters ?? null;
  const session = factsOf(context);
  if (parameters === null) return bindSelect(select, lookupOf(context), { session });
  const { types, values } = parameters;
  const query = bindSelect(select, lookupOf(context), { parameters: types, session });
  return withParameters(query, values);
}

/** All of an item, or a query. */
export function bindRelation(context: Context, relation: RelationOf): Query {
  if (relation.kind === 'query') return bindQuery(context, relation.select);
  const item = readable(context, relation.name);
  const { columns } = item;
  return {
    columns,
    plan: { kind: 'get', columns, item: item.id },
    order: [],
    items: [item.id],
    parameters: [],
    usesLogicalTimestamp: false,
    usesNow: false,
    usesSession: false,
  };
}

/** A number is a time as it is; a timestamp one in milliseconds since 1970. */
export function timeOf(context: Context, { expression }: AsOf): Time {
  const { now } = transactionOf(context);
  const bound = bindScalar(expression);
  const isClock = bound.type === 'timestamptz' || bound.type === 'timestamp';
  const stored = evaluateStored(bound, { now });
  const value = isClock ? Number(stored) / 1000 - Number(UNIX_EPOCH_MICROS) / 1000 : stored;
  const time = Math.floor(Number(value));
  if (stored !== null && Number.isSafeInteger(time) && time >= 0) return time;
  throw sqlError('22023', `AS OF ${String(stored)} is no time`);
}

/** Names of tables, sources, views and system collections; of anything else nothing can be read. */
export function lookupOf({ state, session }: Names): Lookup {
  return (name) => {
    const system = systemRelation({ state, session }, name);
    if (system !== null) return system;
    const item = lookUp(state.catalog, name, session);
    return item !== undefined && isRelation(item) ? { item: item.id, columns: item.columns } : null;
  };
}

/** What `current_user` and the like are. */
export function factsOf({ state, session }: Names): SessionFacts {
  const { user, database, schema, connection } = session;
  const { product } = state.options;
  const setting = (name: string): string | null => findSetting({ state, session }, name);
  return { user, database, schema, connection, setting, version: product };
}

function readable({ state, session }: Context, name: Name): Relation {
  const item = resolve(state.catalog, name, session);
  if (isRelation(item)) return item;
  throw sqlError('42809', `${item.at.name} has no rows`, { offset: name.offset });
}
