/** Results of SQL statements for people and for programs. Pure. */

export type Value = null | number | bigint | string | Uint8Array;
type Row = readonly Value[];

type Result = {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
  readonly changes: number | null;
};

/** Wider columns are not aligned any more. */
const WIDTH_MAX = 60;

/** A table with aligned columns; nothing for a statement without result. */
export function tableText({ columns, rows }: Result): string {
  if (columns.length === 0) return '';
  const table = new TableWriter(columns, rows);
  return table.head() + table.rows(rows);
}

/** A table whose rows come little by little: the first ones decide how wide its columns are. */
export class TableWriter {
  readonly #columns: readonly string[];
  readonly #widths: readonly number[];

  constructor(columns: readonly string[], first: readonly Row[]) {
    this.#columns = columns;
    this.#widths = columns.map((name, index) => {
      let width = name.length;
      for (const row of first) width = Math.max(width, plain(row[index] ?? null).length);
      return Math.min(WIDTH_MAX, width);
    });
  }

  head(): string {
    const rule = this.#widths.map((width) => '-'.repeat(width));
    return this.#line(this.#columns) + this.#line(rule);
  }

  rows(rows: readonly Row[]): string {
    return rows.map((row) => this.#line(row.map(plain))).join('');
  }

  #line(parts: readonly string[]): string {
    const padded = parts.map((part, index) => part.padEnd(this.#widths[index] ?? 0));
    return `${padded.join('  ').trimEnd()}\n`;
  }
}

/** One JSON object a row; `{"changes":n}` for a statement without result. */
export function jsonText({ columns, rows, changes }: Result): string {
  const objects =
    changes === null
      ? rows.map((row) =>
          Object.fromEntries(columns.map((name, i) => [name, json(row[i] ?? null)])),
        )
      : [{ changes }];
  return objects.map((object) => `${JSON.stringify(object)}\n`).join('');
}

function plain(value: Value): string {
  if (value === null) return 'NULL';
  return value instanceof Uint8Array ? blobText(value) : String(value).replaceAll('\n', '\\n');
}

/** Integers beyond what JSON's readers keep exactly, and blobs, are text. */
function json(value: Value): unknown {
  if (value instanceof Uint8Array) return blobText(value);
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function blobText(bytes: Uint8Array): string {
  return `x'${Buffer.from(bytes).toString('hex')}'`;
}
