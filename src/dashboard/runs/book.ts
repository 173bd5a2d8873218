/**
 * The runs as this page knows them: runs, tasks and runners, and tests of those runs that somebody looks at: as cells of the
 * matrix, or whole. Read once, then kept by changes; rows are filed as they come, so that a change of one row among 100,000
 * costs one row. Everything kept has a limit, and what is left out is said.
 */
import { type CellPage, type CellPlace, cellOf, cellsOf } from '../../planner/cells.ts';
import type { RunnerRow, RunRow, TaskRow, TestRow } from '../../planner/rows.ts';
import type { RunChanges, RunQuery, RunQueryResult } from '../../planner/run-store.ts';
import type { RunsStart, RunsStatus } from '../../protocol/runs.ts';
import { ask } from '../api.ts';
import { type Connection, EventStream } from '../stream.ts';
import { Grid } from './grid.ts';
import { LimitedRows } from './limited-rows.ts';
import { RunShelf } from './shelf.ts';

const PREFIX = '/runs/v1';
/** The newest ones. */
const RUNS_MAX = 20_000;
const TASKS_MAX = 1000;
const RUNNERS_MAX = 1000;
/** Of all runs in sight: some 300 bytes a cell, 1 KB a whole row. */
const CELLS_MAX = 600_000;
const ROWS_MAX = 200_000;
/** Tests of a run that are read before all others: more than one screen shows. */
const FIRST_TESTS = 300;
/** A slice: so many cells are read, filed and drawn at a time. */
const SLICE_CELLS = 5000;
/** Slices under way: one is read while another is filed. */
const READERS = 2;
const OLDER_RUNS = 5000;
/** Listeners hear of changes so often at most. */
const TELL_MS = 250;

