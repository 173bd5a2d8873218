/** Bugs on the way in: a handler between the stream of Postgres and the ingest. */
import {
  type OldTuple,
  type RawTuple,
  type Relation,
  type SourceHandler,
  TUPLE_NULL,
  TUPLE_UNCHANGED,
} from '../../../core/source.ts';
import type { BugName } from './catalog.ts';
import { standIn } from './stand-in.ts';

const SELECTOR = '_change_selector';

/** The handler with the bug; the handler itself when the bug is another one. */
export function plantInHandler(bug: BugName, handler: SourceHandler): SourceHandler {
  switch (bug) {
    case 'leaked-savepoint':
      return standIn(handler, {
        streamAbort: (xid, subxid) => {
          if (xid === subxid) handler.streamAbort(xid, subxid);
        },
      });
    case 'move-without-delete':
      return standIn(handler, {
        update: (relation, old, row, change) => {
          if (old !== null && isMove(relation, old, row)) takeSelector(relation, old, row);
          handler.update(relation, old, row, change);
        },
      });
    case 'update-of-nothing':
      return standIn(handler, {
        update: (relation, old, row, change) => {
          if (old !== null && isMove(relation, old, row)) {
            handler.delete(relation, old, change);
            takeSelector(relation, old, row);
          }
          handler.update(relation, old, row, change);
        },
      });
    case 'toast-as-null':
      return standIn(handler, {
        update: (relation, old, row, change) => {
          for (let column = 0; column < row.count; column += 1) {
            if (row.state[column] === TUPLE_UNCHANGED) row.state[column] = TUPLE_NULL;
          }
          handler.update(relation, old, row, change);
        },
      });
    default:
      return handler;
  }
}

function isMove(relation: Relation, { tuple }: OldTuple, row: RawTuple): boolean {
  const at = selectorColumn(relation);
  return at >= 0 && row.state[at] !== TUPLE_UNCHANGED && textOf(tuple, at) !== textOf(row, at);
}

/** The old row has the new selector from now on. Both versions of a row stand in one message, so in one buffer. */
function takeSelector(relation: Relation, { tuple }: OldTuple, row: RawTuple): void {
  const at = selectorColumn(relation);
  if (tuple.buffer !== row.buffer) throw new Error('both versions of a row stand in one buffer');
  tuple.start[at] = row.start[at] ?? 0;
  tuple.end[at] = row.end[at] ?? 0;
}

function selectorColumn(relation: Relation): number {
  return relation.columns.findIndex(({ name }) => name === SELECTOR);
}

function textOf({ buffer, start, end }: RawTuple, column: number): string {
  return Buffer.from(buffer).toString('utf8', start[column], end[column]);
}
