/** On which disk an execution works: the one with the most room, if that is enough. */
import { mkdirSync, statfsSync } from 'node:fs';
import type { Area, Environment } from '../../area/types.ts';
import { messageOf } from '../../core/errors.ts';
import { runCommand } from '../processes/commands.ts';

const KIB = 1024;
/** A script that measures for longer has measured nothing. */
const MEASURE_MS_MAX = 30_000;
const OUTPUT_BYTES_MAX = 64 * KIB;

export type RoomQuestion = {
  readonly disks: Area['disks'];
  /** The path of the one that is taken when it has room, whatever the others have; null: none. */
  readonly same: string | null;
  readonly minSpaceBytes: number;
  /** Prints the free KiB of the path behind it; null: the file system is asked. */
  readonly freeSpaceCommand: string | null;
  /** Where the command runs, and with what. */
  readonly home: string;
  readonly env: Environment;
};

export type Room =
  | { readonly kind: 'found'; readonly path: string }
  /** Each disk with what it has. */
  | { readonly kind: 'none'; readonly reason: string };

export async function roomOn(question: RoomQuestion): Promise<Room> {
  const { disks, same, minSpaceBytes } = question;
  if (same !== null) {
    const { bytes, trouble } = await measure(same, question);
    if (bytes >= minSpaceBytes && trouble === '') return { kind: 'found', path: same };
  }
  const measured: { name: string; path: string; bytes: number; trouble: string }[] = [];
  for (const disk of disks) measured.push({ ...disk, ...(await measure(disk.path, question)) });
  const best = measured.reduce<(typeof measured)[number] | null>(
    (most, one) => (most === null || one.bytes > most.bytes ? one : most),
    null,
  );
  if (best !== null && best.bytes >= minSpaceBytes && best.trouble === '') {
    return { kind: 'found', path: best.path };
  }
  const have = measured.map(({ name, bytes, trouble }) => `${name} ${trouble || kib(bytes)}`);
  return { kind: 'none', reason: `no disk has ${kib(minSpaceBytes)}: ${have.join(', ')}` };
}

function kib(bytes: number): string {
  return `${Math.floor(bytes / KIB)} KiB`;
}

type Measured = { readonly bytes: number; readonly trouble: string };

async function measure(path: string, question: RoomQuestion): Promise<Measured> {
  try {
    mkdirSync(path, { recursive: true });
    if (question.freeSpaceCommand !== null) return await measureBy(question, path);
    const { bavail, bsize } = statfsSync(path);
    return { bytes: bavail * bsize, trouble: '' };
  } catch (error) {
    return { bytes: -1, trouble: messageOf(error) };
  }
}

async function measureBy(
  { freeSpaceCommand, home, env }: RoomQuestion,
  path: string,
): Promise<Measured> {
  const { exitCode, output } = await runCommand({
    ...{ command: `${freeSpaceCommand} "$1"`, words: [path], cwd: home, env },
    ...{ timeoutMs: MEASURE_MS_MAX, outputBytesMax: OUTPUT_BYTES_MAX },
  });
  const [, number] = /^\s*(\d{1,15})\s*$/.exec(output.split('\n', 1)[0] ?? '') ?? [];
  if (exitCode === 0 && number !== undefined) return { bytes: Number(number) * KIB, trouble: '' };
  return { bytes: -1, trouble: `free-space-script gave no number (exit ${exitCode})` };
}
