/** The matrix itself: a grid for the keyboard, with a menu for each cell. */
import './matrix.css';
import type { JSX } from 'preact';
import { useCallback, useState } from 'preact/hooks';
import type { TestCell } from '../../planner/cells.ts';
import type { RunRow } from '../../planner/rows.ts';
import { execOf } from '../../report/results.ts';
import { count, dateTime } from '../format.ts';
import { href } from '../route.ts';
import { Confirm, type Wish } from './act.tsx';
import { CellMenu, type MenuEntry } from './cell-menu.tsx';
import type { GridLine } from './filter.ts';
import { useRuns } from './hooks.ts';
import { Counts, Verdict } from './verdict.tsx';
import { type CellProps, type MenuPoint, VirtualGrid } from './virtual.tsx';
import { killRun, killTest, rerunFailed, rerunTest } from './wishes.ts';

type MatrixTableProps = {
  readonly lines: readonly GridLine[];
  readonly runs: readonly RunRow[];
  readonly toggle: (name: string) => void;
};

export function MatrixTable({ lines, runs, toggle }: MatrixTableProps): JSX.Element {
  const [point, setPoint] = useState<MenuPoint | null>(null);
  const [wish, setWish] = useState<Wish | null>(null);
  const close = useCallback(() => {
    setPoint(null);
    document.querySelector<HTMLElement>('table[role=grid]')?.focus({ preventScroll: true });
  }, []);
  const isReplica = useRuns().status?.replica !== undefined;
  const menu = point === null ? null : menuAt(point, lines, runs);
  return (
    <>
      <VirtualGrid
        caption="Results by test and run"
        rowCount={lines.length}
        columnCount={runs.length + 1}
        head={(cellProps) => <Head runs={runs} cellProps={cellProps} />}
        row={(index, cellProps) => {
          const line = lines[index];
          return line === undefined ? null : (
            <Line key={keyOf(line)} {...{ line, runs, index, toggle, cellProps }} />
          );
        }}
        onMenu={setPoint}
      />
      <p class="padded note">
        Arrows move, Enter opens, Shift+F10 or the right button shows what may be done.
      </p>
      {point === null || menu === null ? null : (
        <CellMenu
          title={menu.title}
          entries={menu.entries.filter((entry) => !(isReplica && 'wish' in entry))}
          {...{ x: point.x, y: point.y, onClose: close }}
          onWish={(wanted) => {
            setPoint(null);
            setWish(wanted);
          }}
        />
      )}
      {wish === null ? null : (
        <Confirm
          wish={wish}
          close={() => {
            setWish(null);
            close();
          }}
        />
      )}
    </>
  );
}

function keyOf(line: GridLine): string {
  return line.kind === 'test' ? line.test.name : `${line.test.name}/${line.item.path}`;
}

function cellAt(line: GridLine, runId: number): TestCell | undefined {
  return line.kind === 'test' ? line.test.worst(runId) : line.item.byRun.get(runId);
}

type Menu = { readonly title: string; readonly entries: readonly MenuEntry[] };

/** Null where there is nothing to be done. */
function menuAt(
  { line, column }: MenuPoint,
  lines: readonly GridLine[],
  runs: readonly RunRow[],
): Menu | null {
  const run = runs[column - 1];
  if (run === undefined) return null;
  if (line === 0) return { title: `Run ${run.name}`, entries: runEntries(run) };
  const shown = lines[line - 1];
  const cell = shown === undefined ? undefined : cellAt(shown, run.id);
  if (cell === undefined) return null;
  return { title: `${execOf(cell)} of ${run.name}`, entries: testEntries(cell, run) };
}

function runEntries(run: RunRow): readonly MenuEntry[] {
  return [
    { label: 'Open', to: href('run', { id: `${run.id}` }) },
    { label: 'Rerun what failed…', wish: rerunFailed(run) },
    { label: 'Kill…', wish: killRun(run) },
  ];
}

function testEntries(cell: TestCell, run: RunRow): readonly MenuEntry[] {
  const id = `${cell.id}`;
  return [
    { label: 'Open', to: href('test', { id }) },
    { label: 'Log', to: href('test', { id, part: 'log' }) },
    { label: 'Rerun…', wish: rerunTest(cell, run) },
    { label: 'Kill…', wish: killTest(cell, run) },
  ];
}

type HeadProps = { readonly runs: readonly RunRow[]; readonly cellProps: CellProps };

function Head({ runs, cellProps }: HeadProps): JSX.Element {
  return (
    <tr aria-rowindex={1}>
      <th {...cellProps({ line: 0, column: 0 })} scope="col" class="first">
        Test
      </th>
      {runs.map((run, at) => (
        <th key={run.id} {...cellProps({ line: 0, column: at + 1 })} scope="col">
          <a href={href('run', { id: `${run.id}` })} tabIndex={-1} title={dateTime(run.createdAt)}>
            {run.name}
          </a>
          <span class="target">{run.target}</span>
          <Counts run={run} />
        </th>
      ))}
    </tr>
  );
}

type LineProps = HeadProps & {
  readonly line: GridLine;
  readonly index: number;
  readonly toggle: (name: string) => void;
};

function Line({ line, runs, index, toggle, cellProps }: LineProps): JSX.Element {
  const place = index + 1;
  return (
    <tr class={line.kind} aria-rowindex={place + 1}>
      <th {...cellProps({ line: place, column: 0 })} scope="row" class="first">
        <LineName line={line} toggle={toggle} />
      </th>
      {runs.map((run, at) => (
        <td key={run.id} {...cellProps({ line: place, column: at + 1 })}>
          <Cell cell={cellAt(line, run.id)} />
        </td>
      ))}
    </tr>
  );
}

function LineName({ line, toggle }: Pick<LineProps, 'line' | 'toggle'>): JSX.Element {
  if (line.kind === 'item') return <span class="indent">{line.item.path}</span>;
  const { test, itemCount, isOpen } = line;
  if (!test.hasItems) return <span class="plain">{test.name}</span>;
  return (
    <button
      {...{ type: 'button', class: 'fold', tabIndex: -1, 'aria-expanded': isOpen }}
      onClick={() => toggle(test.name)}
    >
      {test.name}{' '}
      {itemCount === 0 ? null : (
        <span class="note">
          {count(itemCount)} {itemCount === 1 ? 'item' : 'items'}
        </span>
      )}
    </button>
  );
}

function Cell({ cell }: { cell: TestCell | undefined }): JSX.Element {
  if (cell === undefined) return <span class="note">none</span>;
  return (
    <a class="cell" href={href('test', { id: `${cell.id}` })} tabIndex={-1}>
      <Verdict row={cell} />
      {cell.isStale ? <span class="note"> stale</span> : null}
    </a>
  );
}
