/**
 * Starts the executions of one run, and takes over those that a dead runner has left.
 *
 * Order: LAUNCHED is in the database before a process starts.
 */
import { existsSync } from 'node:fs';
import type { Item, TestDef } from '../../area/types.ts';
import { messageOf, TidelockError } from '../../core/errors.ts';
import type { StatePair } from '../../planner/rows.ts';
import type { RunStore } from '../../planner/run-store.ts';
import { FRESH, isTerminal, isWaiting } from '../../planner/states.ts';
import type { PlanRequest, StepRange } from '../../planner/types.ts';
import type { TargetBook } from '../area-book.ts';
import { type Outbox, patiently } from '../database/outbox.ts';
import { Execution, type ExecutionMeans } from './execution.ts';
import {
  environmentFor,
  findRoom,
  type Launch,
  type LaunchMeans,
  prepare,
  prepareAgain,
  recordOf,
} from './launch.ts';
import { type LaunchRecord, readRecord, recordBefore } from './launch-record.ts';
import { itemsBelow, mayHaveNested, nestedIn } from './nested-areas.ts';
import { partOf } from './part.ts';
import { skipReason } from './skip-rules.ts';
import type { Triggers } from './triggers.ts';
import { removeOwnDir } from './work-area.ts';

export type LauncherMeans = LaunchMeans & {
  readonly store: RunStore;
  readonly outbox: Outbox;
  readonly book: TargetBook;
  readonly triggers: Triggers;
  readonly execution: Omit<ExecutionMeans, 'onState'>;
  readonly host: string;
  /** A task for an execution: taken, and given back. */
  readonly onLaunch: (testId: number) => void;
  readonly onEnd: (testId: number, pair: StatePair) => void;
  readonly defOf: (test: string) => TestDef | null;
  /** Its item with all variables; late items are asked for once more. Throws when it is none of its test any more. */
  readonly itemOf: (exec: Exec) => Promise<Item | null>;
  readonly onEntered: (exec: Exec, pair: StatePair) => void;
};

export type Exec = {
  readonly id: string;
  readonly test: string;
  /** As long as a late item has not been asked for, only its path is known. */
  item: Item | null;
  readonly testId: number;
  readonly isToplevel: boolean;
  pair: StatePair;
  attempt: number;
  runDir: string | null;
  /** Where an earlier attempt worked, if that is another place. */
  leftDir: string | null;
  cleans: boolean;
  /** Of its steps only these run again, in the work area that is there. */
  part: StepRange | null;
  isStopped: boolean;
  running: Execution | null;
  /** What kept it from starting last. */
  trouble?: string;
  /** Ends the command that fills its work area. */
  copying?: AbortController;
};

const KILLED = { kind: 'killed' } as const;

export type LaunchedRun = {
  readonly runId: number;
  readonly request: PlanRequest;
  /** What has been launched before is launched as it was then. */
  readonly isFrozen: boolean;
};

export class Launcher {
  readonly #runId: number;
  readonly #request: PlanRequest;
  readonly #isFrozen: boolean;
  readonly #means: LauncherMeans;
  /** How often each has been tried again since the run was started. */
  readonly #reruns = new Map<string, number>();
  /** Has ended, and is to be launched once more. */
  readonly #again = new Set<string>();
  #running = 0;

  constructor({ runId, request, isFrozen }: LaunchedRun, means: LauncherMeans) {
    this.#runId = runId;
    this.#isFrozen = isFrozen;
    this.#request = request;
    this.#means = means;
  }

  /** Executions that are being made ready or run. */
  get running(): number {
    return this.#running;
  }

  launch(exec: Exec): void {
    void this.#tracked(exec, async () => {
      if (this.#isSkipped(exec)) return;
      if (await this.#enterLaunched(exec)) await this.#prepareAndRun(exec);
    });
  }

