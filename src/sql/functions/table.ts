/** All scalar functions: by the name that SQL uses, and by the name that plans use. */
import type { SqlType } from '../types.ts';
import { castFunctions } from './casts.ts';
import { catalogFunctions } from './catalog.ts';
import type { SqlFunction } from './definition.ts';
import { integerFunctions } from './integers.ts';
import { jsonFunctions } from './jsons.ts';
import { keyFunctions } from './keys.ts';
import { numberFunctions } from './numbers.ts';
import { seriesFunctions } from './series.ts';
import { textFunctions } from './texts.ts';
import { timeFunctions } from './times.ts';

/** What SQL can call by name or operator. */
const NAMED: readonly SqlFunction[] = [
  ...integerFunctions,
  ...numberFunctions,
  ...textFunctions,
  ...timeFunctions,
  ...jsonFunctions,
  ...catalogFunctions,
];

/** Called by the binder for functions in FROM. */
const MAKERS: readonly SqlFunction[] = seriesFunctions;

/** Made by the binder only: no name of SQL leads to them. */
const INNER = new Set(['fit_numeric', 'fit_text', 'truncate_text', 'after_using', 'format_type']);

const BY_SQL_NAME = new Map<string, SqlFunction[]>();
for (const one of NAMED) {
  if (INNER.has(one.sqlName)) continue;
  const others = BY_SQL_NAME.get(one.sqlName);
  if (others === undefined) BY_SQL_NAME.set(one.sqlName, [one]);
  else others.push(one);
}

/** Every function that can stand in a plan, each once. */
export const allFunctions: readonly SqlFunction[] = [
  ...new Map(
    [...NAMED, ...MAKERS, ...keyFunctions, ...castFunctions].map((one) => [one.name, one]),
  ).values(),
];

const BY_NAME: ReadonlyMap<string, SqlFunction> = new Map(
  allFunctions.map((one) => [one.name, one]),
);

/** Of one name in SQL: a function's or an operator's. Unary and binary operators are told by their arguments. */
export const overloadsOf = (sqlName: string): readonly SqlFunction[] =>
  BY_SQL_NAME.get(sqlName) ?? MAKERS.filter((one) => one.sqlName === sqlName);

export const functionOf = (name: string): SqlFunction | undefined => BY_NAME.get(name);

export const sqlNames: readonly string[] = [...BY_SQL_NAME.keys()];

/** A call of a function of ours by the name that SQL would use: `innerName('fit_text', ['text', 'int4'])`. */
export const innerName = (sqlName: string, args: readonly SqlType[]): string =>
  [sqlName, ...args].join('_');
