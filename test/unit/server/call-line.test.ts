import { expect, test } from 'vitest';
import { CallLine } from '../../../src/server/runs/call-line.ts';

test('calls that change something go before those that read, whatever came first', async () => {
  const line = new CallLine();
  const order: string[] = [];
  const enter = (isWrite: boolean, name: string) => line.enter(isWrite, () => order.push(name));
  await Promise.all([enter(false, 'r1'), enter(false, 'r2'), enter(true, 'w1'), enter(true, 'w2')]);
  expect(order).toEqual(['w1', 'w2', 'r1', 'r2']);
  expect(line).toMatchObject({ done: 4, waiting: 0 });
});

test('a full line refuses reads first, then writes, and takes both again when it has emptied', async () => {
  const line = new CallLine(2);
  const reads = [1, 2].map((n) => line.enter(false, () => n));
  await expect(line.enter(false, () => 3)).rejects.toMatchObject({ code: 'OVERLOADED' });
  const writes = [4, 5].map((n) => line.enter(true, () => n));
  await expect(line.enter(true, () => 6)).rejects.toMatchObject({ code: 'OVERLOADED' });
  expect(await Promise.all([...reads, ...writes])).toEqual([1, 2, 4, 5]);
  expect(await line.enter(false, () => 7)).toBe(7);
  expect(line.refused).toBe(2);
});

test('a call that fails fails alone', async () => {
  const line = new CallLine();
  const bad = line.enter(true, () => {
    throw new Error('no');
  });
  const good = line.enter(true, () => 1);
  await expect(bad).rejects.toThrow('no');
  expect(await good).toBe(1);
});
