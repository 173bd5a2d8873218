/** Everything that a run left in its folder. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TidelockError } from '../../core/errors.ts';
import { FILES, type Leak, type StepEvent, type TroubleEvent, type TwowayRun } from './evidence.ts';
import { type HistoryLine, readHistory } from './history.ts';
import { readJsonLines } from './json-lines.ts';
import type { Final } from './run.ts';

export type Evidence = {
  readonly run: TwowayRun;
  readonly steps: readonly StepEvent[];
  readonly troubles: readonly TroubleEvent[];
  /** Null when the run did not come so far. */
  readonly final: Final | null;
  readonly leaks: readonly Leak[];
  readonly histories: ReadonlyMap<number, readonly HistoryLine[]>;
};

/** Throws `BAD_REQUEST` when the folder holds no run. */
export function readEvidence(folder: string): Evidence {
  const run = readJson<TwowayRun>(folder, FILES.run);
  if (run === null) {
    const message = `${folder} holds no two-way run`;
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message,
      hint: 'name the folder of a run: it has run.json',
    });
  }
  const databases = Array.from({ length: run.databases }, (_, index) => index + 1);
  return {
    run,
    steps: readJsonLines(join(folder, FILES.steps)),
    troubles: readJsonLines(join(folder, FILES.troubles)),
    final: readJson(folder, FILES.final),
    leaks: readJson(folder, FILES.leaks) ?? [],
    histories: new Map(
      databases.map((one) => [one, readHistory(join(folder, 'history', `db${one}.jsonl`))]),
    ),
  };
}

function readJson<T>(folder: string, file: string): T | null {
  const path = join(folder, file);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as T) : null;
}
