/** What stands below the options of each verb: how it is called. */
import type { Command } from 'commander';

/** Calls by verb; every verb has some. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  init: ['init demo', 'init'],
  'new test': ['new test smoke', 'new test smoke --area demo'],
  'config show': [
    'config show',
    'config show --test build --origin',
    'config show --target linux/1',
    'config show --keys',
  ],
  targets: ['targets', 'targets --db --json'],
  run: [
    'run --target linux/1 --name nightly',
    "run --name nightly --pattern 'build,check/small%' --dry-run",
    'run --name nightly --rerun FAIL,ABORT --preclean',
    "run --tags smoke --set-var LEVEL=2 -m 'after the upgrade' --log run.log",
  ],
  rerun: ['rerun', 'rerun --name nightly --failed --downstream', 'rerun --status KILLED --dry-run'],
  kill: ['kill', "kill --name nightly --pattern 'check/%'"],
  rm: ['rm --name nightly --pattern build', 'rm --target linux/1 --name old --yes'],
  set: [
    "set COMPLETED/WAIVED --pattern check/small/first --comment 'known: #42'",
    'set NOT_STARTED/n/a --name nightly --status KILLED',
  ],
  lock: ["lock --name nightly --comment 'the release'"],
  unlock: ['unlock --name nightly'],
  'run-status': [
    'run-status',
    "run-status accepted --name nightly --comment 'by the release team'",
  ],
  ls: [
    'ls --since 2d --status FAIL',
    'ls --name nightly% --sort -failed --fields run,failed,seconds',
    "ls --tests --pattern 'check/%' --fields run,test,item,status,seconds --format csv",
  ],
  show: ['show', 'show --name nightly --status FAIL,ABORT', 'show --sort -seconds'],
  log: ['log build', 'log check/small/first --name nightly --follow'],
  path: ['path build', "path 'check/%' --files '**/*.log' --name last"],
  'env capture': ['env capture before.json'],
  'env delta': ['env delta before.json', 'env delta before.json after.json --format sh'],
  replay: ['replay --name nightly --out nightly.script'],
  compare: ['compare', 'compare monday tuesday --json'],
  flaky: ['flaky', 'flaky --last 100 --target linux/1'],
  report: [
    'report --format junit --out junit.xml',
    'report --name nightly% --last 7 --format html --out week.html',
  ],
  archive: ['archive save --name nightly', "archive restore --name nightly --pattern 'check/%'"],
  prune: ['prune --keep 20'],
  rollup: ['rollup --target linux/1 --name release'],
  serve: ['serve', 'serve --port 7800'],
  status: ['status', 'status --json'],
  stop: ['stop'],
  sync: ['sync --now'],
  replica: ['replica --db runs.db', 'replica --db runs.db --once'],
  doctor: ['doctor', 'doctor --json', 'doctor --mark-incompletes'],
  megatest: ['megatest -run -target linux/1 -runname nightly -testpatt %', 'megatest -list-runs %'],
};

/** Gives every verb its examples. */
export function addExamples(command: Command, path: readonly string[] = []): void {
  for (const one of command.commands) {
    const words = [...path, one.name()];
    const calls = EXAMPLES[words.join(' ')] ?? [];
    if (calls.length > 0) one.addHelpText('after', examplesText(calls));
    addExamples(one, words);
  }
}

function examplesText(calls: readonly string[]): string {
  return `\nExamples:\n${calls.map((call) => `  tidelock runs ${call}\n`).join('')}`;
}
