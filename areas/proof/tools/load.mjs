/** Rows of test data: category, variable, value, expected, tolerance, units, comment. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const quote = (value) => `"${String(value).replaceAll('"', '""')}"`;

export function load(rows) {
  writeFileSync('data.csv', `${rows.map((row) => row.map(quote).join(',')).join('\n')}\n`);
  execFileSync(process.env.MT_MEGATEST ?? 'megatest', ['-load-test-data'], {
    input: rows.map((row) => `${row.map(quote).join(',')}\n`).join(''),
    stdio: ['pipe', 'inherit', 'inherit'],
  });
}
