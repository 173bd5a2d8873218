/** Looking into `jsonb`. */
import { sqlError } from '../errors.ts';
import { itemOf, type Json, jsonToText, memberOf } from '../values/json.ts';
import { define, refuseFunction, type SqlFunction } from './definition.ts';

/** The type's name in PostgreSQL's words. */
const typeOf = (value: Json): string => value.kind;

function arrayLength(value: Json): bigint {
  if (value.kind === 'array') return BigInt(value.items.length);
  throw sqlError(
    '22023',
    value.kind === 'object'
      ? 'cannot get array length of a non-array'
      : 'cannot get array length of a scalar',
  );
}

function has(value: Json, key: string): boolean {
  if (value.kind === 'object') return value.entries.some(([name]) => name === key);
  if (value.kind === 'string') return value.text === key;
  return (
    value.kind === 'array' && value.items.some((one) => one.kind === 'string' && one.text === key)
  );
}

export const jsonFunctions: readonly SqlFunction[] = [
  define('->(jsonb, text) jsonb', (a, key) => memberOf(a, key) ?? null),
  define('->(jsonb, int4) jsonb', (a, index) => itemOf(a, index) ?? null),
  define('->>(jsonb, text) text', (a, key) => jsonToText(memberOf(a, key))),
  define('->>(jsonb, int4) text', (a, index) => jsonToText(itemOf(a, index))),
  define('?(jsonb, text) bool', has),
  define('jsonb_typeof(jsonb) text', typeOf),
  define('jsonb_array_length(jsonb) int4', arrayLength),
  ...['@>', '<@', '||'].map((name) => refuseFunction(`${name}(jsonb, jsonb) bool`)),
  refuseFunction('-(jsonb, text) jsonb'),
  refuseFunction('-(jsonb, int4) jsonb'),
];
