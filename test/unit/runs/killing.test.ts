import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { Killing } from '../../../src/runs/processes/killing.ts';
import { readStat } from '../../../src/runs/processes/process-group.ts';
import { type Members, ProcessLook } from '../../../src/runs/processes/processes.ts';

const VARIABLE = 'TIDELOCK_KILLING_TEST';

class CountingLook extends ProcessLook {
  looks = 0;

  override members(members: Members) {
    this.looks += 1;
    return super.members(members);
  }
}

/** A process that is deaf to TERM and carries the token; it says so when it is ready. */
async function deaf(token: string): Promise<number> {
  const env = { PATH: process.env.PATH ?? '', [VARIABLE]: token };
  const script = "trap '' TERM; echo ready; while :; do read -r line || exit 0; done";
  const child = spawn('sh', ['-c', script], { env, stdio: ['pipe', 'pipe', 'ignore'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

const token = (): string => `${process.pid}.${Math.random()}`;

test('processes are found by what they carry, however many ask in one turn, and a new look sees new ones', async () => {
  const look = new ProcessLook(VARIABLE);
  const mine = { groups: new Set<number>(), token: token() };
  expect(look.members(mine)).toEqual([]);
  const pid = await deaf(mine.token);
  expect(look.members(mine)).toEqual([]); // as it was at the first look
  look.forget();
  expect(look.members(mine).map((stat) => stat.pid)).toEqual([pid]);
  expect(look.members({ ...mine, token: `${mine.token}x` })).toEqual([]);
  expect(look.use().size).toBeGreaterThan(0);
});

test('who is deaf is looked at ever more rarely, and killed after five seconds', async () => {
  const look = new CountingLook(VARIABLE);
  const members = { groups: new Set<number>(), token: token() };
  const pid = await deaf(members.token);
  const killing = new Killing('test', 0, look);
  const turn = (now: number): boolean => {
    look.forget();
    return killing.press(members, now);
  };
  for (let now = 0; now < 5000; now += 50) expect(turn(now)).toBe(false);
  expect(look.looks).toBeLessThan(20);
  expect(readStat(pid)?.state).not.toBe('Z');
  turn(5000);
  await expect.poll(() => ['Z', 'X'].includes(readStat(pid)?.state ?? 'X')).toBe(true);
  killing.lookSoon();
  expect(turn(5050)).toBe(true);
});
