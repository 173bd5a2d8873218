/** What a prepared statement takes and gives, without running it. */
import type { BindOptions } from '../../sql/bind/query.ts';
import { bindSelect } from '../../sql/bind/query.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, SqlType } from '../../sql/types.ts';
import { lookupOf } from './binding.ts';
import type { Session, SqlCoordinator } from './state.ts';

export type Description = {
  readonly parameters: readonly SqlType[];
  /** Null for a statement that gives no rows. */
  readonly columns: readonly Column[] | null;
};

/** Throws what running it would throw for names and types. Nothing is changed. */
export function describe(
  state: SqlCoordinator,
  session: Session,
  what: { readonly statement: Statement; readonly types: readonly (SqlType | null)[] },
): Description {
  const { statement, types } = what;
  const options: BindOptions = { parameters: types };
  if (statement.kind !== 'select') return { parameters: [], columns: null };
  const query = bindSelect(statement.select, lookupOf({ state, session }), options);
  return { parameters: query.parameters, columns: query.columns };
}
