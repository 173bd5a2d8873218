/** Functions about the session and the catalog. What they look up stands as values in the plan. */
import { notSupported, sqlError } from '../errors.ts';
import { innerName } from '../functions/table.ts';
import type { Expression } from '../plan.ts';
import type { SqlType } from '../types.ts';
import { formatArray } from '../values/array.ts';
import { coalesce, coerceTo, constant } from './coerce.ts';
import type { Context, SessionFacts } from './context.ts';
import { type Search, search } from './facts.ts';

type Call = {
  readonly name: string;
  readonly args: readonly Expression[];
  readonly context: Context;
  readonly offset: number | undefined;
};

/** The facts of the session; 0A000 where there is none: in a column's default. */
function sessionOf({ binding }: Context, offset: number | undefined): SessionFacts {
  const { session } = binding;
  if (session === null) throw notSupported('a function of the session here', offset);
  binding.usesSession = true;
  return session;
}

const text = (value: string | null): Expression => constant('text', value);
const yes = constant('bool', true);

/** Without arguments. */
const FACTS: ReadonlyMap<string, (session: SessionFacts) => Expression> = new Map([
  ['version', ({ version }) => text(version)],
  ['current_database', ({ database }) => text(database)],
  ['current_catalog', ({ database }) => text(database)],
  ['current_schema', ({ schema }) => text(schema)],
  ['current_user', ({ user }) => text(user)],
  ['current_role', ({ user }) => text(user)],
  ['session_user', ({ user }) => text(user)],
  ['user', ({ user }) => text(user)],
  ['pg_backend_pid', ({ connection }) => constant('int4', connection)],
  ['pg_is_in_recovery', () => constant('bool', false)],
  ['pg_my_temp_schema', () => constant('oid', 0)],
] satisfies [string, (session: SessionFacts) => Expression][]);

/** Of what users may not do there is nothing: all that is visible is permitted. */
const ALLOWED = /^(?:has_\w+_privilege|pg_has_role|row_security_active)$/;
const ALWAYS_VISIBLE =
  /^pg_(?:type|function|operator|opclass|collation|conversion|ts_\w+)_is_visible$/;
const SIZES = new Set(
  'pg_table_size pg_relation_size pg_total_relation_size pg_indexes_size pg_database_size'.split(
    ' ',
  ),
);
const COMMENTS = new Set(['obj_description', 'col_description', 'shobj_description']);
const DEFINITIONS = new Set(['pg_get_viewdef', 'pg_get_indexdef', 'pg_get_constraintdef']);

/** Null for a function of another kind. */
export function bindSystemCall(call: Call): Expression | null {
  const { name, args, context, offset } = call;
  const fact = FACTS.get(name);
  if (fact !== undefined && args.length === 0) return fact(sessionOf(context, offset));
  if (args.length === 0) return null;
  if (ALLOWED.test(name)) return name === 'row_security_active' ? constant('bool', false) : yes;
  if (ALWAYS_VISIBLE.test(name)) return yes;
  if (SIZES.has(name)) return constant('int8', null);
  if (COMMENTS.has(name)) return text(null);
  if (DEFINITIONS.has(name)) return definition(call);
  return lookedUp(call);
}

function lookedUp(call: Call): Expression | null {
  const { name, context, offset } = call;
  switch (name) {
    case 'current_schemas':
      return schemas(call);
    case 'current_setting':
      return setting(call);
    case 'pg_get_userbyid':
      return nameOfOid('role', argument(call, 0, 'oid'), context);
    case 'pg_table_is_visible':
      return search(context, found('class', argument(call, 0, 'oid'), 'isvisible'));
    case 'pg_get_expr':
      return argument(call, 0, 'text');
    case 'format_type':
      return formatType(argument(call, 0, 'oid'), argument(call, 1, 'int4'));
    case 'pg_relation_is_publishable':
      return constant('bool', false);
    case 'pg_tablespace_location':
      return text('');
    case 'to_regclass':
      return regclass(argument(call, 0, 'text'), context, offset);
    default:
      return null;
  }
}

function argument({ name, args, context, offset }: Call, place: number, type: SqlType): Expression {
  const given = args[place];
  if (given === undefined) throw sqlError('42883', `${name} has too few arguments`, { offset });
  const { binding } = context;
  return coerceTo(given, type, { binding, offset, what: `argument of ${name}` });
}

const found = (kind: string, oid: Expression, give: string): Search => ({
  ...{ collection: '?texts', where: { kind, oid }, give },
});

/** The whole statement, or of an index the column whose number is asked for. */
function definition(call: Call): Expression {
  const { name, args, context } = call;
  const oid = argument(call, 0, 'oid');
  const whole = search(context, found('class', oid, 'definition'));
  if (name === 'pg_get_constraintdef') {
    const callee = innerName('after_using', ['text', 'text']);
    return { kind: 'call', type: 'text', name: callee, args: [whole, text('PRIMARY KEY ')] };
  }
  if (name !== 'pg_get_indexdef' || args.length === 1) return whole;
  const attnum = argument(call, 1, 'int4');
  const where = { attrelid: oid, attnum };
  const column = search(context, { collection: 'pg_attribute', where, give: 'attname' });
  const when: Expression = {
    ...{ kind: 'call', type: 'bool', name: 'eq', args: [attnum, constant('int4', 0)] },
  };
  return { kind: 'case', type: 'text', branches: [{ when, result: whole }], otherwise: column };
}

