import { expect, test } from 'vitest';
import type { Upload } from '../../../src/core/upload.ts';
import { UploadQueue } from '../../../src/postgres/upload/queue.ts';

/** Work that goes on until it is told to end. */
class Work {
  isBegun = false;
  readonly result: Promise<void>;
  end: (error?: Error) => void = () => undefined;

  constructor(queue: UploadQueue, keys: readonly string[]) {
    this.result = queue.run(uploadOf(keys), () => {
      this.isBegun = true;
      return new Promise<void>((resolve, reject) => {
        this.end = (error) => (error === undefined ? resolve() : reject(error));
      });
    });
  }
}

function uploadOf(keys: readonly string[]): Upload {
  const changes = keys.map((key) => ['d', 'public.t', 2, [key]] as const);
  return {
    head: { site: 's', timeline: 't', position: 0, settled: 0 },
    transactions: [{ number: 1, nonce: 'n', changes }],
  } as unknown as Upload;
}

/** Everything that may run by now has run. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('uploads of different rows do not wait for one another', async () => {
  const queue = new UploadQueue();
  const works = [new Work(queue, ['a', 'b']), new Work(queue, ['c'])];
  await turn();
  expect(works.map(({ isBegun }) => isBegun)).toEqual([true, true]);
});

test('uploads that share a row go in the order in which they came', async () => {
  const queue = new UploadQueue();
  const works = [new Work(queue, ['a']), new Work(queue, ['b', 'a']), new Work(queue, ['b'])];
  await turn();
  const begun = () => works.map(({ isBegun }) => isBegun);
  expect(begun(), 'the third waits for the second, which waits').toEqual([true, false, false]);
  works[0]?.end();
  await turn();
  expect(begun()).toEqual([true, true, false]);
  works[1]?.end();
  await turn();
  expect(begun()).toEqual([true, true, true]);
});

test('an upload that fails lets the next one go', async () => {
  const queue = new UploadQueue();
  const first = new Work(queue, ['a']);
  const second = new Work(queue, ['a']);
  await turn();
  first.end(new Error('away'));
  await expect(first.result).rejects.toThrow('away');
  await turn();
  expect(second.isBegun).toBe(true);
});
