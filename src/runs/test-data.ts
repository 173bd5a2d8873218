/** Measured values with expectations: rows of CSV, and what they say about a test. */
import type { NewData } from '../planner/run-store.ts';

const ROWS_MAX = 100_000;
const COMPARATORS: Readonly<Record<string, (value: number, expected: number) => boolean>> = {
  '>': (value, expected) => value > expected,
  '<': (value, expected) => value < expected,
  '>=': (value, expected) => value >= expected,
  '<=': (value, expected) => value <= expected,
  '=': (value, expected) => value === expected,
};

/**
 * category, variable, value, expected, tolerance or comparator, units, comment, status, type. `before`: the rows
 * of the last good run, which give what is missing here.
 */
export function dataOfCsv(text: string, before: readonly NewData[]): readonly NewData[] {
  return csvRows(text)
    .filter((cells) => cells.some((cell) => cell !== '') && !(cells[0] ?? '').startsWith('#'))
    .slice(0, ROWS_MAX)
    .map((cells) => dataRow(cells, before));
}

export function dataRow(cells: readonly string[], before: readonly NewData[]): NewData {
  const [category = '', variable = '', value = '', ...rest] = cells.map((cell) => cell.trim());
  const [expected = '', tolerance = '', units = '', comment = '', status = '', type = ''] = rest;
  const old = before.find((row) => row.category === category && row.variable === variable);
  const row = {
    ...{ category, variable, value, comment, type },
    expected: expected === '' ? (old?.expected ?? '') : expected,
    tolerance: tolerance === '' ? (old?.tolerance ?? '') : tolerance,
    units: units === '' ? (old?.units ?? '') : units,
  };
  return { ...row, status: status === '' ? verdictOf(row) : status.toUpperCase() };
}

/** PASS, FAIL, or n/a: nothing is expected, or not a number. Both ends of a tolerance are inside. */
function verdictOf(row: {
  readonly value: string;
  readonly expected: string;
  readonly tolerance: string;
}): string {
  const [value, expected] = [numberOf(row.value), numberOf(row.expected)];
  if (value === null || expected === null) return 'n/a';
  const compare = COMPARATORS[row.tolerance];
  if (compare !== undefined) return compare(value, expected) ? 'PASS' : 'FAIL';
  const tolerance = row.tolerance === '' ? 0 : numberOf(row.tolerance);
  if (tolerance === null) return 'n/a';
  return Math.abs(value - expected) <= tolerance ? 'PASS' : 'FAIL';
}

function numberOf(text: string): number | null {
  return text !== '' && Number.isFinite(Number(text)) ? Number(text) : null;
}

/** Status AUTO: any failed value makes it FAIL; any passed one PASS, unless it is WARN or FAIL already. */
export function autoStatus(soFar: string, rows: readonly { readonly status: string }[]): string {
  if (rows.some(({ status }) => status === 'FAIL')) return 'FAIL';
  if (soFar === 'WARN' || soFar === 'FAIL') return soFar;
  return rows.some(({ status }) => status === 'PASS') ? 'PASS' : soFar;
}

/** Cells may stand in quotes, where a quote is doubled and a newline is text. */
function csvRows(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  let [row, cell, isQuoted]: [string[], string, boolean] = [[], '', false];
  const endRow = (): void => {
    rows.push([...row, cell]);
    [row, cell] = [[], ''];
  };
  for (let index = 0; index < text.length; index++) {
    const char = text[index] ?? '';
    if (isQuoted && char === '"' && text[index + 1] === '"') {
      cell += '"';
      index += 1;
    } else if (char === '"' && (isQuoted || cell.trim() === '')) {
      isQuoted = !isQuoted;
      if (isQuoted) cell = '';
    } else if (isQuoted || !/[,\n\r]/.test(char)) cell += char;
    else if (char === ',') {
      row.push(cell);
      cell = '';
    } else if (char === '\n') endRow();
  }
  if (cell !== '' || row.length > 0) endRow();
  return rows;
}
