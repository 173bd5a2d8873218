/** `tidelock stress two-way` as a user runs it: short runs, judged by what they left behind. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, inject, onTestFinished, test } from 'vitest';
import type { TwowayRun, TwowayVerdict } from '../../src/bench/twoway/evidence.ts';
import { Command } from '../support/command.ts';
import { Stack, until } from '../support/stack.ts';

const RUN_MS_MAX = 150_000;

let dir = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tidelock-two-way-'));
});

afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

type Result = { readonly run: TwowayRun; readonly verdict: TwowayVerdict };

async function exitOf(command: Command): Promise<number | string | null> {
  await until(`it ends: ${command.stderr}`, () => !command.isAlive, RUN_MS_MAX);
  return command.exit();
}

test(
  'P11, P15, P16, P19: databases of two users that are killed and cut off end equal to what Postgres shows each',
  async () => {
    const folder = join(dir, 'run');
    const command = new Command([
      ...['stress', 'two-way', '--rows', '20', '--iterations', '3', '--databases', '4', '--rls'],
      ...['--faults', 'harsh', '--seed', '5', '--out', folder, '--cleanup', '--json'],
    ]);
    const code = await exitOf(command);
    const { verdict, run } = JSON.parse(command.stdout) as Result;
    expect(verdict.properties.filter((one) => one.verdict === 'fail')).toEqual([]);
    expect(code).toBe(0);
    expect(verdict.perDatabase.map(({ isEqual }) => isEqual)).toEqual([true, true, true, true]);
    const exercised = verdict.properties.filter((one) => one.verdict === 'pass');
    expect(exercised.map(({ property }) => property)).toEqual(
      expect.arrayContaining(['P1', 'P8', 'P9', 'P11', 'P15', 'P16', 'P19', 'P28']),
    );
    expect(run.end.finished.toSorted()).toEqual([1, 2, 3, 4]);
    const log = readFileSync(join(folder, 'logs', 'db1.log'), 'utf8');
    expect(log).toMatch(/^\[DB1\]\[iter 1\] inserted, count=\d+$/m);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toContain('total sync operations');
    expect(existsSync(join(folder, 'databases'))).toBe(false);
    const again = new Command(['stress', 'check', folder, '--json']);
    expect(await again.exit()).toBe(0);
    expect(JSON.parse(again.stdout)).toEqual(verdict);
  },
  RUN_MS_MAX,
);

test(
  'somebody else’s server and database are used as they are, also without tokens',
  async () => {
    const stack = await Stack.prepare({
      ...{ postgresUrl: inject('postgresUrl'), schema: 'SELECT', tables: {} },
    });
    onTestFinished(() => stack.close());
    await stack.start();
    const command = new Command([
      ...['stress', 'two-way', '--rows', '5', '--iterations', '1', '--out', join(dir, 'given')],
      ...['--server', stack.server, '--postgres', stack.url, '--json'],
    ]);
    const code = await exitOf(command);
    const { verdict, run } = JSON.parse(command.stdout) as Result;
    expect(verdict.properties.filter((one) => one.verdict === 'fail')).toEqual([]);
    expect([code, run.options.stack]).toEqual([0, 'given']);
  },
  RUN_MS_MAX,
);

test(
  'P31: a schema without a text key ends the run with the reason, and exit code 1',
  async () => {
    const folder = join(dir, 'run');
    const command = new Command([
      ...['stress', 'two-way', '--schema', 'test/support/integer-key.sql', '--out', folder],
    ]);
    expect(await exitOf(command)).toBe(1);
    expect(command.stdout).toContain('has no primary key of one text column');
  },
  RUN_MS_MAX,
);
