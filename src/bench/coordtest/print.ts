/** What a batch was answered, as output of a case. */

import type { Response, SqlEffect } from '../../coordinator/sql/types.ts';
import { tagOf } from '../../engine/sql/responses.ts';
import { SqlError } from '../../sql/errors.ts';
import type { Column, SqlRow, SqlValue } from '../../sql/types.ts';
import { debugResponse } from './debug-response.ts';
import { debugText, tuple } from './debug-value.ts';
import type { Profile } from './profiles.ts';

/** A failed statement replaces everything before it, as its transaction is undone. Throws it where it is not shown. */
export function printAnswers(effects: readonly SqlEffect[], profile: Profile): string {
  const lines: string[] = [];
  for (const effect of effects) {
    if (effect.kind === 'respond') lines.push(printResponse(effect.response, profile));
    if (effect.kind === 'streamRows') lines.push(...effect.rows.map(plainRow));
    if (effect.kind !== 'fail') continue;
    if (effect.origin === 'peek' && profile.prints === 'debug') {
      lines.push(debugText(tuple('Error', { kind: 'string', text: effect.error.message })));
    } else return printFailure(effect.error, profile);
  }
  return lines.map((line) => `${line}\n`).join('');
}

export function printFailure(error: unknown, profile: Profile): string {
  if (!(error instanceof SqlError) || !profile.showsErrors) throw error;
  if (profile.prints === 'plain') return `error: ${error.sqlState} ${error.message}\n`;
  return `${debugText(tuple('Unstructured', { kind: 'string', text: error.message }))}\n`;
}

function printResponse(response: Response, profile: Profile): string {
  if (profile.prints === 'debug') return debugText(debugResponse(response));
  return response.kind === 'rows' ? table(response.columns, response.rows) : wordsOf(response);
}

/** What the service says of a statement that is done; that something was there already is a notice of its own there. */
function wordsOf(response: Response): string {
  if (response.kind === 'canceled') return 'canceled';
  const existed = response.kind === 'created' && response.existed;
  return `${tagOf(response)}${existed ? ' (existed)' : ''}`;
}

function table(columns: readonly Column[], rows: readonly SqlRow[]): string {
  if (rows.length === 0) return '(no rows)';
  return [columns.map(({ name }) => name).join(' | '), ...rows.map(plainRow)].join('\n');
}

function plainRow(row: SqlRow): string {
  return row.map(plainValue).join(' | ');
}

function plainValue(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (value === true) return 't';
  if (value === false) return 'f';
  return value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : String(value);
}
