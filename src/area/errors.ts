/** The two ways in which a configuration is not right: an error that stops, a finding that is told. */
import { TidelockError } from '../core/errors.ts';
import type { Origin } from './types.ts';

/** A configuration is wrong at this place. */
export function unfit(message: string, origin: Origin, hint?: string): TidelockError {
  return new TidelockError({
    code: 'AREA_UNFIT',
    message: `${placeOf(origin)}: ${message}`,
    hint: hint ?? 'mend that line; docs/areas.md has the grammar',
    details: { file: origin.file, line: origin.line },
  });
}

export function placeOf({ file, line }: Origin): string {
  return `${file}:${line}`;
}
