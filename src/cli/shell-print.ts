/** Results of SQL statements for people and for programs. Pure. */

type Value = null | number | bigint | string | Uint8Array;

type Result = {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
  readonly changes: number | null;
};

/** Wider columns are not aligned any more. */
const WIDTH_MAX = 60;

/** A table with aligned columns; nothing for a statement without result. */
export function tableText({ columns, rows }: Result): string {
  if (columns.length === 0) return '';
  const cells = rows.map((row) => row.map(plain));
  const widths = columns.map((name, index) =>
    Math.min(WIDTH_MAX, Math.max(name.length, ...cells.map((row) => row[index]?.length ?? 0))),
  );
  const line = (parts: readonly string[]): string =>
    parts
      .map((part, index) => part.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width));
  return `${[columns, rule, ...cells].map(line).join('\n')}\n`;
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
