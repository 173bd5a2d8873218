/** Flow control of a sender. */
import { expect, test } from 'vitest';
import { isFull, newWindow, seen, sent } from '../../../../src/bench/stress/window.ts';

test('a window is full when so many groups are not acknowledged', () => {
  let window = newWindow(2);
  window = sent(window, 1, ['a']);
  expect(isFull(window)).toBe(false);
  window = sent(window, 2, ['a']);
  expect(isFull(window)).toBe(true);
});

test('a group is acknowledged when every receiver has told its end', () => {
  let window = sent(newWindow(1), 1, ['a', 'b']);
  window = seen(window, 1, 'a');
  expect(isFull(window)).toBe(true);
  window = seen(window, 1, 'b');
  expect(isFull(window)).toBe(false);
});

test('what a receiver tells again, or nobody waits for, changes nothing', () => {
  const window = sent(newWindow(1), 1, ['a', 'b']);
  const once = seen(window, 1, 'a');
  expect(seen(once, 1, 'a')).toBe(once);
  expect(seen(once, 2, 'a')).toBe(once);
  expect(seen(once, 1, 'c')).toBe(once);
});

test('a group that no receiver will see is not waited for', () => {
  expect(isFull(sent(newWindow(1), 1, []))).toBe(false);
});
