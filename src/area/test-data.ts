/** Measured values: rows of CSV, what they are held against, and what they say about a test. */
import { DATA_ROWS_MAX } from './limits.ts';

export type Datum = {
  readonly category: string;
  readonly variable: string;
  readonly value: string;
  readonly expected: string;
  /** A number, inclusive on both sides, or a comparison: `>` is value > expected. */
  readonly tolerance: string;
  readonly units: string;
  readonly comment: string;
  readonly status: string;
  readonly type: string;
};

/** Of a value: nothing numeric is expected of one that has `n/a`. */
export type ValueStatus = 'PASS' | 'FAIL' | 'n/a';

const COMPARATORS: ReadonlyMap<string, (value: number, expected: number) => boolean> = new Map([
  ['>', (value, expected) => value > expected],
  ['<', (value, expected) => value < expected],
  ['>=', (value, expected) => value >= expected],
  ['<=', (value, expected) => value <= expected],
  ['=', (value, expected) => value === expected],
]);
/** Decimal fractions are not exact in binary: 0.3 lies within 0.1 of 0.2. */
const SLACK = 2 ** -48;

export function judgeValue(row: Pick<Datum, 'value' | 'expected' | 'tolerance'>): ValueStatus {
  const [value, expected] = [numberOf(row.value), numberOf(row.expected)];
  if (expected === null) return 'n/a';
  if (value === null) return row.value.trim() === '' ? 'n/a' : 'FAIL';
  const compare = COMPARATORS.get(row.tolerance.trim());
  if (compare !== undefined) return compare(value, expected) ? 'PASS' : 'FAIL';
  const tolerance = row.tolerance.trim() === '' ? 0 : numberOf(row.tolerance);
  if (tolerance === null) return 'n/a';
  const slack = SLACK * Math.max(Math.abs(value), Math.abs(expected), Math.abs(tolerance));
  return Math.abs(value - expected) <= tolerance + slack ? 'PASS' : 'FAIL';
}

function numberOf(text: string): number | null {
  const number = Number(text.trim());
  return text.trim() !== '' && Number.isFinite(number) ? number : null;
}

/** What an earlier run has of the same category and variable: it gives what a row leaves out. */
export type EarlierRow = Pick<Datum, 'category' | 'variable' | 'expected' | 'tolerance' | 'units'>;

/**
 * category, variable, value, expected, tolerance, units, comment, status, type. A status that is written stays. Lines that
 * begin with `#` are comments; rows beyond DATA_ROWS_MAX are left out.
 */
export function dataOfCsv(text: string, earlier: readonly EarlierRow[]): readonly Datum[] {
  const byName = new Map(earlier.map((row) => [nameOf(row), row]));
  return csvRows(text)
    .filter((cells) => cells.some((cell) => cell.trim() !== '') && !cells[0]?.startsWith('#'))
    .slice(0, DATA_ROWS_MAX)
    .map((cells) => datumOf(cells, byName));
}

function nameOf(row: Pick<Datum, 'category' | 'variable'>): string {
  return JSON.stringify([row.category, row.variable]);
}

function datumOf(cells: readonly string[], earlier: ReadonlyMap<string, EarlierRow>): Datum {
  const [category = '', variable = '', value = '', ...rest] = cells.map((cell) => cell.trim());
  const [expected = '', tolerance = '', units = '', comment = '', status = '', type = ''] = rest;
  const old = earlier.get(nameOf({ category, variable }));
  const row = {
    ...{ category, variable, value, comment, type },
    expected: expected || (old?.expected ?? ''),
    tolerance: tolerance || (old?.tolerance ?? ''),
    units: units || (old?.units ?? ''),
  };
  return { ...row, status: status === '' ? judgeValue(row) : status.toUpperCase() };
}

/** Cells may stand in double quotes, with doubled ones inside; a quoted cell may hold newlines. */
export function csvRows(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  let row: string[] = [];
  const cells = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|\r|$)/y;
  while (cells.lastIndex < text.length) {
    const match = cells.exec(text);
    // A quote in the middle of a cell is a plain character.
    if (match === null) return [...rows, [...row, text.slice(cells.lastIndex)]];
    const [, quoted, plain = '', end] = match;
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return row.length === 0 ? rows : [...rows, row];
}

/** Status AUTO: any failed value makes it FAIL; any passed one PASS, unless it is WARN or FAIL already. */
export function autoStatus(soFar: string, rows: readonly { readonly status: string }[]): string {
  if (rows.some(({ status }) => status === 'FAIL')) return 'FAIL';
  if (soFar === 'WARN' || soFar === 'FAIL') return soFar;
  return rows.some(({ status }) => status === 'PASS') ? 'PASS' : soFar;
}
