/** Log lines for people: on a terminal, pino's JSON becomes one plain line per event. */

const LEVELS: Readonly<Record<number, string>> = {
  ...{ 10: 'trace', 20: 'debug', 30: 'info', 40: 'warn', 50: 'error', 60: 'fatal' },
};

type Output = { readonly isTTY?: boolean; write(text: string): unknown };

/** JSON lines for files and pipes, plain ones for a terminal. */
export function logWriter(output: Output): (line: string) => void {
  if (output.isTTY !== true) return (line) => void output.write(line);
  return (line) => void output.write(plainLine(line));
}

/** `12:30:01 warn  a feed was ended  reason=TOO_OLD` */
export function plainLine(json: string): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as LogEvent;
  const clock = new Date(time).toISOString().slice(11, 19);
  const parts = [`${clock} ${(LEVELS[level] ?? '').padEnd(5)} ${msg ?? ''}`];
  for (const [name, value] of Object.entries(fields)) {
    parts.push(`${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  }
  if (err !== undefined) parts.push(err.stack ?? err.message ?? '');
  return `${parts.join('  ')}\n`;
}

type LogEvent = {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
  readonly [field: string]: unknown;
};
