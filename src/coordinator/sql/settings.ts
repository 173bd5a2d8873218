/** SET and SHOW of settings: where names are looked up, isolation, and what clients of PostgreSQL send. */
import { sqlError } from '../../sql/errors.ts';
import type { Statement } from '../../sql/statement.ts';
import { type Context, transactionOf } from './context.ts';
import { FIXED, findSetting, ISOLATIONS, KEPT, type Names } from './setting-values.ts';
import type { Session } from './state.ts';
import { readTimeout } from './timeout-text.ts';
import type { Response } from './types.ts';

export function setVariable(
  context: Context,
  { variable, value, offset }: Statement & { readonly kind: 'set' },
): Response {
  const name = variable.toLowerCase();
  noteSettings(context);
  if (name === 'database') setDatabase(context, value, offset);
  else if (name === 'schema' || name === 'search_path') setSchema(context, value, offset);
  else if (name === 'transaction_isolation') setIsolation(context, value, offset);
  else if (name === 'statement_timeout') setStatementTimeout(context, value, offset);
  else keep(context, { name, value, offset });
  return { kind: 'set', name };
}

/** Before the first SET of a transaction. */
function noteSettings(context: Context): void {
  const { database, schema, isolation, timeoutMs, settings } = context.session;
  transactionOf(context).before ??= { database, schema, isolation, timeoutMs, settings };
}

/** What a transaction has set goes with it. */
export function undoSettings(session: Session): void {
  const before = session.transaction?.before ?? null;
  if (before !== null) Object.assign(session, before);
}

/** Throws 42704 for a name that is none. */
export function settingOf(names: Names, variable: string, offset: number): string {
  const value = findSetting(names, variable);
  if (value !== null) return value;
  throw sqlError('42704', `unrecognized configuration parameter "${variable}"`, { offset });
}

function setDatabase({ state, session }: Context, value: string | null, offset: number): void {
  const database = value ?? state.options.database;
  if (!state.catalog.databases.has(database)) {
    throw sqlError('3D000', `unknown database ${database}`, { offset });
  }
  session.database = database;
}

function setSchema({ state, session }: Context, value: string | null, offset: number): void {
  const schema = value ?? state.options.schema;
  if (state.catalog.databases.get(session.database)?.schemas.has(schema) !== true) {
    throw sqlError('3F000', `unknown schema ${schema}`, { offset });
  }
  session.schema = schema;
}

function setStatementTimeout(
  { state, session }: Context,
  value: string | null,
  offset: number,
): void {
  session.timeoutMs =
    value === null ? state.options.statementTimeoutMs : readTimeout(value, offset);
}

function setIsolation(context: Context, value: string | null, offset: number): void {
  const { state, session } = context;
  if (transactionOf(context).operation !== 'none') {
    throw sqlError('25001', 'the isolation is set before the first query of a transaction', {
      offset,
    });
  }
  const isolation = value === null ? state.options.isolation : ISOLATIONS.get(value.toLowerCase());
  if (isolation === undefined) {
    const hint = `one of: ${[...ISOLATIONS.keys()].join(', ')}`;
    throw sqlError('22023', `no isolation level is called ${value}`, { offset, hint });
  }
  session.isolation = isolation;
}

function keep(
  { session }: Context,
  { name, value, offset }: { name: string; value: string | null; offset: number },
): void {
  const usual = KEPT.get(name);
  if (usual === undefined) {
    throw sqlError('42704', `unrecognized configuration parameter "${name}"`, { offset });
  }
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, '');
  if (FIXED.has(name) && value !== null && !plain(usual).startsWith(plain(value))) {
    throw sqlError('0A000', `${name} is always ${usual}`, { offset });
  }
  const settings = new Map(session.settings);
  if (value === null) settings.delete(name);
  else settings.set(name, value);
  session.settings = settings;
}
