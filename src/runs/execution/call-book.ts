/** What an execution's steps and its own calls say, as rows. */

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, isAbsolute, join, relative } from 'node:path';
import { DATA_ROWS_MAX } from '../../area/limits.ts';
import { dataOfCsv } from '../../area/test-data.ts';
import type { AreaSettings, LogRules } from '../../area/types.ts';
import type { NewData } from '../../planner/run-store.ts';
import type { Outbox } from '../database/outbox.ts';
import { type HelperCall, statusOfWord } from './helper-calls.ts';
import type { LaunchRecord, LaunchStep } from './launch-record.ts';
import { goesOn, type LogVerdict, type StepVerdict, verdictOf } from './verdict.ts';

/** Codes of `-runstep` with rules: what scripts know from logpro. */
const RULE_CODES = ['PASS', 'FAIL', 'WARN', 'CHECK', 'WAIVED', 'ABORT', 'SKIP'];
const PENDING_MAX = 1000;
/** Kinds of losses that one execution tells. */
const LOST_MAX = 20;

export type CallMeans = {
  readonly outbox: Outbox;
  readonly judgeLog: (step: LaunchStep, log: string, record: LaunchRecord) => Promise<LogVerdict>;
  /** Rules in a file of the work area. */
  readonly readRules: (file: string) => LogRules;
  /** Data of the last good run of the same test. */
  readonly dataBefore: (record: LaunchRecord) => readonly NewData[];
  /** Its own, from an earlier attempt. */
  readonly dataOf: (record: LaunchRecord) => readonly NewData[];
  /** `[validvalues]`: words that a test may give its steps; an empty list: any. */
  readonly valid: Pick<AreaSettings, 'validStates' | 'validStatuses'>;
};

type StepEnd = {
  readonly startedAt: number;
  readonly exitCode: number | null;
  readonly verdict: StepVerdict;
};

export type OwnResult = {
  readonly state: string;
  readonly status: string;
  readonly comment: string;
};

export class CallBook {
  readonly #record: LaunchRecord;
  readonly #means: CallMeans;
  readonly #rows = new Map<string, NewData>();
  readonly #startedAt = new Map<string, number>();
  readonly #pending = new Set<Promise<void>>();
  readonly #lost = new Set<string>();
  #own: OwnResult | null = null;
  #topLog: string | null = null;

  constructor(record: LaunchRecord, means: CallMeans) {
    this.#record = record;
    this.#means = means;
  }

  /** What an earlier attempt has measured, and this one does not measure again. */
  keep(rows: readonly NewData[]): void {
    for (const row of rows) this.#rows.set(`${row.category}\0${row.variable}`, row);
  }

  /** The state that the test has given itself; null: none. */
  get ownResult(): OwnResult | null {
    return this.#own;
  }

  get data(): readonly NewData[] {
    return [...this.#rows.values()];
  }

  /** What it has told and is not there, in a sentence; '' when all is. */
  get lost(): string {
    return [...this.#lost].join('; ');
  }

  get topLog(): string | null {
    return this.#topLog;
  }

  /** When all that was called has been judged. */
  async settled(): Promise<void> {
    await Promise.all(this.#pending);
  }

  stepStarted({ name, log }: LaunchStep, startedAt: number): void {
    this.#step(name, { log, startedAt, endedAt: null, status: 'n/a' });
  }

  stepEnded(
    { name, log }: LaunchStep,
    { startedAt, exitCode, verdict }: StepEnd,
    at: number,
  ): void {
    const { status, isMasked, comment } = verdict;
    this.#step(name, { log, startedAt, endedAt: at, status, exitCode, isMasked, comment });
  }

  take(call: HelperCall): void {
    switch (call.kind) {
      case 'step':
        this.#takeStep(call);
        return;
      case 'ran':
        this.#takeRan(call);
        return;
      case 'status':
        this.#takeStatus(call);
        return;
      case 'data':
        this.#takeData(call);
        return;
      case 'values':
        this.#putData(valuesOf(call, this.#before()));
        return;
      case 'fault':
        this.#takeFault(call);
        return;
      case 'log':
        this.#topLog = this.#logOf(call, call.name);
        return;
      case 'lost':
        this.#lose(call.name);
        return;
      default:
        this.#comment(call.name);
    }
  }

  /** Nothing that a test has told is left out silently: it stands in its comment, and among the events. */
  #lose(what: string): void {
    if (this.#lost.has(what) || this.#lost.size >= LOST_MAX) return;
    this.#lost.add(what);
    const { runId, testId } = this.#record;
    const event = { kind: 'note' as const, runId, testId, old: null, new: null, cause: what };
    this.#means.outbox.add({ kind: 'note', event });
  }

  #takeData({ options }: HelperCall): void {
    const file = options.get('data-file');
    const text = textOf(file);
    if (text === null) this.#lose(`its test data could not be read: ${file ?? 'no file'}`);
    const rows = dataOfCsv(text ?? '', this.#before());
    if (rows.length >= DATA_ROWS_MAX) this.#lose(`its test data are cut after ${rows.length} rows`);
    this.#putData(rows);
  }

  #before(): readonly NewData[] {
    return this.#means.dataBefore(this.#record);
  }

  #takeStep(call: HelperCall): void {
    const { name, options, at } = call;
    const isEnd = options.get('state') === 'end';
    if (!isEnd) this.#startedAt.set(name, at);
    const log = options.get('setlog');
    const wrong = this.#wrongWord(options);
    const status = wrong === null ? statusOfWord(options.get('status') ?? 'n/a') : 'FAIL';
    this.#step(name, {
      ...{ status, comment: wrong ?? options.get('m') ?? '' },
      ...{ log: log === undefined ? null : this.#logOf(call, log) },
      ...{ startedAt: this.#startedAt.get(name) ?? at, endedAt: isEnd ? at : null },
    });
  }

  /** What is none of the area's words for steps; null: all are. */
  #wrongWord(options: HelperCall['options']): string | null {
    const { validStates, validStatuses } = this.#means.valid;
    const wrong = [
      ['state', validStates],
      ['status', validStatuses],
    ] as const;
    for (const [name, valid] of wrong) {
      const word = options.get(name);
      if (word === undefined || valid.length === 0 || valid.includes(word)) continue;
      return `${name} ${word} is none of [validvalues]`;
    }
    return null;
  }

