/** What is done to the source and to files behind the back of their owners. */
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import type { Call } from '../../script/run.ts';
import { until } from '../until.ts';
import type { RealParts } from './real-parts.ts';

const FAULTS = ['cut-source', 'drop-slot', 'drop-publication', 'move-slot'] as const;
const EFFECT_MS_MAX = 20_000;

/** `fault kind=...`: returns when the effect was seen. */
export async function fault({ args }: Call, parts: RealParts): Promise<string> {
  const { postgres } = parts;
  const slot = `slot_name = '${postgres.name}'`;
  switch (args.choice('kind', FAULTS)) {
    case 'cut-source': {
      const pid = await postgres.ask(`SELECT active_pid FROM pg_replication_slots WHERE ${slot}`);
      await postgres.ask(`SELECT pg_terminate_backend(${pid ?? 0})`);
      const gone = `SELECT count(*) FROM pg_stat_activity WHERE pid = ${pid ?? 0}`;
      await seen(parts, 'the connection is gone', async () => (await postgres.ask(gone)) === '0');
      return pid === null ? 'nobody was connected\n' : 'connection cut\n';
    }
    case 'drop-slot':
      await seen(parts, 'the slot is dropped', () => dropped(parts, slot));
      return '';
    case 'drop-publication':
      await postgres.ask(`DROP PUBLICATION ${postgres.name}`);
      return '';
    default:
      await seen(parts, 'the slot has moved', () => moved(parts));
      return '';
  }
}

/** The server holds it, and comes back: in between there is a moment without it. */
async function dropped({ postgres }: RealParts, slot: string): Promise<boolean> {
  await postgres.run(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE ${slot}`,
  );
  const answer = await postgres.run(`SELECT pg_drop_replication_slot('${postgres.name}')`);
  return answer.kind === 'results';
}

/** Somebody else confirms what we have not read. */
async function moved({ postgres }: RealParts): Promise<boolean> {
  const answer = await postgres.run(
    `SELECT pg_replication_slot_advance('${postgres.name}', pg_current_wal_lsn())`,
  );
  return answer.kind === 'results';
}

async function seen(
  { signal }: RealParts,
  what: string,
  condition: () => Promise<boolean>,
): Promise<void> {
  await until(what, condition, { limitMs: EFFECT_MS_MAX, signal });
}

/** `tear file=a.db-wal bytes=100`: the end of a file is gone, as after a power cut. */
export function tear({ args }: Call, parts: RealParts): string {
  const path = pathOf(args, parts);
  const bytes = args.integer('bytes');
  const { size } = statSync(path);
  truncateSync(path, Math.max(0, size - bytes));
  return '';
}

/**
 * `file name=x` writes its input; with `flip=N` it flips the bits of the byte at N from the end; with `contains=TEXT` it
 * tells whether these bytes are anywhere in the file or its journal, free pages included.
 */
export function file(call: Call, parts: RealParts): string {
  const { args, input } = call;
  const flip = args.optionalInteger('flip');
  const text = args.optional('contains');
  if (text !== undefined) return contains(pathOf(args, parts), text);
  if (flip !== undefined) flipByte(pathOf(args, parts), flip);
  else writeFileSync(join(parts.dir, inside(args.text('name'))), input);
  return '';
}

function contains(path: string, text: string): string {
  const files = [path, `${path}-wal`].filter((one) => existsSync(one));
  return files.some((one) => readFileSync(one).includes(text)) ? 'found\n' : 'absent\n';
}

function flipByte(path: string, fromEnd: number): void {
  const bytes = readFileSync(path);
  const at = bytes.length - fromEnd;
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
}

function pathOf(args: Call['args'], { dir }: RealParts): string {
  const name = args.optional('file') ?? args.text('name');
  const path = join(dir, inside(name));
  if (existsSync(path)) return path;
  throw args.error('file', `there is no file ${name}`, 'name it below the folder of the script');
}

/** A script stays in its folder. */
function inside(name: string): string {
  return normalize(`/${name}`).slice(1);
}
