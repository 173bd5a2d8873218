import { expect, test } from 'vitest';
import { hasCode } from '../../../src/core/errors.ts';
import { LineSplitter } from '../../../src/protocol/lines.ts';

const encoder = new TextEncoder();
const STREAM = '{"type":"a","v":"é😀"}\n{"type":"b","v":-0}\n\n{"type":"c","v":[1,"x\\ny"]}\n';

test('a stream cut at any byte gives the same messages', () => {
  const bytes = encoder.encode(STREAM);
  const whole = new LineSplitter().push(bytes);
  expect(whole.map((line) => line.type)).toEqual(['a', 'b', 'c']);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const splitter = new LineSplitter();
    const lines = [...splitter.push(bytes.subarray(0, cut)), ...splitter.push(bytes.subarray(cut))];
    expect(lines).toEqual(whole);
    expect(splitter.isInsideLine).toBe(false);
  }
});

test('one byte at a time gives the same messages', () => {
  const splitter = new LineSplitter();
  const lines = [...encoder.encode(STREAM)].flatMap((byte) => [
    ...splitter.push(Uint8Array.of(byte)),
  ]);
  expect(lines).toEqual(new LineSplitter().push(encoder.encode(STREAM)));
});

test.each([
  ['cut JSON', '{"type":"a"\n'],
  ['an array', '[1,2]\n'],
  ['null', 'null\n'],
  ['a message without type', '{"kind":"a"}\n'],
  ['a type that is no text', '{"type":1}\n'],
  ['HTML', '<html>502 Bad Gateway</html>\n'],
  ['two halves that would make one message', '{"type":"a"\n"b":1}\n'],
])('%s is refused as PROTOCOL with the line in the message', (_name, text) => {
  const push = (): unknown => new LineSplitter().push(encoder.encode(text));
  expect(push).toThrow(expect.objectContaining({ code: 'PROTOCOL' }));
  expect(push).toThrow(text.slice(0, 4));
});

test('bytes that are not UTF-8 are refused', () => {
  const bytes = Uint8Array.of(0x7b, 0xff, 0xfe, 0x0a);
  expect(() => new LineSplitter().push(bytes)).toThrow('not UTF-8');
});

test('a line beyond the limit is refused before it is complete', () => {
  const splitter = new LineSplitter(1000);
  splitter.push(encoder.encode(`{"type":"${'x'.repeat(900)}`));
  try {
    splitter.push(encoder.encode('x'.repeat(200)));
    expect.unreachable();
  } catch (error) {
    expect(hasCode(error, 'PROTOCOL')).toBe(true);
  }
});
