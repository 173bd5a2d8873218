/** What a prepared statement takes and gives, without running it. */
import { bindSelect } from '../../sql/bind/query.ts';
import type { Statement } from '../../sql/statement.ts';
import type { Column, SqlType } from '../../sql/types.ts';
import { bindRelation, factsOf, lookupOf } from './binding.ts';
import { changeQuery } from './changes.ts';
import type { Context } from './context.ts';
import { explain } from './explain.ts';
import { show } from './show.ts';
import type { Session, SqlCoordinator } from './state.ts';
import { subscriptionColumns } from './subscriptions.ts';
import type { Response } from './types.ts';

export type Description = {
  readonly parameters: readonly SqlType[];
  /** Null for a statement that gives no rows. */
  readonly columns: readonly Column[] | null;
};

const NOTHING: Description = { parameters: [], columns: null };

/** Throws what running it would throw for names and types. Nothing is changed. */
export function describe(
  state: SqlCoordinator,
  session: Session,
  what: { readonly statement: Statement; readonly types: readonly (SqlType | null)[] },
): Description {
  const { statement, types } = what;
  const context: Context = { state, session, out: [], woken: [] };
  const options = { parameters: types, session: factsOf(context) };
  switch (statement.kind) {
    case 'select': {
      const { parameters, columns } = bindSelect(statement.select, lookupOf(context), options);
      return { parameters, columns };
    }
    case 'insert':
    case 'update':
    case 'delete': {
      const { parameters } = changeQuery(context, statement, options);
      return { parameters, columns: null };
    }
    case 'subscribe': {
      const query = bindRelation(context, statement.relation);
      return { parameters: [], columns: subscriptionColumns(query, statement.hasProgress) };
    }
    case 'show':
      return columnsOf(show(context, statement));
    case 'explain':
      return columnsOf(explain(context, statement));
    case 'fetch': {
      const declared = session.cursors.get(statement.cursor)?.statement;
      if (declared === undefined) return NOTHING;
      return describe(state, session, { statement: declared, types: [] });
    }
    default:
      return NOTHING;
  }
}

function columnsOf(response: Response): Description {
  return response.kind === 'rows' ? { parameters: [], columns: response.columns } : NOTHING;
}
