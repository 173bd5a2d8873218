/** `tidelock runs init`, `tidelock runs new test`: a small area that works, and one more test in it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { TidelockError } from '../../core/errors.ts';
import { commandLine, shortPath } from '../options.ts';
import { homeOf } from './area.ts';
import { JSON_OPTION } from './session.ts';
import { AREA_FILES, testconfigOf } from './template.ts';

type Flags = { readonly area?: string; readonly json?: true };

const NAME = /^[A-Za-z0-9][\w.-]{0,99}$/;

export function register(runs: Command): void {
  runs
    .command('init')
    .argument('[dir]', 'folder of the area', '.')
    .description('make a small area that works: two tests, a dependency, items and log rules')
    .option(...JSON_OPTION)
    .action((folder: string, flags: Flags) => init(resolve(folder), flags));
  const add = runs.command('new').description('add to an area');
  add
    .command('test')
    .argument('<name>', 'name of the test')
    .option('--area <dir>', 'the area; default: found upwards from here')
    .description('add a test with one step')
    .option(...JSON_OPTION)
    .action((name: string, flags: Flags) => addTest(name, flags));
}

function init(home: string, { json }: Flags): void {
  // All are looked at first: half an area would be worse than none.
  for (const [path] of AREA_FILES) refuseExisting(join(home, path));
  for (const [path, text] of AREA_FILES) writeNew(join(home, path), text);
  if (json === true) {
    const files = AREA_FILES.map(([path]) => join(home, path));
    console.log(JSON.stringify({ area: home, files }));
    return;
  }
  const area = home === resolve('.') ? [] : ['--area', shortPath(home)];
  console.log(`area ${shortPath(home)} is made`);
  console.log(`  look: ${commandLine('config', 'show', '--origin', ...area)}`);
  console.log(`  run:  ${commandLine('run', '--target', 'linux/1', ...area)}`);
}

function addTest(name: string, { area, json }: Flags): void {
  if (!NAME.test(name)) {
    throw new TidelockError({
      code: 'BAD_REQUEST',
      message: `${JSON.stringify(name)} cannot be the name of a test`,
      hint: 'letters, digits, ".", "_" and "-", a letter or digit first, 100 at most',
    });
  }
  const path = join(homeOf(area), 'tests', name, 'testconfig');
  writeNew(path, testconfigOf(name));
  if (json === true) console.log(JSON.stringify({ test: name, file: path }));
  else console.log(`test ${name} is in ${shortPath(path)}`);
}

function writeNew(path: string, text: string): void {
  refuseExisting(path);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** What is there is somebody's work. */
function refuseExisting(path: string): void {
  if (!existsSync(path)) return;
  throw new TidelockError({
    code: 'BAD_REQUEST',
    message: `${shortPath(path)} is there already`,
    hint: 'take another folder or name, or remove the file',
  });
}