  /** What an earlier runner has left under way: its processes may live, or have ended meanwhile. Resolves when it has ended. */
  adopt(exec: Exec): Promise<void> {
    return this.#tracked(exec, async () => {
      await patiently(() => this.#means.onLaunch(exec.testId));
      if (exec.runDir === null) throw ofOtherArea();
      const record = readRecord(exec.runDir, exec.attempt);
      if (record !== null) await this.#run(exec, record);
      // Nothing of it ran: its runner died before.
      else {
        exec.item = await this.#means.itemOf(exec);
        await this.#prepareAndRun(exec);
      }
    });
  }

  async #tracked(exec: Exec, perform: () => Promise<void>): Promise<void> {
    this.#running += 1;
    try {
      await perform();
    } catch (error) {
      const isKilled = exec.isStopped && exec.running === null;
      const event = isKilled ? KILLED : ({ kind: 'finish', status: 'FAIL' } as const);
      this.#fail(exec, event, messageOf(error));
    } finally {
      this.#running -= 1;
    }
  }

  async #prepareAndRun(exec: Exec): Promise<void> {
    const record = await this.#prepare(exec);
    if (exec.isStopped) this.#fail(exec, { kind: 'killed' }, 'killed before it started');
    else await this.#run(exec, record);
  }

  /** Once more, in an emptied directory. It keeps its slot meanwhile. */
  async #runAgain(exec: Exec): Promise<void> {
    this.#reruns.set(exec.id, (this.#reruns.get(exec.id) ?? 0) + 1);
    exec.cleans = true;
    if (await this.#enterLaunched(exec)) await this.#prepareAndRun(exec);
  }

  /** `reruns`: what was lost; in own areas also what failed. */
  #isToRunAgain(exec: Exec, { state, status }: StatePair): boolean {
    const { settings, isCompatible } = this.#means.area;
    if (exec.isStopped || (this.#reruns.get(exec.id) ?? 0) >= settings.rerunsMax) return false;
    const isFailed = state === 'COMPLETED' && (status === 'FAIL' || status === 'ABORT');
    return state === 'INCOMPLETE' || (isFailed && !isCompatible);
  }

  #isSkipped(exec: Exec): boolean {
    const { store, area, now } = this.#means;
    const rule = this.#means.defOf(exec.test)?.skip ?? null;
    if (rule === null) return false;
    const itemPath = exec.item?.path ?? '';
    const reason = skipReason(store, {
      ...{ rule, name: exec.test, itemPath, runId: this.#runId, home: area.home, now: now() },
    });
    if (reason === null) return false;
    const facts = { comment: reason, endedAt: now() };
    const { testId } = exec;
    this.#means.outbox.add({
      kind: 'transition',
      testId,
      event: { kind: 'skip' },
      facts,
      cause: reason,
    });
    this.#entered(exec, { state: 'COMPLETED', status: 'SKIP' });
    return true;
  }

  /** False: no disk has room, and it was put off. */
  async #enterLaunched(exec: Exec): Promise<boolean> {
    const { outbox, host, now, onLaunch } = this.#means;
    const frozen = this.#frozenOf(exec, exec.attempt + 1);
    const isAsItWas = frozen !== null || exec.part !== null;
    if (!isAsItWas && !(await this.#findPlace(exec))) return false;
    exec.attempt += 1;
    exec.pair = { state: 'LAUNCHED', status: 'n/a' };
    const { testId, attempt, runDir } = exec;
    const configHash = this.#means.defOf(exec.test)?.hash ?? null;
    const facts = {
      ...{ host, attempt, runDir, startedAt: now() },
      // What is kept of an earlier result belongs to the configuration of that.
      ...(isAsItWas ? {} : { configHash, isStale: false }),
    };
    const cause = causeOf(exec, frozen);
    outbox.add({ kind: 'transition', testId, event: { kind: 'launch' }, facts, cause });
    // What the database cannot take now it takes later; nothing starts before.
    await patiently(() => onLaunch(testId));
    return true;
  }

  async #findPlace(exec: Exec): Promise<boolean> {
    const { area, book } = this.#means;
    const before = exec.runDir;
    const about = { place: this.#placeOf(exec), layers: book.layers, before };
    const room = await findRoom(area, this.#means.defOf(exec.test), about);
    if (room.kind === 'none') {
      this.#putOff(exec, room.reason);
      return false;
    }
    exec.runDir = room.path;
    exec.leftDir = before === room.path ? null : before;
    return true;
  }

  #putOff(exec: Exec, cause: string): void {
    const { testId } = exec;
    const event = { kind: 'putOff' as const };
    this.#means.outbox.add({ kind: 'transition', testId, event, facts: { comment: cause }, cause });
    exec.trouble = cause;
    exec.pair = { state: 'NOT_STARTED', status: 'KEEP_TRYING' };
    this.#means.onEntered(exec, exec.pair);
  }

  /** What it was launched with before; null: it is read anew. */
  #frozenOf({ runDir }: Exec, attempt: number): LaunchRecord | null {
    return this.#isFrozen && runDir !== null ? recordBefore(runDir, attempt) : null;
  }

  #placeOf({ test, item }: Exec): Launch['place'] {
    const { target, run } = this.#request;
    return { target, run, test, itemPath: item?.path ?? '' };
  }

  async #prepare(exec: Exec): Promise<LaunchRecord> {
    const record = await this.#prepared(exec);
    if (exec.leftDir !== null) {
      const { home, disks } = this.#means.area;
      const { tests = [] } = this.#means.store.read({ kind: 'tests', runId: this.#runId });
      const below = itemsBelow(tests)(exec.test, exec.item?.path ?? '');
      await removeOwnDir(exec.leftDir, this.#placeOf(exec), { home, disks, below });
      exec.leftDir = null;
    }
    await patiently(() => this.#means.outbox.flush());
    return record;
  }

  /** Reads the configuration again, with the whole environment, unless that of an earlier attempt is wanted. */
  async #prepared(exec: Exec): Promise<LaunchRecord> {
    const { book, now } = this.#means;
    const launch: Launch = {
      ...{ runId: this.#runId, testId: exec.testId, attempt: exec.attempt, item: exec.item },
      ...{ place: this.#placeOf(exec), runDir: exec.runDir ?? '' },
      directory: this.#means.defOf(exec.test)?.directory ?? '',
    };
    const frozen = this.#frozenOf(exec, exec.attempt);
    if (frozen !== null) return prepareAgain(this.#inPart(exec, frozen), launch, now());
    const env = environmentFor(launch, book.layers, this.#means);
    const def = await book.test(exec.test, env);
    const { layers } = book;
    if (exec.part === null) {
      const nested = this.#nestedIn(exec);
      exec.copying = new AbortController();
      const { signal } = exec.copying;
      const preparation = { def, env, layers, isClean: exec.cleans, nested, signal };
      return await prepare(launch, preparation, this.#means);
    }
    const record = recordOf(launch, { def, env, layers }, this.#means);
    return prepareAgain(this.#inPart(exec, record), launch, now());
  }

  /** With the results of the steps that do not run again. */
  #inPart({ part, testId }: Exec, record: LaunchRecord): LaunchRecord {
    const { steps: rows = [] } = this.#means.store.read({ kind: 'steps', testId });
    return { ...record, steps: partOf(record.steps, part, rows) };
  }

  #nestedIn({ test, item, runDir }: Exec): readonly string[] {
    const items = this.#means.defOf(test)?.items ?? { kind: 'none' };
    if (item === null || runDir === null || !mayHaveNested(items, item.path)) return [];
    if (!existsSync(runDir)) return [];
    const { tests = [] } = this.#means.store.read({ kind: 'tests', runId: this.#runId });
    return nestedIn(runDir, item.path, itemsBelow(tests)(test, item.path));
  }

  async #run(exec: Exec, record: LaunchRecord): Promise<void> {
    const { execution } = this.#means;
    const onState = (_: LaunchRecord, pair: StatePair): void => this.#onState(exec, record, pair);
    const running = new Execution(record, exec.pair, { ...execution, onState });
    exec.running = running;
    try {
      await running.run();
    } finally {
      exec.running = null;
    }
    if (this.#again.delete(exec.id)) await this.#runAgain(exec);
  }

  #onState(exec: Exec, record: LaunchRecord, pair: StatePair): void {
    for (const { name, command } of this.#means.triggers.fire(record, pair)) {
      const words = { kind: 'trigger' as const, runId: this.#runId, testId: exec.testId };
      this.#means.outbox.add({
        kind: 'note',
        event: { ...words, old: null, new: name, cause: command },
      });
    }
    if (isTerminal(pair)) exec.running = null;
    if (isTerminal(pair) && this.#isToRunAgain(exec, pair)) this.#reset(exec, pair);
    else this.#entered(exec, pair);
  }

  /** In one transaction with its end: nobody sees a failure that is not the last word. */
  #reset(exec: Exec, pair: StatePair): void {
    const { testId } = exec;
    const facts = { exitCode: null, cpuMs: null, rssMaxBytes: null, endedAt: null, comment: '' };
    const cause = `${pair.state}/${pair.status}: tried again`;
    this.#means.onEnd(testId, pair);
    this.#means.outbox.add(
      { kind: 'transition', testId, event: { kind: 'reset' }, facts, cause },
      { kind: 'clearTest', testId },
    );
    exec.pair = FRESH;
    this.#again.add(exec.id);
  }

  #entered(exec: Exec, pair: StatePair): void {
    exec.pair = pair;
    if (isTerminal(pair)) this.#means.onEnd(exec.testId, pair);
    this.#means.onEntered(exec, pair);
  }

  /** It could not be started, or we failed at it. */
  #fail(
    exec: Exec,
    event: { readonly kind: 'finish'; readonly status: 'FAIL' } | { readonly kind: 'killed' },
    comment: string,
  ): void {
    const facts = { comment, endedAt: this.#means.now() };
    const { testId } = exec;
    if (isWaiting(exec.pair)) {
      // Only what is launched can fail.
      const launch = { kind: 'launch' as const };
      this.#means.outbox.add({ kind: 'transition', testId, event: launch, facts, cause: comment });
    }
    this.#means.outbox.add({ kind: 'transition', testId, event, facts, cause: comment });
    const isKilled = event.kind === 'killed';
    const pair: StatePair = isKilled
      ? { state: 'KILLED', status: 'KILLED' }
      : { state: 'COMPLETED', status: 'FAIL' };
    this.#entered(exec, pair);
  }
}

function causeOf({ attempt, part }: Exec, frozen: LaunchRecord | null): string {
  const steps = part === null ? '' : `, ${part.isOnly ? 'only' : 'from'} the step ${part.step}`;
  return `attempt ${attempt}${steps}${frozen === null ? '' : `, as attempt ${frozen.attempt} was`}`;
}

function ofOtherArea(): TidelockError {
  return new TidelockError({
    code: 'RUN_FAILED',
    message: 'it runs in the area that this one is a copy of',
    hint: 'run it again here: tidelock runs rerun --all --pattern',
  });
}
