/** Coordinators by name: ours, and those of 2021 and 2022 whose scripts still run here. */
import { GENERATION_A, GENERATION_B, OUR_RULES } from './rules.ts';
import type { SqlOptions } from './types.ts';

/** Of a new index, unless ALTER INDEX says otherwise. */
const WINDOW_MS = 1000;
const WINDOW_BYTES = 16 * 1024 * 1024;

/** The PostgreSQL whose grammar and types are ours; clients look at the first number. */
export const POSTGRES_VERSION = '18.0';

const OURS: SqlOptions = {
  rules: OUR_RULES,
  isolation: 'strict',
  doesIndexTables: true,
  acceptsMadeIndexes: false,
  needsIndexedSources: false,
  sharesSettings: true,
  windowMs: WINDOW_MS,
  windowBytes: WINDOW_BYTES,
  statementTimeoutMs: 0,
  database: 'tidelock',
  schema: 'public',
  product: `PostgreSQL ${POSTGRES_VERSION} (Tidelock)`,
  settings: [
    ['server_version', POSTGRES_VERSION],
    ['server_version_num', '180000'],
    ['is_superuser', 'off'],
    ['max_identifier_length', '63'],
    ['transaction_read_only', 'off'],
  ],
};

const HISTORIC: SqlOptions = {
  ...OURS,
  needsIndexedSources: true,
  sharesSettings: false,
  windowMs: null,
  windowBytes: null,
  database: 'materialize',
};

export const SQL_PROFILES = {
  ours: OURS,
  /** Ours over scripts that count on all of history, and on the names of the old ones. */
  default: { ...HISTORIC, needsIndexedSources: false, acceptsMadeIndexes: true },
  a: { ...HISTORIC, rules: GENERATION_A },
  b: { ...HISTORIC, rules: GENERATION_B },
  'a-explicit': { ...HISTORIC, rules: GENERATION_A, doesIndexTables: false },
  'b-explicit': { ...HISTORIC, rules: GENERATION_B, doesIndexTables: false },
} as const satisfies Record<string, SqlOptions>;
