/**
 * The ways in which a coordinator script can be meant. Scripts of different years expect different answers to one and
 * the same query, so a file says of which kind it is: `#: profile=NAME`.
 */
import { SQL_PROFILES } from '../../coordinator/sql/profiles.ts';
import type { SqlOptions } from '../../coordinator/sql/types.ts';

export type Profile = {
  readonly options: SqlOptions;
  /** Rust's debug form, or tables. */
  readonly prints: 'debug' | 'plain';
  /** Who waits for rows hands on only answers of peeks; or everything that is not filtered, a clock step at a time. */
  readonly waits: 'answers' | 'steps';
  /** A failing statement is output; otherwise it breaks the case. */
  readonly showsErrors: boolean;
};

const HISTORIC: Profile = {
  options: SQL_PROFILES.default,
  prints: 'debug',
  waits: 'answers',
  showsErrors: false,
};

export const PROFILES: Readonly<Record<string, Profile>> = {
  /** Ours, printed as tables. */
  plain: { options: SQL_PROFILES.ours, prints: 'plain', waits: 'answers', showsErrors: true },
  /** Ours, printed as they did: the profile of a file that names none. */
  coordtest: HISTORIC,
  'generation-a': { ...HISTORIC, options: SQL_PROFILES.a },
  'generation-a-explicit': { ...HISTORIC, options: SQL_PROFILES['a-explicit'] },
  'generation-a-errors': { ...HISTORIC, options: SQL_PROFILES.a, showsErrors: true },
  'generation-b': { ...HISTORIC, options: SQL_PROFILES.b, waits: 'steps' },
  'generation-b-explicit': { ...HISTORIC, options: SQL_PROFILES['b-explicit'], waits: 'steps' },
};
