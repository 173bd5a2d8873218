/** What a statement has done, in PostgreSQL's words. */
import type { Response } from '../../coordinator/sql/types.ts';
import { unreachable } from '../../core/assert.ts';
import type { CommandTag } from '../../sql/session.ts';

export function tagOf(response: Exclude<Response, { readonly kind: 'canceled' }>): CommandTag {
  switch (response.kind) {
    case 'created':
      return `CREATE ${response.object.toUpperCase()}`;
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
      return rowsTag(response);
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
    case 'closed':
      return 'CLOSE CURSOR';
    default:
      return unreachable(response);
  }
}

function rowsTag({ what, rows, toldRows = 0 }: Response & { readonly kind: 'rows' }): CommandTag {
  if (what === 'select') return `SELECT ${toldRows + rows.length}`;
  return what === 'fetch' ? `FETCH ${rows.length}` : what.toUpperCase();
}

/** What PostgreSQL says beside it, if anything. */
export function noticeOf(response: Response): string | null {
  if (response.kind === 'created' && response.existed) {
    return `there is such a ${response.object} already, skipping`;
  }
  if (response.kind === 'started' && response.duplicated) {
    return 'there is already a transaction in progress';
  }
  const isOutside = response.kind === 'ended' && response.wasImplicit;
  return isOutside ? 'there is no transaction in progress' : null;
}
