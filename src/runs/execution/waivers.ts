/** A known failure stays waived as long as the files that its rules name have not changed since. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, globSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { compileRegex } from '../../area/regex.ts';
import type { Waiver } from '../../area/types.ts';
import { runCommand } from '../processes/commands.ts';
import { type EarlierMeans, earlierResults } from './earlier-results.ts';
import { controlFolder, type LaunchRecord } from './launch-record.ts';
import type { LogVerdict } from './verdict.ts';

const FILES_MAX = 1000;
/** A comparison that takes longer is killed, and does not waive. */
const COMMAND_TIMEOUT_MS = 60_000;

export type WaiverMeans = EarlierMeans & {
  /** What the comment of a waiver must look like; null: anything. */
  readonly commentPattern: string | null;
  readonly judgeDiff: (waiver: Waiver, file: string) => Promise<LogVerdict>;
};

/** The comment of the waiver that holds for this failure; null: none does. */
export async function waiverOf(record: LaunchRecord, means: WaiverMeans): Promise<string | null> {
  if (record.waivers.length === 0) return null;
  const [earlier] = earlierResults(means, record);
  const last = earlier?.row;
  if (last?.state !== 'COMPLETED' || last.status !== 'WAIVED' || last.runDir === null) return null;
  const { commentPattern } = means;
  if (commentPattern !== null && !isLike(commentPattern, last.comment)) return null;
  for (const waiver of record.waivers) {
    if (!(await agrees(waiver, { record, oldDir: last.runDir, means }))) return null;
  }
  return last.comment;
}

/** The pattern was found to be one when the area was read. */
function isLike(pattern: string, comment: string): boolean {
  const origin = { file: 'waivercommentpatt', line: 1 };
  return compileRegex({ source: pattern, flags: '' }, origin).test(comment);
}

type Comparison = {
  readonly record: LaunchRecord;
  readonly oldDir: string;
  readonly means: WaiverMeans;
};

async function agrees(waiver: Waiver, { record, oldDir, means }: Comparison): Promise<boolean> {
  const files = globSync(waiver.glob, { cwd: record.runDir });
  // More are not compared; and what was not compared is not waived.
  if (files.length === 0 || files.length > FILES_MAX) return false;
  for (const [index, file] of files.entries()) {
    const [old, now] = [join(oldDir, file), join(record.runDir, file)];
    if (!existsSync(old)) return false;
    const isSame = await isAgreed(waiver, { old, now, index, record, judge: means.judgeDiff });
    if (!isSame) return false;
  }
  return true;
}

type Pair = {
  readonly old: string;
  readonly now: string;
  readonly index: number;
  readonly record: LaunchRecord;
  readonly judge: WaiverMeans['judgeDiff'];
};

async function isAgreed(
  waiver: Waiver,
  { old, now, index, record, judge }: Pair,
): Promise<boolean> {
  const { rules, command } = waiver;
  if (command !== null) return (await runOn(command, old, now)) === 0;
  if (rules === null) return (await hashOf(old)) === (await hashOf(now));
  const diff = join(controlFolder(record.runDir, record.attempt), `waiver-${index}.diff`);
  await runOn('diff %file1% %file2%', old, now, diff);
  const { status } = await judge(waiver, diff);
  return status === 'PASS' || status === 'WARN' || status === 'WAIVED';
}

/** The exit code of a command on two files; its output goes to `file`. */
async function runOn(command: string, old: string, now: string, file?: string): Promise<number> {
  const shown = command.replaceAll('%file1%', '"$1"').replaceAll('%file2%', '"$2"');
  const output = file ?? '/dev/null';
  const limits = { timeoutMs: COMMAND_TIMEOUT_MS, outputBytesMax: 0 };
  return (await runCommand({ command: shown, words: [old, now], output, ...limits })).exitCode;
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
