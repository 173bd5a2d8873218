/**
 * Reads what a run left behind. A folder may be damaged: what is missing or cut is noted as a flaw, which the
 * verdict then tells; only a folder without a readable `run.json` cannot be judged at all.
 */
import { createReadStream, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { messageOf, TidelockError } from '../../../core/errors.ts';
import { RUN_FILE, type RunFile, STREAMS, type StreamName } from '../evidence.ts';

/** Of one stream, so many flaws are told. */
const FLAWS_MAX = 3;

/** Throws `BAD_REQUEST` when the folder holds no run that this version can judge. */
export function readRun(folder: string): RunFile {
  const path = join(folder, RUN_FILE);
  let run: RunFile;
  try {
    run = JSON.parse(readFileSync(path, 'utf8')) as RunFile;
  } catch (cause) {
    throw notARun(`${path} cannot be read: ${messageOf(cause)}`, cause);
  }
  if (run?.format !== 1) throw notARun(`${path} has format ${String(run?.format)}, not 1`);
  if (Array.isArray(run.tables) && Array.isArray(run.replicas) && Array.isArray(run.plan)) {
    return run;
  }
  throw notARun(`${path} names no tables, replicas or plan`);
}

function notARun(message: string, cause?: unknown): TidelockError {
  const hint = 'name the folder of a run of `tidelock stress one-way`';
  return new TidelockError({ code: 'BAD_REQUEST', message, hint, cause });
}

/** The events of a run, wherever they are. */
export interface Streams {
  /** What is wrong with the streams that were read, one sentence each. */
  readonly flaws: readonly string[];
  /** Calls back for every event, in order. A stream may be read several times. */
  each<T>(name: StreamName, take: (event: T, index: number) => void): Promise<void>;
}

/** Those of a folder. */
export class FolderStreams implements Streams {
  readonly #folder: string;
  readonly #flaws = new Map<StreamName, string[]>();
  readonly #lines = new Map<StreamName, number>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  get flaws(): readonly string[] {
    return [...this.#flaws.values()].flat();
  }

  /** Events of a stream, as of its last reading. */
  count(name: StreamName): number {
    return this.#lines.get(name) ?? 0;
  }

  async each<T>(name: StreamName, take: (event: T, index: number) => void): Promise<void> {
    const path = join(this.#folder, STREAMS[name]);
    const flaws: string[] = [];
    this.#flaws.set(name, flaws);
    this.#lines.set(name, 0);
    if (!existsSync(path)) {
      flaws.push(`${STREAMS[name]} is missing`);
      return;
    }
    let number = 0;
    let events = 0;
    const lines = createInterface({ input: createReadStream(path), crlfDelay: 0 });
    for await (const line of lines) {
      number += 1;
      const event = parse<T>(line);
      const reason = event === null ? 'it is cut, or no event' : taken(take, event, events);
      if (reason === null) events += 1;
      else if (flaws.length < FLAWS_MAX) {
        flaws.push(
          `${STREAMS[name]} line ${number} is of no use (${reason}): ${line.slice(0, 60)}`,
        );
      }
    }
    this.#lines.set(name, events);
  }
}

/** Why the event could not be used; null when it could. A file may hold anything, whatever its lines claim to be. */
function taken<T>(take: (event: T, index: number) => void, event: T, index: number): string | null {
  try {
    take(event, index);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

function parse<T>(line: string): T | null {
  try {
    const event = JSON.parse(line) as T | null;
    const isEvent = typeof event === 'object' && event !== null && 't' in event;
    return isEvent && typeof event.t === 'number' ? event : null;
  } catch {
    return null;
  }
}
