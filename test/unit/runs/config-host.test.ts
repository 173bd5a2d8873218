import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../../src/area/config.ts';
import type { ConfigRequest } from '../../../src/area/types.ts';
import { answerLater, answerNow, readLater, readNow } from '../../../src/runs/config-host.ts';

const folder = mkdtempSync(join(tmpdir(), 'tidelock-config-'));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, 'one'), 'text');
mkdirSync(join(folder, 'sub'));
const env = { PATH: process.env.PATH ?? '', A: 'it is "x"' };

describe('H1: now and later, the same is answered', () => {
  test.each<[string, ConfigRequest, object]>([
    ['a file', { kind: 'file', path: join(folder, 'one') }, { kind: 'text', text: 'text' }],
    ['no file', { kind: 'file', path: join(folder, 'none') }, { kind: 'text', text: null }],
    ['a folder is no file', { kind: 'file', path: folder }, { kind: 'text', text: null }],
    [
      'a real path',
      { kind: 'realPath', path: join(folder, 'sub', '..', 'one') },
      { kind: 'text', text: join(folder, 'one') },
    ],
    ['no path', { kind: 'realPath', path: join(folder, 'none') }, { kind: 'text', text: null }],
    ['a folder', { kind: 'list', path: folder }, { kind: 'names', names: ['one', 'sub'] }],
    ['no folder', { kind: 'list', path: join(folder, 'one') }, { kind: 'names', names: [] }],
    [
      'a command',
      { kind: 'shell', command: 'pwd; echo "$A" >&2', cwd: folder, env },
      { kind: 'output', stdout: `${folder}\n`, exitCode: 0 },
    ],
    [
      'one that fails',
      { kind: 'shell', command: 'echo x; exit 3', cwd: folder, env },
      { kind: 'output', stdout: 'x\n', exitCode: 3 },
    ],
    [
      'one that reads',
      { kind: 'shell', command: 'cat', cwd: folder, env },
      { kind: 'output', stdout: '', exitCode: 0 },
    ],
    [
      'a substitution',
      { kind: 'expand', text: '$(echo "$A")', env },
      { kind: 'output', stdout: 'it is "x"', exitCode: 0 },
    ],
    [
      'a default',
      { kind: 'expand', text: `\${B:-c d}`, env },
      { kind: 'output', stdout: 'c d', exitCode: 0 },
    ],
  ])('%s', async (_what, request, expected) => {
    expect(answerNow(request)).toEqual(expected);
    expect(await answerLater(request)).toEqual(expected);
  });
});

test('a configuration is read from real files, with real commands', async () => {
  const text = '[env]\nB "$A" $(echo 1)\n[s]\n[include sub/more]\nb [system printf "x\\ny"]';
  writeFileSync(join(folder, 'main'), text);
  writeFileSync(join(folder, 'sub', 'more'), 'a #{shell echo $B}\n[scriptinc say.sh 5]\n');
  writeFileSync(join(folder, 'sub', 'say.sh'), '#!/bin/sh\necho "c $1"\n');
  chmodSync(join(folder, 'sub', 'say.sh'), 0o755);
  const options = {
    ...{ path: join(folder, 'main'), home: folder, environment: env, isCompatible: false },
    exports: (section: string) => section === 'env',
  };
  const { config } = readNow(readConfig(options));
  expect(config.sections.get('s')?.entries.map(({ key, value }) => [key, value])).toEqual([
    ['a', 'it is "x" 1'],
    ['c', '5'],
    ['b', 'x y'],
  ]);
  expect((await readLater(readConfig(options))).config).toEqual(config);
});
