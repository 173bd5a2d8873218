/** Puts a runner together: the planner, the judges, the triggers and the way to everything of a test. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readLogpro } from '../area/logpro.ts';
import type { LogRules } from '../area/types.ts';
import { step } from '../planner/machine.ts';
import type { NewData, RunStore } from '../planner/run-store.ts';
import { newPlannerState } from '../planner/state.ts';
import type { AreaBook } from './area-book.ts';
import { Outbox } from './database/outbox.ts';
import { earlierResults } from './execution/earlier-results.ts';
import { EXECUTION_VARIABLE } from './execution/environment.ts';
import type { LaunchRecord, LaunchStep } from './execution/launch-record.ts';
import { judgeFile } from './execution/log-reading.ts';
import { Triggers } from './execution/triggers.ts';
import type { LogVerdict } from './execution/verdict.ts';
import { waiverOf } from './execution/waivers.ts';
import { moreActions } from './more-actions.ts';
import type { HostIdentity } from './processes/host.ts';
import { ProcessLook } from './processes/processes.ts';
import { Runner } from './runner.ts';

const HELPER_FOLDER = fileURLToPath(new URL('../../bin/helper', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../bin/tidelock', import.meta.url));
const ID_BYTES = 4;
const SERVING = 'serve';

export type NewRunner = {
  readonly store: RunStore;
  readonly book: AreaBook;
  readonly identity: HostIdentity;
  readonly slots: number;
  readonly isServing: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onTrouble: (error: unknown) => void;
};

/** Whether a runner lives that takes whatever is queued. */
export function isServing(store: RunStore): boolean {
  const { runners = [] } = store.read({ kind: 'runners' });
  return runners.some(
    ({ id, leaseUntil }) => id.startsWith(`${SERVING}:`) && leaseUntil > Date.now(),
  );
}

export function newRunner(options: NewRunner): Runner {
  const { store, book, identity, now } = options;
  const kind = options.isServing ? SERVING : 'run';
  const nonce = randomBytes(ID_BYTES).toString('hex');
  const id = `${kind}:${identity.host}.${process.pid}.${nonce}`;
  const outbox = new Outbox(store, id, (write, error) => {
    // Somebody has changed it in the meantime: his change stays, and comes as news.
    if (write.kind !== 'transition') options.onTrouble(error);
  });
  return new Runner({
    ...{ id, outbox, store, book, identity, now, slots: options.slots },
    ...{ isServing: options.isServing, onTrouble: options.onTrouble, area: book.area },
    ...{ host: identity.host, helperFolder: HELPER_FOLDER, program: PROGRAM },
    triggers: new Triggers(),
    others: moreActions({ area: book.area, store, actor: id }),
    newPlan: () => {
      const state = newPlannerState();
      return (event) => step(state, event);
    },
    execution: {
      look: new ProcessLook(EXECUTION_VARIABLE),
      ...{ outbox, now, judgeLog: (step, log, record) => judged(outbox, step, { log, record }) },
      readRules: (file) => readLogpro(readFileSync(file, 'utf8'), { file, line: 1 }, book.area),
      dataOf: ({ testId }) => store.read({ kind: 'data', testId }).data ?? [],
      dataBefore: (record) => dataBefore(options, record),
      valid: book.area.settings,
      waiverOf: (record) => waiver(store, book, record),
    },
  });
}

/** Judges a step's log; what the rules found becomes test data. */
async function judged(
  outbox: Outbox,
  { rules }: LaunchStep,
  { log, record }: { readonly log: string; readonly record: LaunchRecord },
): Promise<LogVerdict> {
  const found = await judgeFile(log, rules ?? NO_RULES);
  const rows = found.data.filter(({ type, status }) => type === 'value' || status === 'FAIL');
  if (rows.length > 0) outbox.add({ kind: 'putData', testId: record.testId, rows });
  return { status: found.status, comment: found.message };
}

const NO_RULES: LogRules = { sections: [], rules: [] };

/** Of the last run of the same target in which it was good. */
function dataBefore(
  { store, book, onTrouble }: NewRunner,
  record: LaunchRecord,
): readonly NewData[] {
  const references = book.area.settings.referenceAreas;
  try {
    for (const { row, data } of earlierResults({ store, references }, record)) {
      const isGood = row.status === 'PASS' || row.status === 'WARN';
      if (row.state === 'COMPLETED' && isGood) return data();
    }
  } catch (error) {
    onTrouble(error); // what is measured now is written in any case
  }
  return [];
}

function waiver(store: RunStore, book: AreaBook, record: LaunchRecord): Promise<string | null> {
  return waiverOf(record, {
    store,
    references: book.area.settings.referenceAreas,
    commentPattern: book.area.settings.waiverComment,
    judgeDiff: async ({ rules }, file) => {
      const found = await judgeFile(file, rules ?? NO_RULES);
      return { status: found.status, comment: found.message };
    },
  });
}
