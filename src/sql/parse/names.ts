/** Small parts that many statements share: names, lists, options. */
import { sqlError } from '../errors.ts';
import type { Node, RangeVar } from '../pg-parser.ts';
import type { Name } from '../statement.ts';
import type { TokenReader } from './tokens.ts';

/** `a`, `a.b`, `a.b.c`. */
export function readName(reader: TokenReader): Name {
  const { offset } = reader;
  const parts = [reader.name()];
  while (reader.takes('.')) parts.push(reader.name());
  if (parts.length > 3) {
    throw sqlError('42601', `improper qualified name: ${parts.join('.')}`, { offset });
  }
  return { parts, offset };
}

/** `(a, b, c)`, or null when no parenthesis follows. */
export function readColumnNames(reader: TokenReader): readonly string[] | null {
  if (!reader.takes('(')) return null;
  const names = [reader.name()];
  while (reader.takes(',')) names.push(reader.name());
  reader.expect(')');
  return names;
}

export function readNames(reader: TokenReader): readonly Name[] {
  const names = [readName(reader)];
  while (reader.takes(',')) names.push(readName(reader));
  return names;
}

export const takesIfNotExists = (reader: TokenReader): boolean =>
  reader.takes('if', 'not', 'exists');

export type OptionValue = string | number | boolean;

/** `(name = value, name, ...)`: a name alone is true. Names out of `allowed`. */
export function readOptions<K extends string>(
  reader: TokenReader,
  allowed: readonly K[],
): ReadonlyMap<K, OptionValue> {
  const options = new Map<K, OptionValue>();
  reader.expect('(');
  do {
    const { offset } = reader;
    const word = reader.name();
    const name = allowed.find((one) => one === word);
    if (name === undefined) {
      throw sqlError('42601', `unrecognized option "${word}"`, {
        offset,
        hint: `there are: ${allowed.join(', ')}`,
      });
    }
    options.set(
      name,
      reader.takes('=') ? readValue(reader) : !isValue(reader) || readValue(reader),
    );
  } while (reader.takes(','));
  reader.expect(')');
  return options;
}

const isValue = (reader: TokenReader): boolean => !reader.sees(',') && !reader.sees(')');

function readValue(reader: TokenReader): OptionValue {
  const { next } = reader;
  if (next?.kind === 'string') return reader.text();
  if (next?.kind === 'number') return reader.count();
  if (reader.takes('true') || reader.takes('on')) return true;
  if (reader.takes('false') || reader.takes('off')) return false;
  return reader.name();
}

/** A boolean option; its absence is `otherwise`. */
export function flagOf(value: OptionValue | undefined, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value === 'boolean') return value;
  const word = String(value).toLowerCase();
  if (['true', 't', 'on', '1'].includes(word)) return true;
  if (['false', 'f', 'off', '0'].includes(word)) return false;
  throw sqlError('22023', `"${value}" is not true or false`);
}

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['us', 0.001],
  ['ms', 1],
  ['s', 1000],
  ['sec', 1000],
  ['m', 60_000],
  ['min', 60_000],
  ['h', 3_600_000],
  ['hour', 3_600_000],
  ['d', 86_400_000],
  ['day', 86_400_000],
]);

/** `'1ms'`, `'10 mins'`, `500`: a length of time in milliseconds. */
export function durationMs(value: OptionValue): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/.exec(String(value).toLowerCase());
  const word = match?.[2] ?? '';
  const unit = UNITS_MS.get(word) ?? UNITS_MS.get(word.replace(/s$/, ''));
  if (match === null || unit === undefined) {
    throw sqlError('22023', `"${value}" is not a length of time`, {
      hint: "write it as '1ms', '10s', '5min' or '1h'",
    });
  }
  return Number(match[1]) * unit;
}

/** The name of a table in a parse tree. */
export function nameOf(range: RangeVar | undefined): Name {
  const parts = [range?.catalogname, range?.schemaname, range?.relname];
  return {
    parts: parts.filter((part): part is string => part !== undefined && part !== ''),
    offset: range?.location ?? 0,
  };
}

/** The text of a `String` node. */
export function stringOf(node: Node | undefined): string {
  return node !== undefined && 'String' in node ? (node.String.sval ?? '') : '';
}
