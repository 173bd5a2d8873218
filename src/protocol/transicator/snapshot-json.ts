/** A snapshot as JSON text in pieces, indented by two spaces. */
import type { TableDef } from '../../core/table.ts';
import type { Cell } from '../../core/value.ts';
import { changeTableName } from './names.ts';
import { columnsOf, valueText } from './values.ts';

export function snapshotHead(head: {
  readonly snapshot: string;
  readonly timestamp: string;
  readonly hasTables: boolean;
}): string {
  const { snapshot, timestamp, hasTables } = head;
  return `{
  "snapshotInfo": ${JSON.stringify(snapshot)},
  "timestamp": ${JSON.stringify(timestamp)},
  "tables": ${hasTables ? '[' : 'null'}`;
}

export function snapshotTail(hasTables: boolean): string {
  return hasTables ? '\n  ]\n}\n' : '\n}\n';
}

/** One table, row by row: `open`, rows, `close`. */
export class TableJson {
  readonly #table: TableDef;
  readonly #isFirst: boolean;
  readonly #opens: readonly string[];
  readonly #closes: readonly string[];
  #rows = 0;

  constructor(table: TableDef, isFirst: boolean) {
    this.#table = table;
    this.#isFirst = isFirst;
    const columns = columnsOf(table);
    this.#opens = columns.map(({ name }, at) => {
      const comma = at === 0 ? '' : ',';
      return `${comma}\n          ${JSON.stringify(name)}: {\n            "value": `;
    });
    this.#closes = columns.map(({ oid }) => `,\n            "type": ${oid}\n          }`);
  }

  open(): string {
    const name = JSON.stringify(changeTableName(this.#table.name));
    return `${this.#isFirst ? '' : ','}\n    {\n      "name": ${name},\n      "rows": `;
  }

  row(cells: readonly Cell[]): string {
    const columns = columnsOf(this.#table);
    let text = this.#rows === 0 ? '[\n        {' : ',\n        {';
    this.#rows += 1;
    for (let at = 0; at < columns.length; at += 1) {
      const cell = cells[at] ?? null;
      const value =
        cell === null ? 'null' : JSON.stringify(valueText(columns[at]?.kind ?? 'text', cell));
      text += `${this.#opens[at]}${value}${this.#closes[at]}`;
    }
    return `${text}\n        }`;
  }

  close(): string {
    return this.#rows === 0 ? 'null\n    }' : '\n      ]\n    }';
  }
}
