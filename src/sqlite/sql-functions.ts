/** Gives a connection the functions and aggregates that compiled queries call. */
import type { SQLInputValue } from 'node:sqlite';
import type { SqlAggregate } from '../sql/functions/aggregates.ts';
import { sqlAggregates, sqlFunctions } from '../sql/functions/sqlite.ts';
import type { FunctionSql } from './sql.ts';

const FORM = { useBigIntArguments: true, varargs: true };

export function registerSqlFunctions(sql: Pick<FunctionSql, 'function' | 'aggregate'>): void {
  for (const { name, isDeterministic, implementation } of sqlFunctions) {
    sql.function(name, { ...FORM, deterministic: isDeterministic }, implementation);
  }
  for (const aggregate of sqlAggregates) addAggregate(sql, aggregate);
}

type State = ReturnType<SqlAggregate['start']>;

/** The driver carries states as they are, whatever its types say. */
function addAggregate(
  sql: Pick<FunctionSql, 'aggregate'>,
  { name, start, step, result }: SqlAggregate,
): void {
  const carried = (state: State): SQLInputValue => state as unknown as SQLInputValue;
  const own = (state: SQLInputValue): State => state as unknown as State;
  sql.aggregate(name, {
    ...FORM,
    start: () => carried(start()),
    step: (state, ...values) => {
      step(own(state), values);
      return state;
    },
    result: (state) => result(own(state)),
  });
}
