/** A run as it goes on: one line per finished test, one status line that renews itself, whoever runs it. */

import { pairOf } from '../../planner/rollup.ts';
import type { EventRow, RunRow, TaskRow, TestRow } from '../../planner/rows.ts';
import type { RunStore } from '../../planner/run-store.ts';
import { isActive, isWaiting } from '../../planner/states.ts';
import { isFailure } from '../../report/results.ts';
import { Estimate } from '../../runs/estimate.ts';
import { expectedTimes } from '../../runs/run-history.ts';
import type { RunOutput } from './output.ts';
import { taskOf } from './tasks.ts';

const LOOK_MS = 100;
const EVENTS_AT_ONCE = 1000;
const MINUTE_S = 60;

export type FollowOptions = {
  readonly store: Pick<RunStore, 'read' | 'seq'>;
  /** What is told begins after this change; default: now. */
  readonly since?: number;
  readonly target: string;
  readonly name: string;
  readonly taskId: number;
  readonly output: RunOutput;
  readonly onFinished: (row: TestRow) => void;
  /** Called with every look; for those who may have to take over. */
  readonly onLook?: () => void;
};

export class Follower {
  readonly #options: FollowOptions;
  #run: RunRow | null = null;
  #since: number;
  #estimate: Estimate | null = null;
  /** Executions that the estimate has heard of. */
  #known = 0;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#since = options.since ?? options.store.seq;
  }

  /** Until the task has ended; gives it. */
  async follow(): Promise<TaskRow> {
    for (;;) {
      this.#look();
      const task = taskOf(this.#options.store, this.#options.taskId);
      if (task !== null && task.endedAt !== null) {
        this.#look();
        this.#options.output.clear();
        return task;
      }
      this.#options.onLook?.();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  #look(): void {
    const { store, target, name } = this.#options;
    if (this.#run === null) {
      const { runs = [] } = store.read({ kind: 'runs' });
      this.#run = runs.find((run) => run.target === target && run.name === name) ?? null;
    }
    const runId = this.#run?.id;
    if (runId === undefined) return;
    for (const event of this.#news(runId)) this.#tell(event);
    this.#run = store.read({ kind: 'runs', ids: [runId] }).runs?.[0] ?? this.#run;
    if (this.#run !== null) this.#status(this.#run);
  }

  #news(runId: number): readonly EventRow[] {
    const { store } = this.#options;
    const query = { kind: 'events' as const, runId, testId: null, limit: EVENTS_AT_ONCE };
    const { events = [] } = store.read({ ...query, since: this.#since });
    this.#since = events.at(-1)?.seq ?? this.#since;
    return events;
  }

  #tell({ kind, testId, new: now }: EventRow): void {
    if (kind !== 'transition' || testId === null || now === null) return;
    const pair = pairOf(now);
    if (isWaiting(pair)) this.#known = -1; // it runs again
    if (isActive(pair) || isWaiting(pair)) return;
    const row = this.#options.store.read({ kind: 'test', testId }).tests?.[0];
    if (row === undefined || row.isToplevel) return;
    this.#estimate?.ended({ ...row, ...pair });
    this.#options.onFinished({ ...row, ...pair });
  }

  /** Rows are read when there are more of them than before: at the start, and when items become known. */
  #estimateOf(runId: number, all: number): Estimate {
    const { store, target } = this.#options;
    this.#estimate ??= new Estimate(expectedTimes(store, { runId, target }));
    if (all === this.#known) return this.#estimate;
    this.#known = all;
    this.#estimate.know(store.read({ kind: 'tests', runId }).tests ?? []);
    return this.#estimate;
  }

  #status({ id, counts }: RunRow): void {
    const sum = (has: (pair: ReturnType<typeof pairOf>) => boolean): number =>
      Object.entries(counts).reduce((all, [key, n]) => (has(pairOf(key)) ? all + n : all), 0);
    const [all, running, waiting] = [sum(() => true), sum(isActive), sum(isWaiting)];
    const done = all - running - waiting;
    const words = [`${done} done`, `${running} running`, `${waiting} waiting`];
    const restS = this.#estimateOf(id, all).restS ?? 0;
    const eta = restS > 0 && running > 0 ? `, ${timeText(restS / running)} left` : '';
    this.#options.output.status(`${words.join(', ')}, ${sum(isFailure)} failed${eta}`);
  }
}

/** `42 s`, `3 min 20 s` */
function timeText(seconds: number): string {
  if (seconds < MINUTE_S) return `${Math.ceil(seconds)} s`;
  return `${Math.floor(seconds / MINUTE_S)} min ${Math.round(seconds % MINUTE_S)} s`;
}
