/** What a failure of Postgres means to an upload: its transaction's own fault, a race, or trouble of the whole. */
import { messageOf } from '../../core/errors.ts';
import type { RejectionCode } from '../../core/upload.ts';
import { sqlStateOf } from '../pg-errors.ts';
import { Refusal } from './changes.ts';

/** Somebody else wrote the same rows in between: the whole upload is tried again. */
export class Race extends Error {}

const MESSAGE_CHARS_MAX = 300;

/** Concurrency: the same upload may succeed when it is tried again. */
const RETRY = /^40/;
/** Resources, operators, the connection, bugs: nothing that the transaction could have done better. */
const TROUBLE = /^(?:08|25|28|3D|53|55|57|58|72|F0|XX)/;

const CODES: readonly (readonly [RegExp, RejectionCode])[] = [
  [/^(?:42501|44)/, 'DENIED'],
  [/^22/, 'BAD_VALUE'],
  [/^54/, 'TOO_LARGE'],
];

/** True when the upload should be tried again from its beginning. */
export function isRace(error: unknown): boolean {
  return error instanceof Race || RETRY.test(sqlStateOf(error) ?? '');
}

/** Why the transaction is refused; null when the failure is none of its doing. */
export function refusalOf(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  const state = sqlStateOf(error);
  if (state === undefined || RETRY.test(state) || TROUBLE.test(state)) return null;
  const code = CODES.find(([sign]) => sign.test(state))?.[1] ?? 'CONSTRAINT';
  return new Refusal(code, primaryMessage(error));
}

/** The unique constraint that a row broke, if that is what happened. */
export function brokenKeyOf(error: unknown): string | undefined {
  if (sqlStateOf(error) !== '23505') return undefined;
  return (causeOf(error) as { constraint?: string }).constraint;
}

/** Without DETAIL, which may quote rows that the writer cannot see. */
function primaryMessage(error: unknown): string {
  return messageOf(causeOf(error)).slice(0, MESSAGE_CHARS_MAX);
}

function causeOf(error: unknown): unknown {
  return error instanceof Error && error.cause !== undefined ? error.cause : error;
}
