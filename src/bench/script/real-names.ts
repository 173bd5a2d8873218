/** How directives of the real world name what they are about: `pg`, `server`, `replica:a`, `session:s`. */
import type { Arguments } from '../../script/arguments.ts';
import type { Call } from '../../script/run.ts';

/** What a directive does; its output is what is seen. */
export type Directive = (call: Call) => string | Promise<string>;
export type Directives = Readonly<Record<string, Directive>>;

export type Party =
  | { readonly kind: 'pg' }
  | { readonly kind: 'server' }
  | { readonly kind: 'replica'; readonly name: string }
  | { readonly kind: 'session'; readonly name: string };

/** The value of `key`, which must be one of these kinds. */
export function partyOf<K extends Party['kind']>(
  args: Arguments,
  key: string,
  kinds: readonly K[],
): Extract<Party, { kind: K }> {
  const text = args.text(key);
  const [kind = '', name] = text.split(':');
  const isKnown = kinds.some((known) => known === kind);
  const isNamed = kind === 'replica' || kind === 'session';
  if (isKnown && isNamed === (name !== undefined && name !== '')) {
    return (isNamed ? { kind, name } : { kind }) as Extract<Party, { kind: K }>;
  }
  const forms = kinds.map((known) =>
    known === 'replica' || known === 'session' ? `${known}:NAME` : known,
  );
  throw args.error(key, `${key}=${text} is unknown`, `one of: ${forms.join(', ')}`);
}

/** The one of these flags that is there: `server start`. */
export function verbOf<T extends string>(args: Arguments, verbs: readonly T[]): T {
  const found = verbs.filter((verb) => args.flag(verb));
  if (found.length === 1 && found[0] !== undefined) return found[0];
  const named = found.length === 0 ? 'no verb' : `both ${found.join(' and ')}`;
  throw args.error(found[1] ?? '', `${named}`, `one of: ${verbs.join(', ')}`);
}

const DURATION = /^(-?\d+)(ms|s|min|h|d)$/;
const MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Milliseconds of `5s`, `-2h`. */
export function durationIn(args: Arguments, key: string): number {
  const text = args.text(key);
  const [, count, unit = ''] = DURATION.exec(text) ?? [];
  const ms = Number(count) * (MS[unit] ?? Number.NaN);
  if (Number.isFinite(ms)) return ms;
  throw args.error(key, `${text} is not a time`, `write ${key}=500ms, 5s, 3min, 2h, 1d`);
}

/** A position as Postgres prints it, also by the name that a normaliser gave it. */
export function positionIn({ args, names }: Call): string | undefined {
  const text = args.optional('position');
  return text === undefined ? undefined : (names.actual(text) ?? text);
}
