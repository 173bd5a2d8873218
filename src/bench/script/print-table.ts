/** Rows as scripts show them: a line of names, a line for each row. */
import type { PlainAnswer, PlainResult } from '../../postgres/plain-session.ts';

export type Table = {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | null)[])[];
};

export function tableText({ columns, rows }: Table): string {
  if (rows.length === 0) return '(no rows)\n';
  return [columns, ...rows].map((row) => `${row.map(cellText).join(' | ')}\n`).join('');
}

function cellText(value: string | null): string {
  return value ?? 'NULL';
}

/** What each statement of a batch gave, or why the batch was refused. */
export function answerText(answer: PlainAnswer): string {
  if (answer.kind === 'refused') return `error: ${answer.sqlState} ${answer.message}\n`;
  return answer.results.map(resultText).join('');
}

function resultText(result: PlainResult): string {
  return result.columns.length > 0 ? tableText(result) : `${result.tag}\n`;
}
