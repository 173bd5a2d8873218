/** One script of testdata/coordtest, run in a world that a test may have changed. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CoordtestWorld,
  openWith,
  type Planted,
} from '../../../../src/bench/coordtest/world.ts';
import { driveScript } from '../../../../src/bench/script/drive.ts';
import { messageOf } from '../../../../src/core/errors.ts';
import { parseScript } from '../../../../src/script/parse.ts';
import type { CaseResult } from '../../../../src/script/run.ts';

const FOLDER = 'testdata/coordtest';

export const SCRIPTS: readonly string[] = readdirSync(FOLDER)
  .filter((name) => /\.(ct|test)$/.test(name))
  .sort();

/** The rules that a script says it guards. */
export function guardsOf(script: string): readonly string[] {
  const text = readFileSync(join(FOLDER, script), 'utf8');
  return [...text.matchAll(/^# guards: (\S+)$/gm)].map(([, name = '']) => name);
}

export type ScriptRun = { readonly failure: string | null; readonly log: readonly string[] };

export async function runScript(name: string, planted: Planted = {}): Promise<ScriptRun> {
  const file = join(FOLDER, name);
  const dialect = file.endsWith('.ct') ? 'rust' : 'strict';
  const script = parseScript(readFileSync(file, 'utf8'), { file, dialect });
  const worlds: CoordtestWorld[] = [];
  const open = async (context: { readonly file: string; readonly profile: string | undefined }) => {
    const world = await openWith(context, planted);
    worlds.push(world);
    return world;
  };
  const context = {
    file,
    settings: script.settings,
    profile: script.settings.profile,
    postgres: () => Promise.reject(new Error('there is no Postgres here')),
    signal: new AbortController().signal,
  };
  const results = await driveScript(script, { open, context });
  const [world] = worlds;
  const [folder = ''] = world?.folders() ?? [];
  const log = (world?.system.log ?? []).map((line) => line.replaceAll(folder, '<TEMP>'));
  return { failure: failureOf(results), log };
}

function failureOf(results: readonly CaseResult[]): string | null {
  const failed = results.find(({ kind }) => kind !== 'passed');
  if (failed === undefined) return null;
  const line = failed.case.place.line;
  if (failed.kind === 'broken') return `line ${line}: ${messageOf(failed.error)}`;
  return `line ${line}: ${failed.kind === 'differs' ? failed.output : ''}`;
}