export class RunBook {
  readonly runs = new LimitedRows<number, RunRow>(RUNS_MAX, ({ id }) => id);
  readonly tasks = new LimitedRows<number, TaskRow>(TASKS_MAX, ({ id }) => id);
  readonly runners = new LimitedRows<string, RunnerRow>(RUNNERS_MAX, ({ seq }) => seq);
  /** Whole rows of the runs that `load` was asked for. */
  readonly tests = new Map<number, TestRow>();
  readonly grid = new Grid();
  status: RunsStatus | null = null;
  connection: Connection = { kind: 'connecting' };
  /** False when this server has no runs. */
  isThere: boolean | null = null;
  heardAtMs = 0;
  /** Moves with every change that is told. */
  version = 0;
  readonly #cells = new RunShelf({
    rowsMax: CELLS_MAX,
    drop: (runId) => this.grid.deleteRun(runId),
  });
  readonly #rows = new RunShelf({ rowsMax: ROWS_MAX, drop: (runId) => this.#dropRows(runId) });
  readonly #listeners = new Set<() => void>();
  readonly #stream: EventStream;
  #seq = 0;
  #history = '';
  #timer: ReturnType<typeof setTimeout> | null = null;
  #toldAt = Number.NEGATIVE_INFINITY;

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

  /** Whether this server has runs. */
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

  /** All its rows are here. */
  isLoaded(runId: number): boolean {
    return this.#rows.isWhole(runId);
  }

  /** All its cells are here. */
  isInGrid(runId: number): boolean {
    return this.#cells.isWhole(runId);
  }

  /** There is no room for it beside the others that are looked at. */
  isLeftOut(runId: number): boolean {
    return this.#cells.isOut(runId) || this.#rows.isOut(runId);
  }

  /** Loads the tests of these runs, the first ones first, and keeps them until the returned function is called. */
  load(runIds: readonly number[]): () => void {
    const { missing, release } = this.#rows.hold(runIds);
    void inTurn([...missing], (runId) => this.#loadRows(runId));
    return release;
  }

  /** The same for the cells of the matrix: what a first screen shows of all runs, then the rest. */
  loadGrid(runIds: readonly number[]): () => void {
    const { missing, release } = this.#cells.hold(runIds);
    if (missing.length > 0) void this.#loadCells(missing);
    return release;
  }

  async #loadRows(runId: number): Promise<void> {
    try {
      const { tests = [] } = await readRuns({ kind: 'tests', runId });
      for (const row of tests) this.#fileRow(row);
      this.#rows.setWhole(runId);
      this.#rows.trim();
    } catch {
      this.#rows.giveUp(runId); // the next connection gives it another chance
    }
    this.#tell();
  }

  async #loadCells(runIds: readonly number[]): Promise<void> {
    try {
      await this.#readCells({ runIds, part: 'tests', after: null, limit: FIRST_TESTS });
      this.#tell('now');
    } catch {
      // Asked again below, run by run.
    }
    const waiting = [...runIds];
    const reader = (): Promise<void> => inTurn(waiting, (runId) => this.#loadRun(runId));
    await Promise.all(Array.from({ length: READERS }, reader));
  }

  async #loadRun(runId: number): Promise<void> {
    try {
      let after: CellPlace | null = null;
      do {
        const wish: CellWish = { runIds: [runId], part: 'all', after, limit: SLICE_CELLS };
        const [page] = await this.#readCells(wish);
        after = page?.next ?? null;
        this.#cells.trim();
        this.#tell();
      } while (after !== null && this.#cells.has(runId));
      this.#cells.setWhole(runId);
    } catch {
      this.#cells.giveUp(runId);
    }
    this.#tell();
  }

  async #readCells(wish: CellWish): Promise<readonly CellPage[]> {
    const history = this.#history;
    const { cells = [] } = await readRuns({ kind: 'cells', ...wish });
    if (history !== this.#history) throw new Error('the history has changed');
    for (const page of cells) {
      for (const cell of cellsOf(page)) {
        if (this.#cells.has(cell.runId) && this.grid.set(cell)) this.#cells.add(cell.runId, 1);
      }
    }
    return cells;
  }

  /** What is known at the start, and from where on changes are wanted. */
  async #begin(): Promise<string> {
    const start = await ask<RunsStart>(`${PREFIX}/start`);
    this.status = start.status;
    if (start.status.history !== this.#history) this.#beginAnew(start);
    const place = `since=${this.#seq}&history=${encodeURIComponent(this.#history)}`;
    return `${PREFIX}/changes?${place}&brief=true`;
  }

  #beginAnew({ status, runs = [], tasks = [], runners = [] }: RunsStart): void {
    for (const rows of [this.runs, this.tasks, this.runners, this.tests, this.grid]) rows.clear();
    for (const shelf of [this.#cells, this.#rows]) shelf.clear();
    for (const row of runs) this.runs.set(row.id, row);
    for (const row of tasks) this.tasks.set(row.id, row);
    for (const row of runners) this.runners.set(row.id, row);
    this.#history = status.history;
    this.#seq = status.seq;
    this.#tell('now');
    void this.#readOlder(runs.at(-1)?.id ?? 0).catch(() => undefined); // what is there is shown
  }

  /** Runs before those of the start, as long as there are some and there is room. */
  async #readOlder(first: number): Promise<void> {
    const history = this.#history;
    let before = first;
    while (before > 1 && this.runs.size < RUNS_MAX) {
      const { runs = [] } = await readRuns({ kind: 'runs', before, limit: OLDER_RUNS });
      if (history !== this.#history || runs.length === 0) return;
      for (const row of runs) if (!this.runs.has(row.id)) this.runs.set(row.id, row);
      before = runs.at(-1)?.id ?? 0;
      this.#tell();
    }
  }

  #apply({ history, rows, removed, seq }: RunChanges): void {
    if (history !== this.#history) return;
    for (const row of rows.runs) this.runs.set(row.id, row);
    for (const row of rows.tests) {
      this.#fileRow(row);
      if (this.#cells.has(row.runId) && this.grid.set(cellOf(row))) this.#cells.add(row.runId, 1);
    }
    for (const row of rows.tasks) this.tasks.set(row.id, row);
    for (const row of rows.runners) this.runners.set(row.id, row);
    for (const { table, id } of removed) {
      if (table === 'runs') this.runs.delete(Number(id));
      if (table === 'tests') this.#removeTest(Number(id));
      if (table === 'runners') this.runners.delete(String(id));
    }
    for (const shelf of [this.#cells, this.#rows]) shelf.trim();
    this.#seq = seq;
    this.heardAtMs = Date.now();
    this.#tell();
  }

  /** Rows that were read and rows that changed meanwhile come in any order: the newer one counts. */
  #fileRow(row: TestRow): void {
    if (!this.#rows.has(row.runId)) return;
    const known = this.tests.get(row.id);
    if (known !== undefined && known.seq > row.seq) return;
    this.tests.set(row.id, row);
    if (known === undefined) this.#rows.add(row.runId, 1);
  }

  #removeTest(id: number): void {
    const runId = this.grid.delete(id);
    if (runId !== null) this.#cells.add(runId, -1);
    const row = this.tests.get(id);
    if (row === undefined) return;
    this.tests.delete(id);
    this.#rows.add(row.runId, -1);
  }

  #dropRows(runId: number): void {
    for (const [id, row] of this.tests) if (row.runId === runId) this.tests.delete(id);
  }

  /** Soon, and as often as `TELL_MS` allows; `now`: what somebody waits for in front of an empty page. */
  #tell(when?: 'now'): void {
    if (this.#timer !== null && when === undefined) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const wait = when === 'now' ? 0 : Math.max(0, this.#toldAt + TELL_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#toldAt = performance.now();
      this.version += 1;
      for (const listener of [...this.#listeners]) listener();
    }, wait);
  }
}

type CellWish = Omit<Extract<RunQuery, { kind: 'cells' }>, 'kind'>;

/** Several may take from the same list. */
async function inTurn(waiting: number[], work: (runId: number) => Promise<void>): Promise<void> {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await work(next);
}

function readRuns(query: RunQuery): Promise<RunQueryResult> {
  return ask<RunQueryResult>(`${PREFIX}/read?query=${encodeURIComponent(JSON.stringify(query))}`);
}