function schemas({ args, context, offset }: Call): Expression {
  const { schema } = sessionOf(context, offset);
  const [all] = args;
  if (all?.kind !== 'constant')
    throw notSupported('current_schemas of what is no constant', offset);
  const names = all.value === true ? ['pg_catalog', schema] : [schema];
  return constant('_text', formatArray(names));
}

function setting({ args, context, offset }: Call): Expression {
  const [name, isOptional] = args;
  if (name?.kind !== 'constant')
    throw notSupported('current_setting of what is no constant', offset);
  const value = sessionOf(context, offset).setting(String(name.value));
  if (value !== null || (isOptional?.kind === 'constant' && isOptional.value === true))
    return text(value);
  throw sqlError('42704', `unrecognized configuration parameter "${String(name.value)}"`, {
    offset,
  });
}

/** NULL of the second means that there is no modifier. */
function formatType(type: Expression, modifier: Expression): Expression {
  const args = [type, coalesce([modifier, constant('int4', -1)])];
  return { kind: 'call', type: 'text', name: innerName('format_type', ['oid', 'int4']), args };
}

/** What has no name is shown as its number. */
function nameOfOid(kind: string, oid: Expression, context: Context): Expression {
  const digits: Expression = { kind: 'cast', type: 'text', arg: oid };
  const name = search(context, found(kind, oid, 'name'));
  if (kind !== 'role') return coalesce([name, digits]);
  const unknown = ['unknown (OID=', ')'].map(text);
  const args = [unknown[0] ?? digits, digits, unknown[1] ?? digits];
  return coalesce([name, { kind: 'call', type: 'text', name: 'concat', args }]);
}

const KINDS: ReadonlyMap<string, string> = new Map([
  ['regclass', 'class'],
  ['regnamespace', 'namespace'],
  ['regrole', 'role'],
]);

export const isRegistered = (type: string): boolean =>
  KINDS.has(type) || type === 'regtype' || type === 'regproc';

/**
 * A cast to `regclass` and the like. Of a number it is the name as text; of a name it is the number: whoever compares it
 * gets what PostgreSQL gives, only that a name which is shown as it is prints its number.
 */
export function bindRegistered(
  type: string,
  arg: Expression,
  { context, offset }: { readonly context: Context; readonly offset: number | undefined },
): Expression {
  const isName = arg.type === 'text' || arg.type === 'unknown';
  if (isName && type === 'regclass') return regclass(arg, context, offset, true);
  if (isName) return byName(type, arg, context, offset);
  const { binding } = context;
  const oid = coerceTo(arg, 'oid', { binding, offset, what: type });
  if (type === 'regtype') return formatType(oid, constant('int4', -1));
  if (type === 'regproc') return { kind: 'cast', type: 'text', arg: oid };
  return nameOfOid(KINDS.get(type) ?? type, oid, context);
}

function constantText(arg: Expression, offset: number | undefined): string {
  if (arg.kind === 'constant' && arg.value !== null) return String(arg.value);
  throw notSupported('a name that is no constant, as a number', offset);
}

function byName(
  type: string,
  arg: Expression,
  context: Context,
  offset: number | undefined,
): Expression {
  const name = constantText(arg, offset);
  if (/^\d+$/.test(name)) return constant('oid', Number(name));
  const kind = KINDS.get(type);
  if (kind === undefined) throw notSupported(`${type} of a name`, offset);
  return search(context, {
    collection: '?texts',
    where: { kind, relname: unquoted(name) },
    give: 'oid',
  });
}

/** The number of a relation that the session finds under the name. `isRequired`: 42P01 when there is none. */
function regclass(
  arg: Expression,
  context: Context,
  offset: number | undefined,
  isRequired = false,
): Expression {
  const name = constantText(arg, offset);
  if (/^\d+$/.test(name)) return constant('oid', Number(name));
  const parts = (name.match(/"(?:[^"]|"")*"|[^.]+/g) ?? []).map(unquoted);
  const [last = '', schema] = [...parts].reverse();
  const own = sessionOf(context, offset).schema;
  const isThere = context.binding.lookup({ parts, offset: offset ?? 0 }) !== null;
  if (!isThere && isRequired && !/_(?:pkey|idx\d*)$/.test(last)) {
    throw sqlError('42P01', `relation "${name}" does not exist`, { offset });
  }
  const places = schema === undefined ? ['pg_catalog', own] : [schema];
  const ways = places.map((nspname) =>
    search(context, {
      ...{ collection: '?texts', give: 'oid' },
      where: { kind: 'class', relname: last, nspname },
    }),
  );
  return coalesce(ways);
}

const unquoted = (part: string): string =>
  part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.trim().toLowerCase();
