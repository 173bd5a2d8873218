/** `COPY (SUBSCRIBE ...) TO STDOUT`: the rows of a query as lines, for `psql` and scripts that follow a view. */
import type { ResultSink } from '../sql/session.ts';
import { toPostgresText } from '../sql/text-values.ts';
import type { Column, SqlRow, SqlValue } from '../sql/types.ts';
import type { Outbox } from './outbox.ts';

const COPY =
  /^\s*copy\s*\(([\s\S]*)\)\s*to\s+stdout\s*(?:with\s*\(\s*format\s+text\s*\)\s*)?;?\s*$/i;

/** The query inside; null for any other statement. */
export function copiedQuery(sql: string): string | null {
  const inside = COPY.exec(sql)?.[1];
  // Blanks in front keep the places of errors.
  return inside === undefined ? null : ' '.repeat(sql.indexOf('(') + 1) + inside;
}

export class CopySink implements ResultSink {
  readonly #outbox: Outbox;
  #columns: readonly Column[] = [];
  #count = 0;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  columns(columns: readonly Column[]): void {
    this.#columns = columns;
    this.#outbox.write.copyOut(columns.length);
    void this.#outbox.push()?.catch(() => undefined);
  }

  async rows(rows: readonly SqlRow[]): Promise<void> {
    for (const row of rows) {
      this.#count += 1;
      this.#outbox.write.copyData(lineOf(this.#columns, row));
      const waits = this.#outbox.push();
      if (waits !== undefined) await waits;
    }
  }

  complete(): void {
    this.#outbox.write.sign('copyDone');
    this.#outbox.write.commandComplete(`COPY ${this.#count}`);
  }

  notice(message: string): void {
    this.#outbox.write.notice(message);
  }
}

/** PostgreSQL's text format: tabs between values, `\N` for NULL, backslashes before what would mislead. */
function lineOf(columns: readonly Column[], row: SqlRow): string {
  const cells = columns.map(({ type }, index) => cellOf(type, row[index] ?? null));
  return `${cells.join('\t')}\n`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
};

function cellOf(type: Column['type'], value: SqlValue): string {
  const text = toPostgresText(type, value);
  return text === null ? '\\N' : text.replace(/[\\\t\n\r\b\f\v]/g, (char) => ESCAPES[char] ?? char);
}
