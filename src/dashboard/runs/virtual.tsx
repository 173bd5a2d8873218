/**
 * A grid of very many lines: only those in sight are drawn, all of one height. It is one stop of the Tab key; the arrows move
 * a mark from cell to cell (`aria-activedescendant`, since a line that scrolls away is gone), Enter does what a click on the
 * cell's first link or button does.
 */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { type GridPlace, type GridSize, inside, placeAfter } from './grid-keys.ts';

const ROW_PX = 30;
/** Lines drawn above and below what is in sight. */
const MARGIN_ROWS = 8;

export type MenuPoint = GridPlace & { readonly x: number; readonly y: number };

type VirtualGridProps = {
  readonly caption: string;
  /** Without the head. */
  readonly rowCount: number;
  readonly columnCount: number;
  /** The cells of a line: `cellProps` go to each `td` and `th`. Line 0 is the head. */
  readonly head: (cellProps: CellProps) => ComponentChildren;
  readonly row: (index: number, cellProps: CellProps) => ComponentChildren;
  /** A menu was asked for, by the mouse or by a key. */
  readonly onMenu: (point: MenuPoint) => void;
};

export type CellProps = (place: GridPlace) => {
  readonly id: string;
  readonly 'data-active'?: string;
  readonly 'aria-colindex': number;
};

/** Room for lines that are not drawn: nothing to read. */
const UNSAID = { 'aria-hidden': true } as const;

const idOf = ({ line, column }: GridPlace): string => `cell-${line}-${column}`;

/** It scrolls by itself, and fills what the window leaves. */
export function VirtualGrid(props: VirtualGridProps): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const view = useView(holder);
  const size = {
    lines: props.rowCount + 1,
    columns: props.columnCount,
    page: Math.max(1, Math.floor(view.height / ROW_PX) - 2),
  };
  const [wanted, setActive] = useState<GridPlace>({ line: 1, column: 0 });
  const active = inside(wanted.line, wanted.column, size);
  useShown(holder, active, wanted);
  const first = Math.max(0, Math.floor(view.top / ROW_PX) - MARGIN_ROWS);
  const shown = Math.ceil(view.height / ROW_PX) + 2 * MARGIN_ROWS;
  const end = Math.min(props.rowCount, first + shown);
  const indexes = Array.from({ length: Math.max(0, end - first) }, (_, at) => first + at);
  const isDrawn = active.line === 0 || (active.line > first && active.line <= end);
  const cellProps: CellProps = (place) => ({
    id: idOf(place),
    'aria-colindex': place.column + 1,
    ...(place.line === active.line && place.column === active.column ? { 'data-active': '' } : {}),
  });
  const handlers = handlersOf({ active, size, setActive, onMenu: props.onMenu });
  /** A table whose cells the keys walk through. */
  const grid = {
    ...({ role: 'grid', tabIndex: 0, 'aria-label': props.caption } as const),
    ...{ 'aria-rowcount': size.lines, 'aria-colcount': size.columns },
    'aria-activedescendant': isDrawn ? idOf(active) : undefined,
  };
  return (
    <div class="scroll tall" ref={holder} tabIndex={-1}>
      <table class="grid" {...grid} {...handlers}>
        <caption>{props.caption}</caption>
        <thead>{props.head(cellProps)}</thead>
        <tbody>
          <Spacer rows={first} columns={props.columnCount} />
          {indexes.map((index) => props.row(index, cellProps))}
          <Spacer rows={props.rowCount - end} columns={props.columnCount} />
        </tbody>
      </table>
    </div>
  );
}

type GridState = {
  readonly active: GridPlace;
  readonly size: GridSize;
  readonly setActive: (place: GridPlace) => void;
  readonly onMenu: (point: MenuPoint) => void;
};

/** What keys and the mouse do. */
function handlersOf({ active, size, setActive, onMenu }: GridState) {
  const menuAt = (place: GridPlace, point?: { readonly x: number; readonly y: number }): void => {
    setActive(place);
    const box = document.getElementById(idOf(place))?.getBoundingClientRect();
    onMenu({ ...place, ...(point ?? { x: box?.left ?? 0, y: box?.bottom ?? 0 }) });
  };
  return {
    onKeyDown: (event: KeyboardEvent): void => {
      const next = placeAfter(event, active, size);
      if (next !== null) setActive(next);
      else if (event.key === 'Enter') pressed(active);
      else if (event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey))
        menuAt(active);
      else return;
      event.preventDefault();
    },
    onClick: (event: MouseEvent): void => {
      const place = placeOf(event.target);
      if (place !== null) setActive(place);
    },
    onContextMenu: (event: MouseEvent): void => {
      const place = placeOf(event.target);
      event.preventDefault();
      if (place === null) menuAt(active);
      else menuAt(place, { x: event.clientX, y: event.clientY });
    },
  };
}

/** What is in sight, as it scrolls and changes its size. */
function useView(holder: { readonly current: HTMLElement | null }): {
  top: number;
  height: number;
} {
  const [view, setView] = useState({ top: 0, height: 600 });
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const look = (): void => setView({ top: element.scrollTop, height: element.clientHeight });
    look();
    element.addEventListener('scroll', look, { passive: true });
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    return () => {
      element.removeEventListener('scroll', look);
      sizes.disconnect();
    };
  }, []);
  return view;
}

/** A cell that the reader has moved to is scrolled into sight; its line may have to be drawn first. */
function useShown(
  holder: { readonly current: HTMLElement | null },
  active: GridPlace,
  wanted: GridPlace,
): void {
  useLayoutEffect(() => {
    const element = holder.current;
    if (element === null || document.activeElement?.getAttribute('role') !== 'grid') return;
    const top = (active.line - 1) * ROW_PX;
    const head = element.querySelector('thead')?.offsetHeight ?? 0;
    const room = element.clientHeight - head - ROW_PX;
    if (active.line === 0 || top < element.scrollTop) element.scrollTop = Math.max(0, top);
    else if (top > element.scrollTop + room) element.scrollTop = top - room;
    const cell = document.getElementById(idOf(active));
    cell?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }, [wanted]);
}

function placeOf(target: EventTarget | null): GridPlace | null {
  const cell = target instanceof Element ? target.closest('[id^="cell-"]') : null;
  const [, line, column] = /^cell-(\d+)-(\d+)$/.exec(cell?.id ?? '') ?? [];
  return line === undefined ? null : { line: Number(line), column: Number(column) };
}

function pressed(place: GridPlace): void {
  document.getElementById(idOf(place))?.querySelector<HTMLElement>('a, button')?.click();
}

function Spacer({ rows, columns }: { rows: number; columns: number }): JSX.Element | null {
  if (rows <= 0) return null;
  return (
    <tr class="spacer" {...UNSAID} style={{ height: `${rows * ROW_PX}px` }}>
      <td colSpan={columns} />
    </tr>
  );
}
