/** What an area wants before anything of a run starts: room on its disk, and its hook. */
import { statfsSync } from 'node:fs';
import type { Area, Environment } from '../area/types.ts';
import { TidelockError } from '../core/errors.ts';
import { runCommand } from './processes/commands.ts';

/** A hook may fetch or build something. */
const HOOK_MS_MAX = 3_600_000;
const OUTPUT_BYTES_MAX = 4 << 20;
const TOLD_LINES = 5;

export type RunStart = {
  readonly env: Environment;
  /** The run has no tests yet. */
  readonly isNew: boolean;
  /** Ends the hook. */
  readonly signal: AbortSignal;
};

/** Throws RUN_FAILED. */
export async function beforeRun(
  { home, settings }: Pick<Area, 'home' | 'settings'>,
  { env, isNew, signal }: RunStart,
): Promise<void> {
  requireRoom(home, settings.areaSpaceBytes);
  if (!isNew || settings.preHook === null) return;
  const limits = { timeoutMs: HOOK_MS_MAX, outputBytesMax: OUTPUT_BYTES_MAX };
  const hook = { command: settings.preHook, cwd: home, env, signal, withErrors: true, ...limits };
  const { exitCode, output, isTimedOut } = await runCommand(hook);
  if (exitCode === 0) return;
  const late = isTimedOut ? `did not end within ${HOOK_MS_MAX / 1000} s` : `ended with ${exitCode}`;
  const why = signal.aborted ? 'was ended by a kill' : late;
  throw failed(
    `the pre-hook ${why}, so nothing was started: ${settings.preHook}`,
    lastLines(output) || 'it printed nothing; it runs in the folder of the area',
  );
}

function requireRoom(home: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(home);
  if (bavail * bsize >= bytes) return;
  throw failed(
    `${home} has ${Math.floor((bavail * bsize) / 1024)} KiB left, dbdir-space-required wants ${bytes / 1024}`,
    'remove runs (tidelock runs prune), or move the area to another disk',
  );
}

export function lastLines(output: string): string {
  return output.trimEnd().split('\n').slice(-TOLD_LINES).join('\n');
}

function failed(message: string, hint: string): TidelockError {
  return new TidelockError({ code: 'RUN_FAILED', message, hint });
}
