/** The window that a page has on a log: exact places and numbers, and never more than its limits. */
import { expect, test } from 'vitest';
import { LogReader, type LogSource } from '../../../src/dashboard/runs/log-reader.ts';
import {
  LINES_MAX,
  type LogWindow,
  lineAt,
  numbersOf,
  WINDOW_BYTES_MAX,
} from '../../../src/dashboard/runs/log-window.ts';

/** A log in memory, read as the server gives it; counts what was asked for. */
class Log implements LogSource {
  text: Buffer;
  asked = 0;

  constructor(text: string) {
    this.text = Buffer.from(text);
  }

  read: LogSource['read'] = async (from, bytes) => {
    this.asked += 1;
    const { length: size } = this.text;
    const start = Math.min(from ?? Math.max(0, size - bytes), size);
    return { body: this.text.subarray(start, start + bytes), from: start, size };
  };

  /** In small steps: an answer is a part of the way. */
  place: LogSource['place'] = async (from, wanted) => {
    let { byte, line } = from;
    for (let steps = 0; steps < 5000; steps += 1) {
      if ('line' in wanted ? line >= wanted.line : byte >= wanted.byte)
        return { byte, line, isThere: true };
      const next = this.text.indexOf(10, byte);
      if (next < 0) return { byte: this.text.length, line, isThere: true };
      if ('byte' in wanted && next >= wanted.byte)
        return { byte: wanted.byte, line, isThere: true };
      byte = next + 1;
      line += 1;
    }
    return { byte, line, isThere: false };
  };
}

const lines = (count: number, of: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => `${of(n)}\n`).join('');

/** What the window says is what the file says, and it is within its limits. */
function requireRight({ text }: Log, window: LogWindow): void {
  const { from, to, rest, lines: shown, first } = window;
  const joined = shown.map((line, at) => (at > 0 && !line.isPart ? '\n' : '') + line.text).join('');
  const expected = text.subarray(from, to).toString();
  // Compared as a statement: what differs would fill many screens.
  expect(joined === (window.endsInside ? expected : expected.replace(/\n$/, ''))).toBe(true);
  if (rest !== null) expect(rest.text === text.subarray(to).toString()).toBe(true);
  expect(shown.length).toBeLessThanOrEqual(LINES_MAX);
  expect((shown.at(-1)?.byte ?? from) - from).toBeLessThanOrEqual(WINDOW_BYTES_MAX);
  if (first === null) return;
  for (const [at, number] of numbersOf(window).entries()) {
    const byte = shown[at]?.byte ?? 0;
    if (number !== null && at % 50 === 0)
      expect(number).toBe(text.subarray(0, byte).toString('latin1').split('\n').length);
  }
}

function readerOf(log: Log): LogReader {
  return new LogReader(log, () => undefined);
}

test('the end is shown first, and its lines are numbered when they are counted', async () => {
  const log = new Log(lines(60_000, (n) => `line ${n} ${'é'.repeat(n % 20)}`));
  const reader = readerOf(log);
  await reader.toEnd();
  expect(reader.window.lines.at(-1)?.text).toMatch(/^line 59999 /);
  expect(reader.window.first).toBeNull();
  requireRight(log, reader.window);
  await reader.count();
  expect(numbersOf(reader.window).at(-1)).toBe(60_000);
  requireRight(log, reader.window);
});

test('a window moves through a log of any size, and stays small', async () => {
  const log = new Log(lines(40_000, (n) => `${n} ${'x'.repeat(n % 97)}`));
  const reader = readerOf(log);
  await reader.toLine(20_000);
  expect(lineAt(reader.window, reader.window.from)).not.toBeNull();
  for (let moves = 0; moves < 30; moves += 1) {
    await (moves < 20 ? reader.earlier() : reader.later());
    requireRight(log, reader.window);
  }
  await reader.toByte(0);
  await reader.earlier();
  expect(reader.window.first).toBe(1);
  for (let moves = 0; moves < 60; moves += 1) await reader.later();
  requireRight(log, reader.window);
  expect(numbersOf(reader.window).at(-1)).toBe(40_000);
});

test('a line is found by its number, and by any byte of it', async () => {
  const log = new Log(lines(30_000, (n) => `${n}`));
  const reader = readerOf(log);
  const byte = await reader.toLine(12_346);
  expect(lineAt(reader.window, byte)?.text).toBe('12345');
  requireRight(log, reader.window);
  expect(await reader.toByte(byte + 3)).toBe(byte);
  await reader.toLine(999_999);
  expect(reader.window.to).toBe(log.text.length);
});

test('what is added is followed, also a line that is written in parts', async () => {
  const log = new Log('one\ntw');
  const reader = readerOf(log);
  await reader.toEnd();
  expect(reader.window.rest).toMatchObject({ byte: 4, text: 'tw' });
  log.text = Buffer.from('one\ntwo\nthree\nfo');
  await reader.follow();
  expect(reader.window.lines.map(({ text }) => text)).toEqual(['one', 'two', 'three']);
  expect(reader.window.rest?.text).toBe('fo');
  const { window } = reader;
  await reader.follow();
  expect(reader.window).toBe(window);
  log.text = Buffer.from('anew\n');
  await reader.follow();
  expect(reader.window.lines.map(({ text }) => text)).toEqual(['anew']);
});

test('a log that grows faster than it is read is followed at its end', async () => {
  const log = new Log('first\n');
  const reader = readerOf(log);
  await reader.toEnd();
  log.text = Buffer.from(lines(100_000, (n) => `line ${n}`));
  log.asked = 0;
  await reader.follow();
  expect(log.asked).toBe(2);
  expect(reader.window.lines.at(-1)?.text).toBe('line 99999');
  requireRight(log, reader.window);
});

test('a line of megabytes is shown in parts, and whole characters stay whole', async () => {
  const log = new Log(`a\n${'€'.repeat(500_000)}\nb\n`);
  const reader = readerOf(log);
  await reader.toLine(2);
  expect(reader.window.lines.every(({ text }) => !text.includes('\ufffd'))).toBe(true);
  expect(reader.window.lines.every(({ text }) => text.length < 10_000)).toBe(true);
  for (let moves = 0; moves < 20; moves += 1) {
    await reader.later();
    requireRight(log, reader.window);
  }
  await reader.toLine(3);
  expect(lineAt(reader.window, log.text.length - 2)?.text).toBe('b');
  for (let moves = 0; moves < 20; moves += 1) {
    await reader.earlier();
    requireRight(log, reader.window);
  }
  expect(reader.window.from).toBe(0);
});

test('of two jumps the later one counts', async () => {
  const log = new Log(lines(20_000, (n) => `${n}`));
  const reader = readerOf(log);
  await Promise.all([reader.toEnd(), reader.toLine(5)]);
  expect(reader.window.lines[0]?.text).toBe('0');
});
