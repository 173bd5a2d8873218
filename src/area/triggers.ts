/** `[triggers]`: `STATE/STATUS command`; either may be left out. */
import { entriesOf, stateStatusOf } from './entries.ts';
import type { Config, Entry, Finding, Trigger } from './types.ts';

/** `PASS/` is written where `/PASS` is meant. */
const STATUSES: ReadonlySet<string> = new Set([
  ...['n/a', 'PASS', 'SKIP', 'WARN', 'WAIVED', 'CHECK', 'FAIL', 'ABORT', 'DEAD', 'AUTO'],
]);

export type Triggers = {
  readonly triggers: readonly Trigger[];
  readonly findings: readonly Finding[];
};

export function readTriggers(config: Config): Triggers {
  const entries = entriesOf(config, 'triggers');
  const findings = entries
    .filter(({ key, value }) => !key.includes('/') || key === '/' || value.trim() === '')
    .map(({ key, origin }) => ({
      message: `${key} is no trigger: write STATE/STATUS, STATE/ or /STATUS, and a command`,
      origin,
    }));
  const bad = new Set(findings.map(({ origin }) => origin));
  return { triggers: entries.filter(({ origin }) => !bad.has(origin)).map(triggerOf), findings };
}

function triggerOf({ key, value }: Entry): Trigger {
  const { state, status } = stateStatusOf(key);
  const isStatus = status === '' && STATUSES.has(state);
  return {
    state: state === '' || isStatus ? null : state,
    status: isStatus ? state : status === '' ? null : status,
    command: value.trim(),
  };
}
