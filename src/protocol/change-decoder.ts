/**
 * hot path: turns change lines of the feed into row changes of the store, in place: JSON values become cells
 * by the tables' definitions, and everything the store relies on is checked here, once.
 */
import { TidelockError } from '../core/errors.ts';
import type { RowChange } from '../core/row-change.ts';
import { EVERYONE, type WantedSelectors } from '../core/selector.ts';
import { keyPositions, type TableDef } from '../core/table.ts';
import { type Cell, cellFromJson, type JsonCell, type ValueKind } from '../core/value.ts';
import type { RawLine } from './lines.ts';

type Layout = { readonly columns: readonly ValueKind[]; readonly key: readonly ValueKind[] };

/** Knows the tables as of the last line it saw. */
export class ChangeDecoder {
  readonly #layouts = new Map<string, Layout>();
  readonly #tables = new Map<string, TableDef>();
  /** Null: all. */
  readonly #selectors: ReadonlySet<string> | null;

  constructor(tables: readonly TableDef[], selectors: WantedSelectors) {
    this.#selectors = selectors === 'any' ? null : new Set([...selectors, EVERYONE]);
    for (const table of tables) this.define(table);
  }

  define(table: TableDef): void {
    const columns = table.columns.map((column) => column.kind);
    const key = keyPositions(table).map((position) => columns[position] ?? 'text');
    this.#layouts.set(table.name, { columns, key });
    this.#tables.set(table.name, table);
  }

  /** Names of the tables known. */
  get names(): readonly string[] {
    return [...this.#tables.keys()];
  }

  /** True when `table` says nothing new. */
  knows(table: TableDef): boolean {
    const known = this.#tables.get(table.name);
    return known !== undefined && canonical(known) === canonical(table);
  }

  /** The change in a line, or null when it changes nothing (a known definition). Throws `PROTOCOL`. */
  decode(line: RawLine): RowChange | null {
    switch (line.type) {
      case 'insert':
      case 'row':
      case 'update':
      case 'delete':
        return this.#row(line);
      case 'truncate':
        this.#layout(line);
        return line as RowChange;
      case 'resync':
        return { type: 'resync', table: String(line.table) };
      case 'drop':
        return this.#drop(String(line.table));
      case 'table': {
        const table = parseTable(line);
        if (this.knows(table)) return null;
        this.define(table);
        return { type: 'table', table };
      }
      default:
        return null;
    }
  }

  #drop(table: string): RowChange | null {
    this.#layouts.delete(table);
    return this.#tables.delete(table) ? { type: 'drop', table } : null;
  }

  #row(line: RawLine): RowChange {
    const layout = this.#layout(line);
    const { selector } = line;
    if (typeof selector !== 'string' || this.#selectors?.has(selector) === false) {
      throw malformed(line, `selector ${JSON.stringify(selector)} was not asked for`);
    }
    if (line.key !== undefined) convert(line, line.key, layout.key);
    if (line.type === 'delete') {
      if (line.key === undefined) throw malformed(line, 'it has no key');
      return line as unknown as RowChange;
    }
    if (line.cols === undefined) convert(line, line.row, layout.columns);
    else convert(line, line.row, chosen(line, layout.columns));
    return (line.type === 'row' ? { ...line, type: 'insert' } : line) as unknown as RowChange;
  }

  #layout(line: RawLine): Layout {
    const layout = this.#layouts.get(String(line.table));
    if (layout === undefined)
      throw malformed(line, `table ${String(line.table)} was never defined`);
    return layout;
  }
}

function convert(line: RawLine, values: unknown, kinds: readonly ValueKind[]): void {
  if (!Array.isArray(values) || values.length !== kinds.length) {
    throw malformed(line, `${kinds.length} values were expected`);
  }
  const cells = values as (JsonCell | Cell)[];
  for (let index = 0; index < kinds.length; index += 1) {
    cells[index] = cellFromJson(kinds[index] ?? 'text', cells[index] as JsonCell);
  }
}

function chosen(line: RawLine, kinds: readonly ValueKind[]): readonly ValueKind[] {
  const { cols } = line;
  if (line.type !== 'update' || !Array.isArray(cols)) throw malformed(line, 'cols is misplaced');
  return cols.map((position: unknown) => {
    const kind = typeof position === 'number' ? kinds[position] : undefined;
    if (kind === undefined) throw malformed(line, `there is no column ${String(position)}`);
    return kind;
  });
}

/** Checks what the store builds on. Throws `PROTOCOL`. */
export function parseTable(line: RawLine): TableDef {
  const table = line.table as Partial<TableDef> | undefined;
  const isTable =
    typeof table === 'object' &&
    table !== null &&
    typeof table.name === 'string' &&
    Array.isArray(table.columns) &&
    Array.isArray(table.key) &&
    Array.isArray(table.indexes) &&
    table.key.length > 0 &&
    typeof table.selector === 'object';
  if (!isTable) throw malformed(line, 'it is no table definition');
  const definition = table as TableDef;
  if (keyPositions(definition).includes(-1)) throw malformed(line, 'its key is not in its columns');
  return definition;
}

/**
 * The same text for the same definition, in whatever order its fields came. `missing` is left out: it
 * matters at the moment the column is added, and only there.
 */
function canonical(value: TableDef): string {
  return JSON.stringify(value, (name, part: unknown) =>
    name === 'missing'
      ? undefined
      : typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
  );
}

/** A line that follows the grammar but not the protocol. */
export function malformed(line: RawLine, why: string): TidelockError {
  return new TidelockError({
    code: 'PROTOCOL',
    message: `a ${line.type} line of the server is wrong: ${why}`,
    hint: 'compare the versions of the server and of this program',
    details: { table: line.table },
  });
}
