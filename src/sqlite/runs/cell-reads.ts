/** Pages of cells: read in the order of the index that names rows, so that a page costs what it holds. */
import {
  type CellPage,
  type CellPlace,
  STALE,
  TextNumbers,
  TOPLEVEL,
} from '../../planner/cells.ts';
import type { State } from '../../planner/rows.ts';
import type { RunQuery } from '../../planner/run-store.ts';
import { asNumber, asText } from '../sql.ts';
import type { Statements } from './run-values.ts';

/** Of all runs of an answer together. */
const CELLS_MAX = 20_000;

const COLUMNS =
  'id, name, item_path, is_toplevel, state, status, is_stale, seq, coalesce(ended_at, started_at, 0)';

type Row = readonly unknown[];

export function cellPages(
  statements: Statements,
  { runIds, part, after, limit }: Extract<RunQuery, { kind: 'cells' }>,
): readonly CellPage[] {
  let left = CELLS_MAX;
  const pages: CellPage[] = [];
  for (const runId of runIds) {
    const max = Math.min(limit, left);
    if (max === 0) break;
    const page = pageOf(runId, rowsOf(statements, { runId, part, after, max: max + 1 }), max);
    left -= page.id.length;
    pages.push(page);
  }
  return pages;
}

type Wish = {
  readonly runId: number;
  readonly part: 'tests' | 'all';
  readonly after: CellPlace | null;
  readonly max: number;
};

function rowsOf(statements: Statements, { runId, part, after, max }: Wish): readonly Row[] {
  const conditions = [
    'run_id = ?',
    ...(part === 'tests' ? [`item_path = ''`] : []),
    ...(after === null ? [] : ['(name, item_path, is_toplevel) > (?, ?, ?)']),
  ];
  const place = after === null ? [] : [after.name, after.itemPath, after.isToplevel ? 1 : 0];
  return statements.all(
    `SELECT ${COLUMNS} FROM tests WHERE ${conditions.join(' AND ')}
     ORDER BY name, item_path, is_toplevel LIMIT ?`,
    ...[runId, ...place, max],
  );
}

/** Of `max + 1` rows the last one only says that there are more. */
function pageOf(runId: number, rows: readonly Row[], max: number): CellPage {
  const kept = rows.slice(0, max);
  const [names, items] = [new TextNumbers(), new TextNumbers()];
  const pairs = new TextNumbers();
  const last = kept.at(-1);
  return {
    runId,
    id: kept.map(([id]) => asNumber(id)),
    name: kept.map(([, name]) => names.numberOf(asText(name))),
    item: kept.map(([, , item]) => items.numberOf(asText(item))),
    flags: kept.map(
      ([, , , top, , , stale]) => (top === 1 ? TOPLEVEL : 0) + (stale === 1 ? STALE : 0),
    ),
    pair: kept.map(([, , , , state, status]) => pairs.numberOf(`${state}\0${status}`)),
    seq: kept.map(([, , , , , , , seq]) => asNumber(seq)),
    at: kept.map(([, , , , , , , , at]) => asNumber(at)),
    ...{ names: names.texts, items: items.texts },
    pairs: pairs.texts.map((text) => {
      const [state = '', status = ''] = text.split('\0');
      return [state as State, status] as const;
    }),
    next: rows.length > max && last !== undefined ? placeOf(last) : null,
  };
}

function placeOf([, name, item, top]: Row): CellPlace {
  return { name: asText(name), itemPath: asText(item), isToplevel: top === 1 };
}
