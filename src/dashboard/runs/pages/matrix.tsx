/** Runs across, tests down; items folded under their test with the worst result. The address holds the filters. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { RunRow } from '../../../planner/rows.ts';
import { count } from '../../format.ts';
import { Empty, Panel } from '../../parts.tsx';
import { setQuery, usePlace } from '../../route.ts';
import type { RunBook } from '../book.ts';
import { type GridLine, gridLines, type MatrixFilter, readFilter, runsOf } from '../filter.ts';
import { useGridOf, useRuns } from '../hooks.ts';
import { Filters, type Tags, useTags } from '../matrix-filters.tsx';
import { MatrixTable } from '../matrix-table.tsx';
import { NewRun } from '../new-run.tsx';
import { LeftOut, RunsNotice, SyncLine } from '../notice.tsx';

/** Runs beside each other, unless the address says otherwise. */
const COLUMNS = 8;
const COLUMNS_MAX = 40;

export function MatrixPage(): JSX.Element {
  const { query } = usePlace();
  const columns = Math.min(COLUMNS_MAX, Number(query.get('columns')) || COLUMNS);
  const known = useRuns();
  const filter = readFilter(query, Date.now());
  const all = runsOf(known.runs.values(), filter);
  const runs = all.slice(0, columns);
  const book = useGridOf(runs.map(({ id }) => id));
  const isLoaded = runs.every(({ id }) => book.isInGrid(id) || book.isLeftOut(id));
  // Tags come behind the rows: nobody waits for them.
  const tags = useTags(isLoaded || filter.tag !== '' ? (runs[0]?.target ?? null) : null);
  return (
    <>
      <RunsNotice book={book} />
      {book.isThere === true ? (
        <>
          <SyncLine book={book} />
          <Filters filter={filter} tags={tags.names} />
          <Grid {...{ book, runs, filter, tags, isLoaded }} total={all.length} />
        </>
      ) : null}
    </>
  );
}

type GridProps = {
  readonly book: RunBook;
  readonly runs: readonly RunRow[];
  readonly total: number;
  readonly filter: MatrixFilter;
  readonly tags: Tags;
  readonly isLoaded: boolean;
};

function Grid({ book, runs, total, filter, tags, isLoaded }: GridProps): JSX.Element {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const runIds = runs.map(({ id }) => id);
  const lines = useMemo(() => {
    const { tag, grid } = filter;
    const hasTag = (test: string): boolean => tag === '' || tags.has(test, tag);
    return gridLines(book.grid.tests, runIds, { filter: grid, open, hasTag });
  }, [book.grid.version, runIds.join(' '), JSON.stringify(filter), tags.names.join(' '), open]);
  const toggle = (name: string): void => {
    const next = new Set(open);
    if (!next.delete(name)) next.add(name);
    setOpen(next);
  };
  return (
    <Panel
      title="Results"
      note={<span data-testid="lines">{wordsOf({ lines, runs, total, isLoaded })}</span>}
      actions={
        <>
          <NewRun />
          {total > runs.length && runs.length < COLUMNS_MAX ? (
            <button type="button" onClick={() => setQuery({ columns: `${runs.length + COLUMNS}` })}>
              More runs
            </button>
          ) : null}
        </>
      }
    >
      <LeftOut book={book} runs={runs} />
      {runs.length === 0 ? (
        <Empty>No run fits. Start one here, or with: tidelock runs run</Empty>
      ) : (
        <MatrixTable {...{ lines, runs, toggle }} />
      )}
    </Panel>
  );
}

type Shown = {
  readonly lines: readonly GridLine[];
  readonly runs: readonly RunRow[];
  readonly total: number;
  readonly isLoaded: boolean;
};

function wordsOf({ lines, runs, total, isLoaded }: Shown): string {
  const items = lines.reduce((sum, one) => sum + (one.kind === 'test' ? one.itemCount : 0), 0);
  const words = `${count(lines.length)} lines, ${count(items)} items of ${count(runs.length)} of ${count(total)} runs`;
  return isLoaded ? words : `${words}, loading`;
}

/** Draws again each second while `isOn`: durations go on. */
export function useSeconds(isOn: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isOn) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [isOn]);
  return now;
}
