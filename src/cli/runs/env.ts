/** `tidelock runs env`: an environment kept in a file, and what has changed since: for what a `source` of a script does. */
import { readFileSync } from 'node:fs';
import { type Command, Option } from 'commander';
import type { Environment } from '../../area/types.ts';
import { messageOf, TidelockError } from '../../core/errors.ts';
import { writeWhole } from '../../runs/more-actions.ts';
import { JSON_OPTION, processEnvironment } from './session.ts';

const FORMATS = ['text', 'sh', 'csh', 'config', 'json'] as const;
type Format = (typeof FORMATS)[number];

type Flags = { readonly format: Format; readonly json?: true };

/** Of a shell itself: they differ always, and say nothing. */
const OWN = new Set(['_', 'SHLVL', 'PWD', 'OLDPWD']);

export type Change = {
  readonly name: string;
  readonly before: string | null;
  after: string | null;
};

export function register(runs: Command): void {
  const env = runs.command('env').description('environments: keep one, compare two');
  env
    .command('capture')
    .description('keep the environment of this call in a file, readable by its owner only')
    .argument('<file>', 'JSON')
    .action((file: string) => {
      writeWhole(file, `${JSON.stringify(processEnvironment(), null, 2)}\n`, 0o600);
    });
  env
    .command('delta')
    .description('what changed between two environments')
    .argument('<before>', 'a captured file')
    .argument('[after]', 'a captured file; default: the environment of this call')
    .addOption(
      new Option('--format <format>', 'config: lines of a configuration')
        .choices(FORMATS)
        .default('text'),
    )
    .option(...JSON_OPTION)
    .action((before: string, after: string | undefined, flags: Flags) => {
      const changes = changesOf(
        captured(before),
        after === undefined ? processEnvironment() : captured(after),
      );
      const text = deltaText(changes, flags.json === true ? 'json' : flags.format);
      if (text !== '') console.log(text);
    });
}

function captured(file: string): Environment {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (
      typeof read === 'object' &&
      read !== null &&
      Object.values(read).every((v) => typeof v === 'string')
    )
      return read as Environment;
  } catch (cause) {
    throw notCaptured(file, messageOf(cause));
  }
  throw notCaptured(file, 'it is no object of texts');
}

const notCaptured = (file: string, why: string): TidelockError =>
  new TidelockError({
    code: 'BAD_REQUEST',
    message: `${file} is no captured environment: ${why}`,
    hint: 'make one with: tidelock runs env capture FILE',
  });

/** By name; what a shell changes by itself is left out. */
export function changesOf(before: Environment, after: Environment): readonly Change[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .filter((name) => !OWN.has(name) && before[name] !== after[name])
    .sort()
    .map((name) => ({ name, before: before[name] ?? null, after: after[name] ?? null }));
}

export function deltaText(changes: readonly Change[], format: Format): string {
  if (format === 'json') return JSON.stringify(changes);
  return changes.map((change) => lineOf(change, format)).join('\n');
}

function lineOf({ name, before, after }: Change, format: Exclude<Format, 'json'>): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
  switch (format) {
    case 'sh':
      return after === null ? `unset ${name}` : `export ${name}=${quoted(after)}`;
    case 'csh':
      return after === null ? `unsetenv ${name}` : `setenv ${name} ${quoted(after)}`;
    case 'config':
      return after === null ? `# ${name} is gone` : `${name} ${after.replaceAll('\n', '\n  ')}`;
    case 'text':
      if (before === null) return `+ ${name}=${after}`;
      return after === null ? `- ${name}=${before}` : `~ ${name}=${after} (was ${before})`;
  }
}
