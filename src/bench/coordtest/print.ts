/** What a batch was answered, as output of a case. */
import type { Response, SqlEffect } from '../../coordinator/sql/types.ts';
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
  return response.kind === 'rows' ? table(response.columns, response.rows) : tagOf(response);
}

/** What PostgreSQL says of a statement that is done. */
function tagOf(response: Response): string {
  switch (response.kind) {
    case 'created':
      return `CREATE ${response.object.toUpperCase()}${response.existed ? ' (existed)' : ''}`;
    case 'dropped':
      return `DROP ${response.object.toUpperCase()}`;
    case 'altered':
      return `ALTER ${response.object.toUpperCase()}`;
    case 'inserted':
      return `INSERT 0 ${response.count}`;
    case 'updated':
      return `UPDATE ${response.count}`;
    case 'deleted':
      return `DELETE ${response.count}`;
    case 'rows':
      return `${response.what.toUpperCase()} ${response.rows.length}`;
    case 'canceled':
      return 'canceled';
    case 'streamEnded':
      return `SUBSCRIBE ${response.rows}`;
    case 'started':
      return 'BEGIN';
    case 'ended':
      return response.tag;
    case 'set':
      return 'SET';
    case 'declared':
      return 'DECLARE CURSOR';
    default:
      return 'CLOSE CURSOR';
  }
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
