/**
 * What an execution was launched with, in a file of its work area: a runner that adopts it goes on with the
 * same steps, environment and limits, whatever the configuration has become since.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Environment, LogRules, Trigger, Waiver } from '../../area/types.ts';
import { CONTROL_FOLDER, RECORD_FILE } from './nested-areas.ts';
import type { NotedVariables } from './told-variables.ts';
import type { Place } from './work-area.ts';

export type LaunchStep = {
  readonly name: string;
  readonly command: string;
  readonly rules: LogRules | null;
  readonly ignoresExit: boolean;
  /** A script decides about its own state; a step is judged. */
  readonly isScript: boolean;
  /** Relative to the work area. */
  readonly log: string;
  /** It does not run again: this is what an earlier attempt came to. */
  readonly kept?: { readonly status: string; readonly comment: string } | undefined;
};

export type LaunchedBy = {
  readonly command: string;
  /** A job that has not begun for so long, or does not show itself on another host, is lost. */
  readonly deadTimeS: number;
};

export type LaunchRecord = {
  readonly runId: number;
  readonly testId: number;
  readonly place: Place;
  readonly attempt: number;
  readonly runDir: string;
  readonly shell: string;
  /** Starts each step; null or left out (in records of older versions): we do. */
  readonly launcher?: LaunchedBy | null;
  readonly env: Environment;
  readonly steps: readonly LaunchStep[];
  readonly timeLimitS: number | null;
  readonly isCompatible: boolean;
  readonly startedAt: number;
  readonly waivers: readonly Waiver[];
  readonly triggers: readonly Trigger[];
  // Records of earlier versions have none: nothing may be told.
} & Partial<NotedVariables>;

/** The environment may hold secrets. */
const PRIVATE = 0o600;

/** Files of one attempt that are ours. */
export function controlFolder(runDir: string, attempt: number): string {
  return join(runDir, CONTROL_FOLDER, String(attempt));
}

export function callsFile(runDir: string, attempt: number): string {
  return join(controlFolder(runDir, attempt), 'calls');
}

export function markFile(runDir: string, attempt: number, step: number): string {
  return join(controlFolder(runDir, attempt), `step-${step}`);
}

export function writeRecord(record: LaunchRecord): void {
  const folder = controlFolder(record.runDir, record.attempt);
  mkdirSync(folder, { recursive: true });
  const path = join(folder, RECORD_FILE);
  writeFileSync(`${path}.new`, JSON.stringify(record), { mode: PRIVATE });
  renameSync(`${path}.new`, path);
}

/** Of the newest attempt before `attempt` that came so far; null: none did. */
export function recordBefore(runDir: string, attempt: number): LaunchRecord | null {
  for (let earlier = attempt - 1; earlier > 0; earlier--) {
    const record = readRecord(runDir, earlier);
    if (record !== null) return record;
  }
  return null;
}

/** Null: the launch did not come so far, and nothing of it ran. */
export function readRecord(runDir: string, attempt: number): LaunchRecord | null {
  try {
    const text = readFileSync(join(controlFolder(runDir, attempt), RECORD_FILE), 'utf8');
    return JSON.parse(text) as LaunchRecord;
  } catch {
    return null;
  }
}
