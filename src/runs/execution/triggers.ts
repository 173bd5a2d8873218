/** Commands that a test asks for when it enters a state or a status; nobody waits for them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import type { StateStatus, Trigger } from '../../area/types.ts';
import { messageOf } from '../../core/errors.ts';
import type { LaunchRecord } from './launch-record.ts';

/** At once, of one runner: a trigger that hangs must not take the host. */
const RUNNING_MAX = 64;
const LOG = 'triggers.log';

export type FiredTrigger = { readonly name: string; readonly command: string };

/** `PASS/` stands in old manuals for any state with status PASS; `/PASS` is what the original reads: both do. */
function triggersFor(triggers: readonly Trigger[], pair: StateStatus): readonly Trigger[] {
  return triggers.filter(({ state, status }) => {
    const isStatusAlone = status === null && state === pair.status;
    const isBoth = (state ?? pair.state) === pair.state && (status ?? pair.status) === pair.status;
    return isStatusAlone || isBoth;
  });
}

export class Triggers {
  #running = 0;

  /** Starts those of this state; gives them, with what kept one from starting. The execution goes on in any case. */
  fire(record: LaunchRecord, pair: StateStatus): readonly FiredTrigger[] {
    const name = `${pair.state}/${pair.status}`;
    return triggersFor(record.triggers, pair).map(({ command }) => {
      const trouble = this.#tryStart(record, { name, command });
      return { name, command: trouble === null ? command : `${command} (not started: ${trouble})` };
    });
  }

  /** Null: it was started. */
  #tryStart(record: LaunchRecord, trigger: FiredTrigger): string | null {
    if (this.#running >= RUNNING_MAX) return `${RUNNING_MAX} triggers run already`;
    try {
      this.#start(record, trigger);
      return null;
    } catch (error) {
      return messageOf(error);
    }
  }

  #start({ runDir, testId, env }: LaunchRecord, { name, command }: FiredTrigger): void {
    const output = openSync(join(runDir, LOG), 'a');
    const args = ['-c', `${command} "$@"`, 'trigger', String(testId), runDir, name];
    const stdio = ['ignore' as const, output, output];
    let child: ChildProcess;
    try {
      child = spawn('/bin/sh', args, { cwd: runDir, env, detached: true, stdio });
    } finally {
      closeSync(output);
    }
    this.#running += 1;
    const onEnd = (): void => {
      this.#running -= 1;
    };
    child.once('exit', onEnd);
    child.once('error', onEnd);
    child.unref();
  }
}
