/** hot path: changes as JSON text, without objects in between. */
import type { TableDef } from '../../core/table.ts';
import type { Change, Row } from './change.ts';
import { changeTableName } from './names.ts';
import { formatSequence } from './sequence.ts';
import { columnsOf, valueText } from './values.ts';

type Pieces = {
  /** `"public.cities"` */
  readonly table: string;
  /** Per column: `"name":{"value":` */
  readonly opens: readonly string[];
  /** Per column: `,"type":23}` */
  readonly closes: readonly string[];
};

const pieces = new WeakMap<TableDef, Pieces>();

export function changeJson(change: Change): string {
  const { table, sequence, txid } = change;
  const { ts, index } = sequence;
  const head = `{"operation":${change.operation},"table":${piecesOf(table).table},"sequence":"${formatSequence(sequence)}"`;
  const place = `,"commitSequence":${ts},"changeSequence":${ts},"commitIndex":${index},"txid":${txid}`;
  const seconds = Math.floor(change.micros / 1e6);
  const time = seconds === 0 ? '' : `,"timestamp":${seconds}`;
  const newRow = change.newRow === null ? '' : `,"newRow":${rowJson(table, change.newRow)}`;
  const oldRow = change.oldRow === null ? '' : `,"oldRow":${rowJson(table, change.oldRow)}`;
  return `${head}${place}${time}${newRow}${oldRow}}`;
}

function rowJson(table: TableDef, { positions, cells }: Row): string {
  const { opens, closes } = piecesOf(table);
  const columns = columnsOf(table);
  let text = '{';
  for (let index = 0; index < cells.length; index += 1) {
    const at = positions === null ? index : (positions[index] ?? 0);
    const cell = cells[index] ?? null;
    const value =
      cell === null ? 'null' : JSON.stringify(valueText(columns[at]?.kind ?? 'text', cell));
    text += `${index === 0 ? '' : ','}${opens[at]}${value}${closes[at]}`;
  }
  return `${text}}`;
}

function piecesOf(table: TableDef): Pieces {
  const known = pieces.get(table);
  if (known !== undefined) return known;
  const columns = columnsOf(table);
  const made = {
    table: JSON.stringify(changeTableName(table.name)),
    opens: columns.map(({ name }) => `${JSON.stringify(name)}:{"value":`),
    closes: columns.map(({ oid }) => `,"type":${oid}}`),
  };
  pieces.set(table, made);
  return made;
}
