/** Lines of logs as parts of text. */
import { expect, test } from 'vitest';
import { partsOf } from '../../../src/dashboard/runs/ansi.ts';

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
  expect(partsOf(`${ESC}[38;5;9;1mx`)).toEqual([{ text: 'x', classes: 'ink-1 bold' }]);
  expect(partsOf(`${ESC}[48;5;31;32mx`)).toEqual([{ text: 'x', classes: 'ink-2' }]);
});
