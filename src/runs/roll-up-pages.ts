/** `[testrollup]`: when a run ends, the script of a test with items makes its page: what it prints is the page. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Area, Environment } from '../area/types.ts';
import type { TestRow } from '../planner/rows.ts';
import type { RunStore } from '../planner/run-store.ts';
import type { Outbox } from './database/outbox.ts';
import { pageName } from './execution/work-area.ts';
import { runCommand } from './processes/commands.ts';

const SCRIPT_MS_MAX = 600_000;

export type RollUpMeans = {
  readonly area: Pick<Area, 'settings'>;
  readonly store: RunStore;
  readonly outbox: Outbox;
  readonly runId: number;
  readonly env: Environment;
  /** Ends the script. */
  readonly signal: AbortSignal;
};

/** A script that fails leaves the page as it was, and says so in the comment of the toplevel. */
export async function makeRollUpPages(means: RollUpMeans): Promise<void> {
  const { rollUpScripts } = means.area.settings;
  if (rollUpScripts.size === 0) return;
  const rows = means.store.read({ kind: 'tests', runId: means.runId }).tests ?? [];
  for (const [test, command] of rollUpScripts) {
    const own = rows.filter(({ name }) => name === test);
    const top = own.find(({ isToplevel }) => isToplevel);
    const folder = folderOf(own);
    if (top !== undefined && folder !== null) await makePage(means, { top, folder, command });
  }
}

/** Of the test, on the disk of its first item that has been somewhere. */
function folderOf(rows: readonly TestRow[]): string | null {
  const row = rows.find(({ isToplevel, runDir }) => !isToplevel && runDir !== null);
  if (row === undefined || row.runDir === null || !row.runDir.endsWith(`/${row.itemPath}`)) {
    return null;
  }
  return row.runDir.slice(0, -row.itemPath.length - 1);
}

type Page = { readonly top: TestRow; readonly folder: string; readonly command: string };

async function makePage(means: RollUpMeans, { top, folder, command }: Page): Promise<void> {
  const log = pageName(top.name);
  const file = join(folder, log);
  const env = { ...means.env, MT_TEST_NAME: top.name, MT_TEST_RUN_DIR: folder };
  const fresh = `${file}.new`;
  const { exitCode } = await runCommand({
    ...{ command, cwd: folder, env, output: fresh, signal: means.signal },
    ...{ timeoutMs: SCRIPT_MS_MAX, outputBytesMax: 0 },
  });
  if (exitCode === 0) renameSync(fresh, file);
  const facts =
    exitCode === 0
      ? { runDir: folder, log }
      : { comment: `its script of [testrollup] ended with ${exitCode}` };
  means.outbox.now({ kind: 'setTest', testId: top.id, facts });
}
