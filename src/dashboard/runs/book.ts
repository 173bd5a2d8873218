/**
 * The runs as this page knows them: runs, tasks and runners all, tests of those runs that somebody looks at. Read once, then
 * kept by changes; rows are filed as they come, so that a change of one row among 100,000 costs one row.
 */
import type { EventRow, RunnerRow, RunRow, TaskRow, TestRow } from '../../planner/rows.ts';
import type { RunChanges, RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import type { RunsStatus } from '../../protocol/runs.ts';
import { ask } from '../api.ts';
import { type Connection, EventStream } from '../stream.ts';

const PREFIX = '/runs/v1';
const EVENTS_MAX = 2000;
/** Listeners hear of changes so often at most. */
const TELL_MS = 200;

/** Everything of one name, over all runs that are loaded. */
export type GridTest = {
  readonly name: string;
  /** The test itself or the roll-up of its items, by run. */
  readonly byRun: Map<number, TestRow>;
  readonly items: Map<string, Map<number, TestRow>>;
};

export class RunBook {
  readonly runs = new Map<number, RunRow>();
  readonly tasks = new Map<number, TaskRow>();
  readonly runners = new Map<string, RunnerRow>();
  readonly tests = new Map<number, TestRow>();
  readonly grid = new Map<string, GridTest>();
  /** The newest last. */
  events: EventRow[] = [];
  status: RunsStatus | null = null;
  connection: Connection = { kind: 'connecting' };
  /** False when this server has no runs. */
  isThere: boolean | null = null;
  heardAtMs = 0;
  /** Moves with every change that is told. */
  version = 0;
  readonly #loaded = new Set<number>();
  readonly #loading = new Set<number>();
  readonly #listeners = new Set<() => void>();
  readonly #stream: EventStream;
  #seq = 0;
  #history = '';
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor() {
    this.#stream = new EventStream({
      path: () => this.#begin(),
      onEvent: (event, data) => {
        if (event === 'changes') this.#apply(data as RunChanges);
      },
      onConnection: (connection) => {
        this.connection = connection;
        if (connection.kind === 'live') this.heardAtMs = Date.now();
        this.#tell();
      },
    });
  }

  /** Nothing is asked for before `know` has said that there are runs. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the engine's view says of this server. */
  know(hasRuns: boolean): void {
    if (this.isThere === hasRuns) return;
    this.isThere = hasRuns;
    if (hasRuns) this.#stream.start();
    else this.#stream.stop();
    this.#tell();
  }

  /** How safe the runs are, as of now; what cannot be asked stays as it was. */
  async askStatus(): Promise<void> {
    if (this.connection.kind !== 'live') return;
    try {
      this.status = await ask<RunsStatus>(`${PREFIX}/status`);
      this.#tell();
    } catch {
      // The stream says that the server is away.
    }
  }

  isLoaded(runId: number): boolean {
    return this.#loaded.has(runId);
  }

  /** Loads the tests of these runs, the first ones first; nothing happens for those that are there. */
  async load(runIds: readonly number[]): Promise<void> {
    for (const runId of runIds) {
      if (this.#loaded.has(runId) || this.#loading.has(runId)) continue;
      this.#loading.add(runId);
      try {
        const { tests = [] } = await readRuns({ kind: 'tests', runId });
        for (const row of tests) this.#fileTest(row);
        this.#loaded.add(runId);
      } finally {
        this.#loading.delete(runId);
        this.#tell();
      }
    }
  }

  /** What is known at the start, and from where on changes are wanted. */
  async #begin(): Promise<string> {
    this.status = await ask<RunsStatus>(`${PREFIX}/status`);
    if (this.status.history !== this.#history) await this.#readAnew(this.status);
    return `${PREFIX}/changes?since=${this.#seq}&history=${encodeURIComponent(this.#history)}`;
  }

  async #readAnew({ history, seq }: RunsStatus): Promise<void> {
    for (const rows of [this.runs, this.tasks, this.runners, this.tests, this.grid]) rows.clear();
    this.#loaded.clear();
    const [{ runs = [] }, { tasks = [] }, { runners = [] }] = await Promise.all([
      readRuns({ kind: 'runs' }),
      readRuns({ kind: 'tasks', states: null, limit: 500 }),
      readRuns({ kind: 'runners' }),
    ]);
    for (const row of runs) this.runs.set(row.id, row);
    for (const row of tasks) this.tasks.set(row.id, row);
    for (const row of runners) this.runners.set(row.id, row);
    this.#history = history;
    this.#seq = seq;
    this.#tell();
  }

  #apply({ history, rows, removed, seq }: RunChanges): void {
    if (history !== this.#history) return;
    for (const row of rows.runs) this.runs.set(row.id, row);
    for (const row of rows.tests) {
      if (this.#loaded.has(row.runId) || this.#loading.has(row.runId)) this.#fileTest(row);
    }
    for (const row of rows.tasks) this.tasks.set(row.id, row);
    for (const row of rows.runners) this.runners.set(row.id, row);
    if (rows.events.length > 0) this.events = [...this.events, ...rows.events].slice(-EVENTS_MAX);
    for (const { table, id } of removed) {
      if (table === 'runs') this.runs.delete(Number(id));
      if (table === 'tests') this.#removeTest(Number(id));
      if (table === 'runners') this.runners.delete(String(id));
    }
    this.#seq = seq;
    this.heardAtMs = Date.now();
    this.#tell();
  }

  /** Rows that were read and rows that changed meanwhile come in any order: the newer one counts. */
  #fileTest(row: TestRow): void {
    const known = this.tests.get(row.id);
    if (known !== undefined && known.seq > row.seq) return;
    this.tests.set(row.id, row);
    let test = this.grid.get(row.name);
    if (test === undefined) {
      test = { name: row.name, byRun: new Map(), items: new Map() };
      this.grid.set(row.name, test);
    }
    if (row.itemPath === '') test.byRun.set(row.runId, row);
    else {
      const item = test.items.get(row.itemPath);
      if (item === undefined) test.items.set(row.itemPath, new Map([[row.runId, row]]));
      else item.set(row.runId, row);
    }
  }

  #removeTest(id: number): void {
    const row = this.tests.get(id);
    if (row === undefined) return;
    this.tests.delete(id);
    const test = this.grid.get(row.name);
    if (row.itemPath === '') test?.byRun.delete(row.runId);
    else {
      const item = test?.items.get(row.itemPath);
      item?.delete(row.runId);
      if (item?.size === 0) test?.items.delete(row.itemPath);
    }
    if (test?.byRun.size === 0 && test.items.size === 0) this.grid.delete(row.name);
  }

  #tell(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.version += 1;
        for (const listener of [...this.#listeners]) listener();
      },
      this.version < 3 ? 0 : TELL_MS,
    );
  }
}

function readRuns(query: RunQuery): Promise<RunQueryResult> {
  return ask<RunQueryResult>(`${PREFIX}/read?query=${encodeURIComponent(JSON.stringify(query))}`);
}
