/** What the service of SQL is given. */
import type { Clock } from '../clock.ts';
import type { RowLog } from '../row-log.ts';
import type { FilesUnder } from './file-rule.ts';
import type { ViewSink } from './view-publisher.ts';

export type SqlServiceOptions = {
  /** Null: in memory. */
  readonly dir: string | null;
  /** The replicated tables; null where there are none. */
  readonly rows: RowLog | null;
  readonly clock: Clock;
  /** Which files sources and sinks may name. */
  readonly files: FilesUnder;
  /** In [0, 1); for the secrets that cancel. */
  readonly random: () => number;
  readonly onNotice: (notice: string) => void;
  /** What one statement may take where its session has not set `statement_timeout`; by default as long as it wants. */
  readonly statementTimeoutMs?: number | undefined;
  /** What one process that reads may take of memory; by default 512 MiB. */
  readonly readBytesMax?: number | undefined;
  /** Takes the rows of materialized views over replicated tables; null: nobody does. */
  readonly views?: ViewSink | null | undefined;
};
