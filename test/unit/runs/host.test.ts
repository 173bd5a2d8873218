import { expect, test } from 'vitest';
import {
  hostIdentity,
  isAlive,
  pidStartOf,
  requireProcesses,
} from '../../../src/runs/processes/host.ts';

const { bootId } = hostIdentity();
const SELF = { pid: process.pid, pidStart: pidStartOf(process.pid), bootId };

test('a process lives while its number, its start and the boot are its own', () => {
  expect(isAlive(SELF)).toBe(true);
  expect(isAlive({ ...SELF, pidStart: '1' })).toBe(false);
  expect(isAlive({ ...SELF, bootId: 'another' })).toBe(false);
  expect(isAlive({ pid: 2 ** 30, pidStart: '', bootId })).toBe(false);
});

test('where nobody tells which processes live, nothing of a dead one is held, and runs are refused', () => {
  expect(isAlive({ ...SELF, pidStart: '' }, '/nowhere')).toBe(false);
  expect(() => requireProcesses('/nowhere')).toThrow('does not tell which processes live');
  expect(() => requireProcesses()).not.toThrow();
});
