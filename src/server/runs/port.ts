/** What the server asks of a run manager. */

import type { Plan } from '../../planner/plan.ts';
import type { TestRow } from '../../planner/rows.ts';
import type { RunQuery, RunQueryResult, WriteBatch, WriteResult } from '../../planner/run-store.ts';
import type { ExecutionFacts, QuarantineEntry } from '../../protocol/run-files.ts';
import type { PlanWish, RunsStatus } from '../../protocol/runs.ts';

/** What is asked of the area itself. */
export type RunPlansPort = {
  plan(wish: PlanWish): Promise<Plan>;
  /** Of each test that has some. */
  tags(target: string): Promise<Readonly<Record<string, readonly string[]>>>;
};

type Executed = Pick<TestRow, 'runDir' | 'attempt'>;

export type RunsPort = {
  readonly area: string;
  /** Sequences of different histories do not compare. */
  readonly history: string;
  /** Folders below which files of executions may be read; none by default. */
  readonly logRoots?: readonly string[];
  /** What this host knows of an execution; the place of its work is one of the area's. */
  execution?(row: Executed, against: Executed | null): ExecutionFacts;
  /** Known failures of the area. Throws `BAD_CONFIG`. */
  quarantine?(): readonly QuarantineEntry[];
  /** Undefined: nobody reads the area here. */
  readonly plans?: RunPlansPort | undefined;
  /** Files of executions are on another host: a request for one is answered by what its server says. Undefined: they are here. */
  forward?(path: string, signal: AbortSignal): Promise<Response>;
  /** Throws `OFF_HOME` where a replica is shown. */
  write(batch: WriteBatch): WriteResult;
  read(query: RunQuery): RunQueryResult;
  /** Gives the one who ends it. */
  onChange(listener: () => void): () => void;
  status(): Omit<RunsStatus, 'calls'>;
  /** Ends the server soon. */
  stop(): void;
};
