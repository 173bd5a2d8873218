/**
 * One execution, from its launch record to its verdict: steps one after the other, each in a process group.
 *
 *   step absent -> started -> ended -> judged -> next step .. -> finished
 *
 * Where it stands is in the marks of its steps, so going on after a runner's death is the same walk: ended steps
 * are judged again, a living one is waited for, one that died without a mark ends it INCOMPLETE/DEAD.
 */
import { statSync } from 'node:fs';
import { autoStatus } from '../../area/test-data.ts';
import type { State, StatePair } from '../../planner/rows.ts';
import type { TestFacts } from '../../planner/run-store.ts';
import { type TransitionEvent, transition } from '../../planner/states.ts';
import { isAlive } from '../processes/host.ts';
import { Killing } from '../processes/killing.ts';
import {
  type Exit,
  type Leader,
  type Mark,
  readMark,
  startGroup,
} from '../processes/process-group.ts';
import { type GroupUse, type Members, type ProcessLook, sweep } from '../processes/processes.ts';
import { CallBook, type CallMeans, type OwnResult } from './call-book.ts';
import { EXECUTION_VARIABLE } from './environment.ts';
import { HelperCalls } from './helper-calls.ts';
import { callsFile, type LaunchRecord, type LaunchStep, markFile } from './launch-record.ts';
import {
  askToEnd,
  claimMark,
  FAR_KILL_MS_MAX,
  isFar,
  isFarAlive,
  isFarEnding,
  startLaunched,
} from './launched.ts';
import { goesOn, type StepVerdict, together, verdictOf } from './verdict.ts';

/** A leader writes its mark within this; who has none by then never began. */
const MARK_GRACE_MS = 2_000;
const LOST: Exit = { code: 137, signal: 9, cpuMs: 0 };

export type ExecutionMeans = CallMeans & {
  readonly now: () => number;
  /** Shared with all that run; forgotten every turn. */
  readonly look: ProcessLook;
  /** The comment with which a failed result is waived; null: it is not. */
  readonly waiverOf: (record: LaunchRecord) => Promise<string | null>;
  /** It has entered a state; the write of it waits in the outbox. */
  readonly onState: (record: LaunchRecord, pair: StatePair) => void;
};

type Current = {
  readonly step: LaunchStep;
  readonly mark: string;
  /** Of the process that stands for the group; null: adopted before it told us. */
  group: number | null;
  leader: Leader | null;
  isOurs: boolean;
  readonly sinceMs: number;
  readonly ended: PromiseWithResolvers<void>;
  isOver: boolean;
  /** Why a launcher has brought nothing about. */
  trouble: string;
};

export class Execution {
  readonly record: LaunchRecord;
  readonly #means: ExecutionMeans;
  readonly #calls: HelperCalls;
  readonly #book: CallBook;
  readonly #groups = new Set<number>();
  #current: Current | null = null;
  #killing: Killing | null = null;
  #isDead = false;
  #pair: StatePair;
  #cpuMs = 0;
  #rssMaxBytes = 0;
  #sampledCpuMs = 0;
  #exitCode: number | null = null;
  #trouble = '';

  /** `pair`: what the database says of it: LAUNCHED, or where it was when its runner died. */
  constructor(record: LaunchRecord, pair: StatePair, means: ExecutionMeans) {
    this.record = record;
    this.#pair = pair;
    this.#means = means;
    this.#calls = new HelperCalls(callsFile(record.runDir, record.attempt));
    this.#book = new CallBook(record, means);
    if (record.steps.some(({ kept }) => kept !== undefined)) this.#book.keep(means.dataOf(record));
  }

  /** The process groups that are its own; for the sampler. */
  get groups(): ReadonlySet<number> {
    return this.#groups;
  }

