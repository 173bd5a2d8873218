import { describe, expect, test } from 'vitest';
import { sinceOption } from '../../../src/cli/options.ts';
import { changesOf, deltaText } from '../../../src/cli/runs/env.ts';
import { homeWords } from '../../../src/cli/runs/home.ts';
import { megatestWords } from '../../../src/cli/runs/megatest-words.ts';

describe("Megatest's words", () => {
  test.each([
    ['-run -target a/b -runname r -testpatt t/%', 'run --target a/b --name r --pattern t/%'],
    [
      '-runtests t1,t2 -reqtarg a/b :runname r',
      'run --target a/b --reqtarg --name r --pattern t1,t2',
    ],
    [
      '-run -target a -runname r -preclean -setvars A=1,B=2 -run-wait -m hello -rerun FAIL,ABORT',
      'run --target a --name r --set-var A=1 --set-var B=2 --preclean --rerun FAIL,ABORT --comment hello',
    ],
    ['-run -rerun-clean -target a -runname r', 'run --target a --name r --clean'],
    ['-remove-runs -target a -runname r -testpatt %', 'rm --target a --name r --pattern %'],
    [
      '-set-state-status COMPLETED,PASS -state KILLED -target a -runname r -testpatt t',
      'set COMPLETED/PASS --target a --name r --state KILLED --pattern t',
    ],
    [
      '-list-runs w% -since 1700000000 -dumpmode json',
      'ls --name w% --tests --since 1700000000 --format json',
    ],
    ['-show-runconfig -target a', 'config show --origin --target a'],
    ['-archive save-remove -target a -runname r', 'archive save-remove --target a --name r'],
    ['-envdelta before-after', 'env delta before after'],
    ['-kill-servers -start-dir /area', 'stop --area /area'],
  ])('%s', (old, now) => {
    expect(megatestWords(old.split(' ')).join(' ')).toBe(now);
  });

  test.each([
    ['-repl', '-repl has no equivalent here'],
    ['-target a', '-target a says not what to do'],
    ['-run -target', '-target needs a value'],
    ['-list-runs % -dumpmode sexpr', '-dumpmode sexpr has no equivalent'],
    ['run', 'run has no equivalent'],
  ])('%s is refused', (old, message) => {
    expect(() => megatestWords(old.split(' '))).toThrow(message);
  });
});

test('what changed in an environment can be read back by each shell', () => {
  const changes = changesOf({ A: '1', GONE: 'x', SHLVL: '1' }, { A: "it's", NEW: 'n', SHLVL: '2' });
  expect(deltaText(changes, 'text').split('\n')).toEqual([
    "~ A=it's (was 1)",
    '- GONE=x',
    '+ NEW=n',
  ]);
  expect(deltaText(changes, 'sh').split('\n')).toEqual([
    ...["export A='it'\\''s'", 'unset GONE', "export NEW='n'"],
  ]);
  expect(deltaText(changes, 'csh')).toContain('unsetenv GONE');
  expect(JSON.parse(deltaText(changes, 'json'))).toHaveLength(3);
});

test('a time is so long ago, a date, or seconds since 1970', () => {
  const since = sinceOption('2h');
  expect(Date.now() - since).toBeGreaterThanOrEqual(7_200_000);
  expect(sinceOption('2026-11-22')).toBe(Date.UTC(2026, 10, 22));
  expect(sinceOption('1700000000')).toBe(1_700_000_000_000);
  for (const text of ['yesterday', '3x', '']) expect(() => sinceOption(text)).toThrow('is needed');
});

test('a command that is shown has no password', () => {
  const durable = 'postgres://ann:secret@host/db';
  expect(homeWords({ area: 'x', durable, hostId: 'h' }).join(' ')).toBe(
    '--area x --durable postgres://ann@host/db --host-id h',
  );
});
