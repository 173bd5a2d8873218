/** Errors as output of a script. */
import { TidelockError } from '../../core/errors.ts';

/** `error: CODE message`, for an error that users can meet; other errors are thrown on. */
export function errorText(error: unknown): string {
  if (error instanceof TidelockError) return `error: ${error.code} ${error.message}\n`;
  throw error;
}
