import { afterEach, describe, expect, test, vi } from 'vitest';
import { ChunkCache, endsTransaction } from '../../../src/server/framing.ts';
import { Gate } from '../../../src/server/gate.ts';
import { BAD_QUERY, negotiate, parseQuery } from '../../../src/server/input.ts';

describe('framing', () => {
  test('a frame is wrapped as one HTTP chunk, once', () => {
    const cache = new ChunkCache();
    const frame = Buffer.from('{"a":"é"}\n');
    const chunk = cache.chunkOf(frame);
    expect(chunk.toString()).toBe('b\r\n{"a":"é"}\n\r\n');
    expect(cache.chunkOf(frame)).toBe(chunk);
    expect(cache.chunkOf(Buffer.from(frame))).not.toBe(chunk);
  });

  test('an empty frame, which would end the stream, is a bug', () => {
    expect(() => new ChunkCache().chunkOf(new Uint8Array(0))).toThrow(/invariant/);
  });

  test('a frame ends a transaction when its last line is a commit', () => {
    const ends = (text: string): boolean => endsTransaction(Buffer.from(text));
    expect(ends('{"type":"insert"}\n{"type":"commit","ts":"0/1"}\n')).toBe(true);
    expect(ends('{"type":"commit","ts":"0/1"}\n')).toBe(true);
    expect(ends('{"type":"commit","ts":"0/1"}\n{"type":"insert"}\n')).toBe(false);
    expect(ends('\n')).toBe(false);
    expect(ends('{"type":"insert","row":["{\\"type\\":\\"commit\\""]}\n')).toBe(false);
  });
});

describe('a query', () => {
  test('is split into names and values, repeated names into lists', () => {
    expect({ ...parseQuery('a=1&b=x+y%20z&a=2&c&&d=') }).toEqual({
      ...{ a: ['1', '2'], b: 'x y z', c: '', d: '' },
    });
  });

  test('with broken percent-encoding is marked', () => {
    expect(parseQuery('a=%E0%A4%A')[BAD_QUERY]).toBe('a=%E0%A4%A');
    expect(parseQuery('%=1')[BAD_QUERY]).toBe('%=1');
    expect(parseQuery('a=%25')[BAD_QUERY]).toBeUndefined();
  });

  test('cannot reach the prototype of objects', () => {
    const query = parseQuery('__proto__=x&constructor=y');
    expect(Object.getPrototypeOf(query)).toBeNull();
    expect(Object.keys(query)).toEqual(['__proto__', 'constructor']);
  });
});

describe('negotiation', () => {
  const offers = ['application/vnd.sqlite3', 'application/x-ndjson'];
  test.each([
    [undefined, 0],
    ['', 0],
    ['*/*', 0],
    ['application/*', 0],
    ['application/x-ndjson', 1],
    ['APPLICATION/X-NDJSON; charset=utf-8', 1],
    ['application/vnd.sqlite3;q=0.2, application/x-ndjson;q=0.8', 1],
    ['application/x-ndjson;q=0, */*', 0],
    ['application/vnd.sqlite3;q=0, */*;q=0.1', 1],
  ])('of %s takes offer %i', (accept, index) => {
    expect(negotiate(accept, offers)).toBe(offers[index]);
  });

  test('fails when nothing fits', () => {
    expect(negotiate('text/csv', offers)).toBeNull();
    expect(negotiate('*/*;q=0', offers)).toBeNull();
  });
});

describe('a gate', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  const never = new AbortController().signal;
  const options = { name: 'jobs', runningMax: 1, queueMax: 2, queueMs: 1000 };

  test('admits in the order of arrival', async () => {
    const gate = new Gate(options);
    const leave = await gate.enter(never);
    const order: number[] = [];
    const waiting = [1, 2].map(async (n) => {
      const leaveNext = await gate.enter(never);
      order.push(n);
      leaveNext();
    });
    expect(gate.waiting).toBe(2);
    leave();
    leave();
    await Promise.all(waiting);
    expect([order, gate.running]).toEqual([[1, 2], 0]);
  });

  test('refuses those beyond the line', async () => {
    const gate = new Gate({ ...options, queueMax: 0 });
    await gate.enter(never);
    await expect(gate.enter(never)).rejects.toMatchObject({ code: 'BUSY' });
  });

  test('lets nobody wait longer than the limit', async () => {
    vi.useFakeTimers();
    const gate = new Gate(options);
    await gate.enter(never);
    const second = gate.enter(never);
    const refused = expect(second).rejects.toMatchObject({ code: 'BUSY' });
    vi.advanceTimersByTime(1000);
    await refused;
    expect(gate.waiting).toBe(0);
  });

  test('forgets those who leave the line', async () => {
    const gate = new Gate(options);
    const leave = await gate.enter(never);
    const controller = new AbortController();
    const second = gate.enter(controller.signal);
    controller.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    leave();
    expect([gate.running, gate.waiting]).toEqual([0, 0]);
  });
});
