/** Lines of logs as parts of text. */
import { expect, test } from 'vitest';
import { isErrorLine, partsOf, plainOf } from '../../../src/dashboard/runs/ansi.ts';

const ESC = '\u001b';

test('colours become classes, and end where they are reset', () => {
  expect(partsOf(`a ${ESC}[1;31mred${ESC}[0m b`)).toEqual([
    { text: 'a ', classes: '' },
    { text: 'red', classes: 'ink-1 bold' },
    { text: ' b', classes: '' },
  ]);
  expect(partsOf(`${ESC}[92mgreen${ESC}[39m.`).map(({ classes }) => classes)).toEqual([
    'ink-2',
    '',
  ]);
});

test('numbers behind a colour of 256, or a true one, are no colours of their own', () => {
  expect(partsOf(`${ESC}[38;5;31mx`)).toEqual([{ text: 'x', classes: '' }]);
  expect(partsOf(`${ESC}[38;2;1;31;32mx`)).toEqual([{ text: 'x', classes: '' }]);
});

test('moves of the cursor, titles of windows and control characters are left out', () => {
  expect(plainOf(`${ESC}[2K${ESC}[1Aa${ESC}]0;title\u0007b\u0000c\u0008d`)).toBe('abcd');
  expect(plainOf('<b>&amp;</b>')).toBe('<b>&amp;</b>');
});

test('what was written over is not shown', () => {
  expect(plainOf('10 %\r50 %\r100 %')).toBe('100 %');
  expect(plainOf('windows\r')).toBe('windows');
});

test('a line says that something went wrong, whatever colour it has', () => {
  expect(isErrorLine(`${ESC}[31mERROR: no`)).toBe(true);
  expect(isErrorLine('3 tests failed')).toBe(true);
  expect(isErrorLine('onerror=1 and terrorist')).toBe(false);
});
