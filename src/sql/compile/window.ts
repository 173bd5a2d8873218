/** Window functions in SQLite's SQL. */
import type { WindowCall } from '../plan.ts';
import type { SqlType } from '../types.ts';
import { compileExpression, type Environment, equalKey, functionName } from './expression.ts';
import { noOrdinal, orderTerms, tieTerms } from './order.ts';

/** `types`: of the columns of the row, which tell equal rows apart where their order matters. */
export function compileWindow(
  call: WindowCall,
  environment: Environment,
  types: readonly SqlType[],
): string {
  const { name, filter } = call;
  const args = call.args.map((arg) => compileExpression(arg, environment));
  const where = filter === null ? '' : ` FILTER (WHERE ${compileExpression(filter, environment)})`;
  const over = `OVER (${windowOf(call, environment, types)})`;
  if (name === 'avg') {
    const [sum, count] = ['sum', 'count'].map((one) => `${one}(${args[0]})${where} ${over}`);
    return `${functionName('average_of_halves')}(iif(${sum} IS NULL, NULL, 0), ${sum}, ${count})`;
  }
  const list = name === 'count' && args.length === 0 ? '*' : args.join(', ');
  return `${name}(${list})${where} ${over}`;
}

function windowOf(
  { partition, order, frame, needsTies }: WindowCall,
  environment: Environment,
  types: readonly SqlType[],
): string {
  const keys = partition.map((one) =>
    noOrdinal(one.type, equalKey(one.type, compileExpression(one, environment))),
  );
  const ties = needsTies ? tieTerms(types, environment.columns) : [];
  const terms = [...orderTerms(order, environment), ...ties];
  return [
    keys.length === 0 ? '' : `PARTITION BY ${keys.join(', ')}`,
    terms.length === 0 ? '' : `ORDER BY ${terms.join(', ')}`,
    frame,
  ].join(' ');
}
