/** Where a key takes the reader of a grid: line 0 is the head, column 0 names the lines. */

export type GridPlace = { readonly line: number; readonly column: number };

export type GridSize = {
  /** With the head. */
  readonly lines: number;
  readonly columns: number;
  /** Lines in sight. */
  readonly page: number;
};

type Key = { readonly key: string; readonly ctrlKey: boolean };

/** Null: the key moves nobody. */
export function placeAfter(
  { key, ctrlKey }: Key,
  { line, column }: GridPlace,
  size: GridSize,
): GridPlace | null {
  const to = (nextLine: number, nextColumn: number): GridPlace =>
    inside(nextLine, nextColumn, size);
  switch (key) {
    case 'ArrowUp':
      return to(line - 1, column);
    case 'ArrowDown':
      return to(line + 1, column);
    case 'ArrowLeft':
      return to(line, column - 1);
    case 'ArrowRight':
      return to(line, column + 1);
    case 'PageUp':
      return to(line - size.page, column);
    case 'PageDown':
      return to(line + size.page, column);
    case 'Home':
      return to(ctrlKey ? 0 : line, 0);
    case 'End':
      return to(ctrlKey ? size.lines - 1 : line, size.columns - 1);
    default:
      return null;
  }
}

/** The nearest place that the grid has. */
export function inside(
  line: number,
  column: number,
  { lines, columns }: Pick<GridSize, 'lines' | 'columns'>,
): GridPlace {
  return {
    line: Math.max(0, Math.min(lines - 1, line)),
    column: Math.max(0, Math.min(columns - 1, column)),
  };
}
