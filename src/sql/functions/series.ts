/** What functions in FROM make: a JSON array as text, of which each element is a row. */
import { sqlError } from '../errors.ts';
import { parseArray } from '../values/array.ts';
import { type Interval, intervalLength } from '../values/interval.ts';
import { define, refuseFunction, type SqlFunction } from './definition.ts';
import { addToTimestamp } from './times.ts';

/** Of one series. */
const ELEMENTS_MAX = 1_000_000;

function whole(from: bigint, to: bigint, step: bigint): string {
  if (step === 0n) throw sqlError('22023', 'step size cannot equal zero');
  const elements: bigint[] = [];
  for (let at = from; step > 0n ? at <= to : at >= to; at += step) push(elements, at);
  return `[${elements.join(',')}]`;
}

function push<T>(elements: T[], one: T): void {
  if (elements.length >= ELEMENTS_MAX) {
    throw sqlError('54000', `a series has at most ${ELEMENTS_MAX} elements`);
  }
  elements.push(one);
}

function times(from: bigint, to: bigint, step: Interval): string {
  const direction = intervalLength(step);
  if (direction === 0n) throw sqlError('22023', 'step size cannot equal zero');
  const elements: bigint[] = [];
  for (let at = from; direction > 0n ? at <= to : at >= to; at = addToTimestamp(at, step)) {
    push(elements, at);
  }
  return `[${elements.join(',')}]`;
}

const integers = (['int4', 'int8'] as const).flatMap((type) => [
  define(`series_of(${type}, ${type}) text`, (from, to) => whole(from, to, 1n)),
  define(`series_of(${type}, ${type}, ${type}) text`, whole),
]);

/** Their names are not SQL's: the binder calls them for `generate_series` and `unnest` in FROM. */
export const seriesFunctions: readonly SqlFunction[] = [
  ...integers,
  refuseFunction('series_of(numeric, numeric) text'),
  refuseFunction('series_of(numeric, numeric, numeric) text'),
  define('series_of(timestamp, timestamp, interval) text', times),
  define('series_of(timestamptz, timestamptz, interval) text', times),
  define('elements_of(_text) text', (array) => JSON.stringify(parseArray(array))),
];