  /** Runs it to its end and writes what it came to. */
  async run(): Promise<StatePair> {
    if (this.#pair.state === 'KILLREQ') this.kill('a kill was asked for');
    else if (this.#pair.state !== 'RUNNING') this.#enter({ kind: 'run' }, 'its first step starts');
    let status = 'PASS';
    let comment = '';
    for (const [index, step] of this.record.steps.entries()) {
      const verdict = keptVerdict(step) ?? (await this.#perform(step, index));
      if (this.#killing !== null || this.#isDead || verdict === null) break;
      const before = status;
      status = together(before, verdict.status);
      const isTold = verdict.comment !== '' && (goesOn(before) || status !== before);
      if (isTold) comment = `${step.name}: ${verdict.comment}`;
      if (!goesOn(verdict.status) && step.kept === undefined) break;
      if (status === 'WARN') this.#enter({ kind: 'progress', status }, comment);
    }
    return await this.#finish(status, comment);
  }

  /** Ends it early: TERM to all that belongs to it, KILL after five seconds. */
  kill(cause: string): void {
    if (this.#killing !== null) return;
    const now = this.#means.now();
    this.#killing = new Killing(cause, now, this.#means.look);
    this.#enter({ kind: 'requestKill' }, cause);
    if (this.#current !== null) this.#stopLaunched(this.#current);
    this.#killing.press(this.#members, now);
  }

  /** Ends it on the spot. */
  killNow(cause: string): void {
    this.kill(cause);
    this.#killing?.harden();
    this.#killing?.press(this.#members, this.#means.now());
  }

  /** Looks at what it does; called often. `use`: of all groups of the host, when they were sampled. */
  tick(use: ReadonlyMap<number, GroupUse> | null): void {
    this.#takeCalls();
    if (use !== null) this.#measure(use);
    const { timeLimitS, startedAt } = this.record;
    const now = this.#means.now();
    if (timeLimitS !== null && now - startedAt > timeLimitS * 1000) {
      this.kill(`time limit of ${timeLimitS} s`);
    }
    const current = this.#current;
    if (current === null) return;
    if (this.#killing !== null) this.#pressOn(this.#killing, current);
    else if (!current.isOurs) this.#watchAdopted(current);
  }

  #takeCalls(): void {
    for (const call of this.#calls.next()) this.#book.take(call);
  }

  #measure(use: ReadonlyMap<number, GroupUse>): void {
    let [rssBytes, cpuMs] = [0, 0];
    for (const group of this.#groups) {
      rssBytes += use.get(group)?.rssBytes ?? 0;
      cpuMs += use.get(group)?.cpuMs ?? 0;
    }
    this.#rssMaxBytes = Math.max(this.#rssMaxBytes, rssBytes);
    this.#sampledCpuMs = Math.max(this.#sampledCpuMs, cpuMs);
  }

  get #members(): Members {
    return { groups: this.#groups, token: this.record.env[EXECUTION_VARIABLE] ?? '' };
  }

  #pressOn(killing: Killing, current: Current): void {
    const now = this.#means.now();
    this.#stopLaunched(current);
    if (!killing.press(this.#members, now)) return;
    const isEnding = this.record.launcher != null && isFarEnding(current.mark);
    if (!isEnding || now - killing.sinceMs > FAR_KILL_MS_MAX) endOf(current);
  }

  /** Nobody tells us of the end of a process that we did not start. */
  #watchAdopted(current: Current): void {
    const mark = readMark(current.mark);
    if (mark.kind === 'ended') endOf(current);
    else if (mark.kind === 'begun' && mark.leader !== null) {
      if (this.#isLeaderAlive(mark.leader, current.mark)) this.#hold(current, mark.leader);
      else endOf(current);
    } else if (this.#means.now() - current.sinceMs > this.#graceMs) {
      if (this.record.launcher != null) claimMark(current.mark, LOST.code);
      current.trouble = 'nothing began';
      endOf(current);
    }
  }

  get #graceMs(): number {
    const { launcher } = this.record;
    return launcher == null ? MARK_GRACE_MS : launcher.deadTimeS * 1000;
  }

  #isLeaderAlive(leader: Leader, mark: string): boolean {
    const { launcher } = this.record;
    if (launcher == null || !isFar(leader)) return isAlive(leader);
    return isFarAlive(mark, { now: this.#means.now(), deadTimeMs: launcher.deadTimeS * 1000 });
  }

  #hold(current: Current, leader: Leader): void {
    current.leader = leader;
    if (isFar(leader)) return; // its number is somebody else's here
    current.group = leader.pid;
    this.#groups.add(leader.pid);
  }

  /** Null: it did not end, for it was killed or is lost. */
  async #perform(step: LaunchStep, index: number): Promise<StepVerdict | null> {
    const path = markFile(this.record.runDir, this.record.attempt, index);
    const before = readMark(path);
    const startedAt = startOf(path, before) ?? this.#means.now();
    if (before.kind !== 'ended') {
      this.#book.stepStarted(step, startedAt);
      await this.#untilEnded(step, path, before);
    }
    this.#takeCalls();
    if (this.#killing !== null) return this.#cutShort(step, startedAt);
    const exit = this.#exitOf(readMark(path), before);
    if (exit === null) return null;
    this.#cpuMs += exit.cpuMs;
    this.#exitCode = exit.code;
    return await this.#judge(step, exit, startedAt);
  }

  /** No end in the mark: the leader was killed. What we started has failed by that; what we adopted is lost. */
  #exitOf(mark: Mark, before: Mark): Exit | null {
    if (mark.kind === 'ended') return mark.exit;
    if (before.kind === 'absent') return LOST;
    this.#isDead = true;
    return null;
  }

  #cutShort(step: LaunchStep, startedAt: number): null {
    const verdict = { status: 'KILLED', isMasked: false, comment: this.#killing?.cause ?? '' };
    this.#book.stepEnded(step, { startedAt, exitCode: null, verdict }, this.#means.now());
    return null;
  }

  async #untilEnded(step: LaunchStep, mark: string, before: Mark): Promise<void> {
    const isOurs = before.kind === 'absent';
    const current: Current = {
      ...{ step, mark, isOurs, group: null, leader: null, isOver: false, trouble: '' },
      ...{ sinceMs: this.#means.now(), ended: Promise.withResolvers<void>() },
    };
    this.#current = current;
    if (isOurs) this.#start(current);
    else this.#watchAdopted(current);
    await current.ended.promise;
    this.#current = null;
    this.#trouble = current.trouble;
  }

  #start(current: Current): void {
    const { step, mark } = current;
    const { runDir, env, shell } = this.record;
    const log = `${runDir}/${step.log}`;
    const start = { command: step.command, shell, cwd: runDir, env, log, mark };
    const { launcher } = this.record;
    if (launcher != null) {
      current.isOurs = false; // its end is in the mark, whatever the launcher does
      const onEnd = (code: number | null): void => this.#onLauncherEnd(current, code);
      current.group = startLaunched({ ...start, launcher: launcher.command }, onEnd);
    } else current.group = startGroup(start, () => this.#onLeaderEnd(current));
    this.#groups.add(current.group);
  }

  /** Where it has failed, and the job has not begun, the step has failed. */
  #onLauncherEnd(current: Current, code: number | null): void {
    if (code === 0 || !claimMark(current.mark, code ?? LOST.code)) return;
    current.trouble = 'its launcher failed: see launcher.log';
    endOf(current);
  }

  /** What has not begun never will; what has, is asked to end. */
  #stopLaunched({ mark }: Current): void {
    if (this.record.launcher == null || claimMark(mark, LOST.code)) return;
    const read = readMark(mark);
    if (read.kind !== 'begun') return;
    askToEnd(mark);
    if (read.leader !== null && !isFar(read.leader)) this.#groups.add(read.leader.pid);
  }

  /** While it is being killed, others of the group may live on: then its end is theirs. */
  #onLeaderEnd(current: Current): void {
    if (this.#killing !== null) {
      this.#killing.lookSoon();
      return;
    }
    const mark = readMark(current.mark);
    const isOthers = mark.kind !== 'absent' && mark.leader?.pid !== current.group;
    // Somebody was first with this very step: it is his that is waited for.
    if (isOthers && mark.leader !== null) current.isOurs = false;
    else endOf(current);
  }

  async #judge(step: LaunchStep, exit: Exit, startedAt: number): Promise<StepVerdict> {
    const { record } = this;
    const log = `${record.runDir}/${step.log}`;
    const byRules = step.rules === null ? null : await this.#means.judgeLog(step, log, record);
    const { ignoresExit, isScript } = step;
    const { isCompatible } = record;
    const judged = verdictOf({ exit, byRules, ignoresExit, isScript, isCompatible });
    const lost = { status: 'FAIL', isMasked: false, comment: this.#trouble };
    const verdict = this.#trouble === '' ? judged : lost;
    this.#book.stepEnded(step, { startedAt, exitCode: exit.code, verdict }, this.#means.now());
    return verdict;
  }

  async #finish(status: string, comment: string): Promise<StatePair> {
    this.#takeCalls();
    await this.#book.settled();
    if (this.#killing !== null) return this.#end({ kind: 'killed' }, this.#killing.cause);
    if (this.#isDead) {
      sweep(this.#means.look, this.#members);
      return this.#end({ kind: 'dead' }, 'its processes are gone, and left no result');
    }
    const own = this.#book.ownResult;
    const told = own?.comment || comment;
    if (own !== null && own.status !== 'AUTO' && this.#isScripted) {
      return this.#end(eventOf(own), told);
    }
    const verdict = own?.status === 'AUTO' ? autoStatus(status, this.#book.data) : status;
    const waiver = verdict === 'FAIL' ? await this.#means.waiverOf(this.record) : null;
    if (waiver === null) return this.#end({ kind: 'finish', status: verdict }, told);
    return this.#end({ kind: 'finish', status: 'WAIVED' }, waiver);
  }

  /** Steps are judged one by one; only a script may say itself how it went. */
  get #isScripted(): boolean {
    return this.record.steps.length > 0 && this.record.steps.every(({ isScript }) => isScript);
  }

  #end(event: TransitionEvent, words: string): StatePair {
    const comment = [words, this.#book.lost].filter((part) => part !== '').join('; ');
    const { runDir, steps, startedAt } = this.record;
    const facts = {
      ...{ endedAt: this.#means.now(), comment, startedAt, exitCode: this.#exitCode, runDir },
      ...{ cpuMs: Math.max(this.#cpuMs, this.#sampledCpuMs) },
      ...{ rssMaxBytes: this.#rssMaxBytes === 0 ? null : this.#rssMaxBytes },
      log: this.#book.topLog ?? steps.at(-1)?.log ?? null,
    };
    const cause = comment === '' ? 'its steps have ended' : comment;
    if (this.#enter(event, cause, facts)) return this.#pair;
    const refused = `${comment} (its own result was none that there is)`.trim();
    this.#enter({ kind: 'finish', status: 'FAIL' }, refused, { ...facts, comment: refused });
    return this.#pair;
  }

  /** False: the table of states has no such change. */
  #enter(event: TransitionEvent, cause: string, facts: TestFacts = {}): boolean {
    const { testId, isCompatible } = this.record;
    const rules = { isLocked: false, acceptsAnyStatus: isCompatible };
    const change = transition(this.#pair, event, rules);
    if (change.kind === 'refused') return false;
    this.#pair = change.to;
    this.#means.outbox.add({ kind: 'transition', testId, event, facts, cause });
    this.#means.onState(this.record, change.to);
    return true;
  }
}

/** What a script says of itself; a state of its own choice is set as a user would. */
function eventOf({ state, status }: OwnResult): TransitionEvent {
  if (state === 'COMPLETED') return { kind: 'finish', status };
  return { kind: 'force', to: { state: state as State, status } };
}

/** Of a step that does not run again; null: it runs. */
function keptVerdict({ kept }: LaunchStep): StepVerdict | null {
  return kept === undefined ? null : { ...kept, isMasked: false };
}

function endOf(current: Current): void {
  if (current.isOver) return;
  current.isOver = true;
  current.ended.resolve();
}

/** When a step of an earlier runner began: the mark was made then. */
function startOf(path: string, mark: Mark): number | null {
  if (mark.kind === 'absent') return null;
  const { birthtimeMs, mtimeMs } = statSync(path);
  return Math.round(Math.min(birthtimeMs || mtimeMs, mtimeMs));
}
