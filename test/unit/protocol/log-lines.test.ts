/** Lines of logs as plain text, what in them says that something went wrong, and where rules point. */
import { expect, test } from 'vitest';
import { isErrorLine, namedLine, plainLine } from '../../../src/protocol/log-lines.ts';

const ESC = '\u001b';

test('moves of the cursor, titles of windows and control characters are left out', () => {
  expect(plainLine(`${ESC}[2K${ESC}[1Aa${ESC}]0;title\u0007b\u0000c\u0008d`)).toBe('abcd');
  expect(plainLine('<b>&amp;</b>')).toBe('<b>&amp;</b>');
});

test('what was written over is not shown', () => {
  expect(plainLine('10 %\r50 %\r100 %')).toBe('100 %');
  expect(plainLine('windows\r')).toBe('windows');
});

test('a line says that something went wrong, whatever colour it has', () => {
  expect(isErrorLine(`${ESC}[31mERROR: no`)).toBe(true);
  expect(isErrorLine('3 tests failed')).toBe(true);
  expect(isErrorLine('onerror=1 and terrorist')).toBe(false);
});

test('the line that a rule has named is found, whatever the line itself says', () => {
  const named = 'show: error "a; line 7: b": 1 line, wanted = 0; line 12: done; line 99: x';
  expect(namedLine(named)).toBe(12);
  expect(namedLine('value "ms" is not 5 (0.1); line 3: 9 ms')).toBe(3);
  expect(namedLine('required "end": 0 lines, wanted > 0')).toBeNull();
  expect(namedLine('the script says; line 3: no')).toBeNull();
});
