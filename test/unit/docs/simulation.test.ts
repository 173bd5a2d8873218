/** Holds docs/simulation.md against the code. */
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { register } from '../../../src/cli/sim.ts';
import { checkInvariants, read, TEST_FILES } from './pages.ts';

const PAGE = read('docs/simulation.md');

test('every rule names tests that exist, in order', () => {
  expect(checkInvariants(PAGE, TEST_FILES)).toEqual([]);
  expect(PAGE.match(/^\*\*S\d+\*\*/gm)?.length).toBe(8);
});

test('has every option of the command, and no other', () => {
  const program = new Command();
  register(program);
  const [sim] = program.commands;
  const commands = [sim, ...(sim?.commands ?? [])];
  const code = commands.flatMap((command) => command?.options.map(({ flags }) => flags) ?? []);
  const stated = [...PAGE.matchAll(/^\| `(--[^`]+)` \|/gm)].map(([, flags = '']) => flags);
  expect(new Set(stated)).toEqual(new Set(code));
});
