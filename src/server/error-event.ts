/** The last event of a stream that cannot go on: its head is long sent, so the error cannot be the answer. */
import { toTidelockError } from './errors.ts';

/** `event: error` with the body that an answer would have had. */
export function errorEvent(error: unknown): string {
  return `event: error\ndata: ${JSON.stringify(toTidelockError(error))}\n\n`;
}
