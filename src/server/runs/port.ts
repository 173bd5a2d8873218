/** What the server asks of a run manager. */
import type { RunQuery, RunQueryResult, WriteBatch, WriteResult } from '../../planner/run-store.ts';
import type { RunsStatus } from '../../protocol/runs.ts';

export type RunsPort = {
  readonly area: string;
  /** Sequences of different histories do not compare. */
  readonly history: string;
  /** Folders below which files of executions may be read; none by default. */
  readonly logRoots?: readonly string[];
  write(batch: WriteBatch): WriteResult;
  read(query: RunQuery): RunQueryResult;
  /** Gives the one who ends it. */
  onChange(listener: () => void): () => void;
  status(): Omit<RunsStatus, 'calls'>;
  /** Ends the server soon. */
  stop(): void;
};
