/** JSON schemas shared by the routes: they validate input and are the OpenAPI document. */
import { ERROR_CODES, type ErrorCode } from '../core/errors.ts';

export type Schema = { readonly [keyword: string]: unknown };

export const POSITION: Schema = {
  type: 'string',
  description: 'A position in the source: the end of a commit, as Postgres prints an LSN.',
  pattern: '^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$',
  examples: ['0/16B3748'],
};

/** Positions in requests are checked by `parseLsn`, which has the better words. */
export const POSITION_INPUT: Schema = {
  type: 'string',
  maxLength: 40,
  description: 'A position as the feed prints it.',
  examples: ['0/16B3748'],
};

export const SELECTORS: Schema = {
  type: 'array',
  items: { type: 'string' },
  minItems: 1,
  description: 'A subset to read; repeat the parameter for several.',
};

export const REPLICA: Schema = {
  type: 'string',
  pattern: '^[A-Za-z0-9._-]{1,100}$',
  description: 'The id that a replica gave itself (a UUID). Its lease keeps the log for it.',
};

export const TIMELINE: Schema = {
  type: 'string',
  minLength: 1,
  maxLength: 200,
  description: 'Which history of which database positions refer to.',
};

const DIGEST_HEX: Schema = { type: 'string', pattern: '^[0-9a-f]{32}$' };

export const COUNT: Schema = { type: 'integer', minimum: 0 };

/** An object with exactly these fields; those in `optional` may be missing. */
export function object(
  properties: Record<string, Schema>,
  optional: readonly string[] = [],
): Schema {
  return {
    type: 'object',
    additionalProperties: false,
    required: Object.keys(properties).filter((name) => !optional.includes(name)),
    properties,
  };
}

const BUCKET: Schema = object({ digest: DIGEST_HEX, rows: COUNT });

export const BUCKETS: Schema = {
  type: 'object',
  description: 'By table, one digest per bucket.',
  additionalProperties: { type: 'array', items: BUCKET },
};

export const DIGEST_ENTRY: Schema = object({
  table: { type: 'string' },
  selector: { type: 'string' },
  digest: DIGEST_HEX,
  rows: COUNT,
});

const ERROR: Schema = object({
  error: object(
    {
      code: { type: 'string', enum: Object.keys(ERROR_CODES) },
      message: { type: 'string' },
      hint: { type: 'string' },
      details: { type: 'object', additionalProperties: true },
    },
    ['hint', 'details'],
  ),
});

/** Errors that every route may answer with. */
const COMMON: readonly ErrorCode[] = ['BAD_REQUEST', 'TOO_LARGE', 'INTERNAL'];
const WITH_TOKEN: readonly ErrorCode[] = ['TOKEN_INVALID', 'TOKEN_FORBIDS'];

/** The `response` part for failures, by HTTP status. */
export function failures(codes: readonly ErrorCode[], isOpen = false): Record<string, Schema> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of new Set([...COMMON, ...(isOpen ? [] : WITH_TOKEN), ...codes])) {
    const status = ERROR_CODES[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      String(status),
      { description: names.join(', '), content: { 'application/json': { schema: ERROR } } },
    ]),
  );
}

/** A JSON answer. */
export function json(description: string, schema: Schema): Schema {
  return { description, content: { 'application/json': { schema } } };
}

/** An answer of another form; `schema` describes one line of NDJSON or the whole text. */
export function media(description: string, type: string, schema: Schema): Schema {
  return { description, content: { [type]: { schema } } };
}
