/** One script file: read, run, compared or rewritten. */
import { readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { ScriptError } from '../../script/errors.ts';
import { parseScript } from '../../script/parse.ts';
import { rewriteScript } from '../../script/rewrite.ts';
import type { CaseResult } from '../../script/run.ts';
import type { Dialect, Script } from '../../script/types.ts';
import { driveScript } from './drive.ts';
import type { ScriptTarget } from './find-scripts.ts';
import { replaceFile } from './replace-file.ts';
import type { OpenWorld, WorldContext } from './world.ts';
import { openerOf } from './worlds.ts';

export type FileOptions = {
  /** Goes before what the header names. */
  readonly world: string | undefined;
  readonly profile: string | undefined;
  readonly dialect: Dialect | undefined;
  /** Puts what two equal runs have shown into the file. */
  readonly rewrite: boolean;
  readonly postgres: WorldContext['postgres'];
  readonly signal: AbortSignal;
  readonly onResult?: ((result: CaseResult) => void) | undefined;
  readonly plant?: WorldContext['plant'];
  /** What worlds there are; all of them by default. */
  readonly openerOf?: typeof openerOf | undefined;
};

export type FileReport = {
  readonly file: string;
  readonly cases: number;
  readonly results: readonly CaseResult[];
  /** The file cannot be read, its world not be made, or it cannot be rewritten. */
  readonly error: unknown;
  readonly isRewritten: boolean;
};

/** Runs the file. What goes wrong is in the report, not thrown, the signal's reason excepted. */
export async function runFile(target: ScriptTarget, options: FileOptions): Promise<FileReport> {
  const report = { file: target.file, cases: 0, results: [], error: undefined, isRewritten: false };
  try {
    const text = readFileSync(target.file, 'utf8');
    const dialect = options.dialect ?? (extname(target.file) === '.ct' ? 'rust' : 'strict');
    const script = parseScript(text, { file: target.file, dialect });
    const run = { script, target, options, ...worldOf(script, options) };
    const results = await once(run);
    const isRewritten = options.rewrite && (await rewritten(run, text, results));
    return { ...report, cases: script.cases.length, results, isRewritten };
  } catch (error) {
    options.signal.throwIfAborted();
    return { ...report, error };
  }
}

type Run = {
  readonly script: Script;
  readonly target: ScriptTarget;
  readonly options: FileOptions;
  readonly open: OpenWorld;
  readonly context: WorldContext;
};

function worldOf(script: Script, options: FileOptions): Pick<Run, 'open' | 'context'> {
  const { settings, file } = script;
  const { postgres, plant, signal } = options;
  // A file of Materialize says nothing: it was made for the coordinator.
  const usual = script.dialect === 'rust' ? 'coordinator' : undefined;
  const name = options.world ?? settings.world ?? usual;
  const profile = options.profile ?? settings.profile;
  const open = (options.openerOf ?? openerOf)(name, file);
  return { open, context: { file, settings, profile, postgres, plant, signal } };
}

function once({ script, target, options, open, context }: Run): Promise<readonly CaseResult[]> {
  const { throughLine } = target;
  const { rewrite, onResult } = options;
  return driveScript(script, { open, context, throughLine, goOn: rewrite, onResult });
}

/** Writes what was seen, if a second run sees the same. True when the file has changed. */
async function rewritten(
  run: Run,
  before: string,
  results: readonly CaseResult[],
): Promise<boolean> {
  if (results.some(({ kind }) => kind === 'broken')) return false;
  const after = rewriteScript(run.script, results);
  if (after === before) return false;
  const again = await once({ ...run, options: { ...run.options, onResult: undefined } });
  const unstable = results.find((result, index) => outputOf(result) !== outputOf(again[index]));
  if (unstable !== undefined) {
    const remedy = 'make it deterministic: wait for a position, or name what differs in normalise=';
    const what = 'two runs gave different output; the file stays as it was';
    throw new ScriptError(unstable.case.place, what, remedy);
  }
  replaceFile(run.target.file, after);
  return true;
}

function outputOf(result: CaseResult | undefined): string | undefined {
  return result === undefined || result.kind === 'broken' ? undefined : result.output;
}
