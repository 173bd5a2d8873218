/** What the SQL port counts: for the metrics of the server. */
import type { SqlCounts } from '../core/sql-counts.ts';
import type { ResultSink } from '../sql/session.ts';
import { errorFields } from './wire-error.ts';

/** Kinds of statements that are told apart; a metric has one line for each. */
const KINDS: ReadonlySet<string> = new Set([
  ...['select', 'insert', 'update', 'delete', 'create', 'drop', 'alter', 'subscribe'],
  ...['fetch', 'declare', 'close', 'show', 'set', 'explain', 'begin', 'commit', 'rollback'],
]);
/** PostgreSQL's code for what was canceled. */
const CANCELED = '57014';

export type StatementResult = 'ok' | 'error' | 'canceled';

export class WireCounts implements SqlCounts {
  sessions = 0;
  subscriptions = 0;
  rows = 0;
  bytesOut = 0;
  readonly #statements = new Map<string, { count: number; seconds: number }>();

  get statements(): SqlCounts['statements'] {
    return [...this.#statements].map(([key, { count, seconds }]) => {
      const [kind = '', result = ''] = key.split(' ');
      return { kind, result, count, seconds };
    });
  }

  /** `words`: the text of a statement or the tag of its answer. */
  ended(words: string, result: StatementResult, seconds: number): void {
    const key = `${kindOf(words)} ${result}`;
    const entry = this.#statements.get(key) ?? { count: 0, seconds: 0 };
    entry.count += 1;
    entry.seconds += seconds;
    this.#statements.set(key, entry);
  }

  failed(words: string, error: unknown, seconds: number): void {
    const { sqlState } = errorFields(error, null);
    this.ended(words, sqlState === CANCELED ? 'canceled' : 'error', seconds);
  }

  /** Counts the statements and rows that pass. */
  through(sink: ResultSink, time: Stopwatch): ResultSink {
    return {
      columns: (columns) => sink.columns(columns),
      rows: (rows) => {
        this.rows += rows.length;
        return sink.rows(rows);
      },
      complete: (tag) => {
        this.ended(tag, 'ok', time.lap());
        sink.complete(tag);
      },
      notice: (message) => sink.notice(message),
    };
  }
}

/** Seconds since the last lap. */
export class Stopwatch {
  #from = performance.now();

  lap(): number {
    const now = performance.now();
    const seconds = (now - this.#from) / 1000;
    this.#from = now;
    return seconds;
  }
}

/** True for what runs until it is canceled. */
export const isSubscription = (sql: string): boolean =>
  /^\s*(?:copy\s*\(\s*)?(?:subscribe|tail)\b/i.test(sql);

function kindOf(words: string): string {
  const [first = ''] =
    words
      .trim()
      .toLowerCase()
      .match(/^[a-z]+/) ?? [];
  if (KINDS.has(first)) return first;
  if (first === 'tail') return 'subscribe';
  return first === 'with' || first === 'values' || first === 'table' ? 'select' : 'other';
}
