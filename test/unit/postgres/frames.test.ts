import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameSplitter } from '../../../src/postgres/frames.ts';
import { frame } from './pgoutput-messages.ts';

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  let at = 0;
  for (let index = 0; at < bytes.length; index += 1) {
    const size = sizes[index % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 20 });
const sizes = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 10 });

test('messages come whole and in order however the bytes are cut into reads', () => {
  fc.assert(
    fc.property(bodies, sizes, (texts, lengths) => {
      const got: string[] = [];
      const splitter = new FrameSplitter((type, b, start, end) => {
        got.push(`${type} ${b.toString('hex', start, end)}`);
        return undefined;
      });
      const bytes = Buffer.concat(texts.map((text) => frame('d', Buffer.from(text))));
      for (const chunk of cut(bytes, lengths)) splitter.push(chunk);
      expect(got).toEqual(texts.map((text) => `100 ${Buffer.from(text).toString('hex')}`));
    }),
  );
});

test('a promise of the sink stops the cutting until it settles, and nothing is lost', async () => {
  await fc.assert(
    fc.asyncProperty(bodies, sizes, fc.array(fc.boolean()), async (texts, lengths, waits) => {
      const got: string[] = [];
      let isSettled = true;
      const splitter = new FrameSplitter((_, b, start, end) => {
        expect(isSettled).toBe(true);
        got.push(b.toString('hex', start, end));
        if (waits[got.length] !== true) return undefined;
        isSettled = false;
        return Promise.resolve().then(() => {
          isSettled = true;
        });
      });
      const bytes = Buffer.concat(texts.map((text) => frame('d', Buffer.from(text))));
      for (const chunk of cut(bytes, lengths)) {
        let waiting = splitter.push(chunk);
        while (waiting !== undefined) {
          await waiting;
          waiting = splitter.resume();
        }
      }
      expect(got).toEqual(texts.map((text) => Buffer.from(text).toString('hex')));
    }),
  );
});

test('P26: a message that spans many reads is copied once, not once per read', () => {
  const bytes = frame('d', Buffer.alloc(8_000_000, 1));
  let seen: Buffer | null = null;
  const splitter = new FrameSplitter((_, b) => {
    seen = b;
    return undefined;
  });
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  for (const chunk of cut(bytes, [1000])) {
    splitter.push(chunk);
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  expect(seen).toHaveLength(bytes.length);
  expect(most).toBeLessThan(2 * bytes.length);
});

test.each([
  ['too short', Buffer.from([100, 0, 0, 0, 3])],
  ['beyond what Postgres can build', Buffer.from([100, 0xff, 0xff, 0xff, 0xff])],
])('a length that is %s ends the stream', (_, bytes) => {
  const splitter = new FrameSplitter(() => undefined);
  expect(() => splitter.push(bytes)).toThrowError(expect.objectContaining({ code: 'PROTOCOL' }));
});