  /** `-runstep`: the command has run; with rules the caller waits for our verdict. */
  #takeRan(call: HelperCall): void {
    const { options, name, at } = call;
    const code = Number(options.get('code') ?? 1);
    const exit = { code, signal: code > 128 ? code - 128 : null, cpuMs: 0 };
    const startedAt = this.#startedAt.get(name) ?? at;
    const log = join(call.cwd, options.get('setlog') ?? `${name}.log`);
    const rulesFile = options.get('logpro') ?? '';
    const step = {
      ...{ name, command: '', ignoresExit: false, isScript: false },
      ...{ log: this.#logOf(call, log), rules: null as LogRules | null },
    };
    const judge = async (): Promise<void> => {
      const byRules =
        rulesFile === '' ? null : await this.#byRules(step, join(call.cwd, rulesFile), log);
      const facts = { exit, byRules, ignoresExit: false, isScript: false };
      const verdict = verdictOf({ ...facts, isCompatible: this.#record.isCompatible });
      this.stepEnded(step, { startedAt, exitCode: code, verdict }, at);
      if (rulesFile !== '') answer(options.get('answer'), verdict.status);
    };
    if (this.#pending.size >= PENDING_MAX) {
      this.#lose(
        `more than ${PENDING_MAX} steps at once wait to be judged: the others are left out`,
      );
      if (rulesFile !== '') answer(options.get('answer'), 'ABORT');
      return;
    }
    const pending = judge().finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  async #byRules(step: LaunchStep, file: string, log: string): Promise<LogVerdict> {
    try {
      const rules = this.#means.readRules(file);
      return await this.#means.judgeLog({ ...step, rules }, log, this.#record);
    } catch (error) {
      return { status: 'ABORT', comment: error instanceof Error ? error.message : String(error) };
    }
  }

  #takeStatus({ options }: HelperCall): void {
    const comment = options.get('m') ?? '';
    const status = options.get('status');
    if (comment !== '') this.#comment(comment);
    if (status === undefined) return;
    const state = options.get('state') ?? 'COMPLETED';
    this.#own = { state, status: statusOfWord(status), comment };
  }

  /** What it disturbs on purpose, so that whoever fails meanwhile can be told. */
  #takeFault({ name, options, at }: HelperCall): void {
    const target = options.get('target') ?? '';
    const fault = target === '' ? name : `${name} (${target})`;
    const state = options.get('state') ?? 'seen';
    const { runId, testId } = this.#record;
    const about = { kind: 'fault' as const, runId, testId, at, cause: options.get('m') ?? '' };
    const event = {
      ...about,
      old: state === 'start' ? null : fault,
      new: state === 'end' ? null : fault,
    };
    this.#means.outbox.add({ kind: 'note', event });
  }

  #comment(comment: string): void {
    this.#means.outbox.add({ kind: 'setTest', testId: this.#record.testId, facts: { comment } });
  }

  #putData(rows: readonly NewData[]): void {
    this.keep(rows);
    this.#means.outbox.add({ kind: 'putData', testId: this.#record.testId, rows });
  }

  #step(name: string, facts: Partial<StepFactsOfRow>): void {
    this.#means.outbox.add({
      kind: 'putStep',
      testId: this.#record.testId,
      step: {
        ...{ name, status: 'n/a', exitCode: null, isMasked: false, log: null, comment: '' },
        ...{ startedAt: 0, endedAt: null, ...facts },
        state: facts.endedAt == null ? 'start' : 'end',
      },
    });
  }

  /** Relative to the work area when it is below. */
  #logOf({ cwd }: HelperCall, file: string): string {
    const path = isAbsolute(file) ? file : join(cwd, file);
    const below = relative(this.#record.runDir, path);
    return below.startsWith('..') ? basename(path) : below;
  }
}

type StepFactsOfRow = {
  readonly status: string;
  readonly exitCode: number | null;
  readonly isMasked: boolean;
  readonly log: string | null;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly comment: string;
};

/** The code that the waiting helper ends with: none when the script is to go on. */
function answer(file: string | undefined, status: string): void {
  if (file === undefined) return;
  const code = goesOn(status) ? 0 : RULE_CODES.indexOf(status);
  try {
    writeFileSync(file, `${code < 0 ? 1 : code}\n`);
  } catch {
    // Its folder is gone or its disk is full: the helper waits no longer than its limit, and says so.
  }
}

/** Null: it cannot be read. */
function textOf(file: string | undefined): string | null {
  try {
    return file === undefined ? null : readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function valuesOf({ options }: HelperCall, before: readonly NewData[]): readonly NewData[] {
  const names = ['category', 'variable', 'value', 'expected', 'tol', 'units', 'comment', 'status'];
  const cells = [...names, 'type'].map((name) => (options.get(name) ?? '').replaceAll('"', '""'));
  return dataOfCsv(`"${cells.join('","')}"`, before);
}
