/** Holds docs/stress.md against the code. */
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { NETWORK_FAULTS } from '../../../src/bench/proxy/fault-proxy.ts';
import { PLANT_VARIABLE } from '../../../src/bench/stress/bugs/catalog.ts';
import { ALL_BUGS, targetOf } from '../../../src/bench/stress/bugs/targets.ts';
import { STREAMS } from '../../../src/bench/stress/evidence.ts';
import { PROPERTIES } from '../../../src/bench/stress/judge/findings.ts';
import { FILES } from '../../../src/bench/twoway/evidence.ts';
import { TWOWAY_PROPERTIES } from '../../../src/bench/twoway/properties.ts';
import { register } from '../../../src/cli/stress.ts';
import { differences, read, rows, section } from './pages.ts';

const PAGE = read('docs/stress.md');

/** The first cells of a section's table, without its head. */
function cells(heading: string, columns: number): readonly string[] {
  return rows(section(PAGE, heading))
    .slice(1)
    .map((row) => row.slice(0, columns).join(' | '));
}

test('names every property with its title, and no other', () => {
  const code = Object.entries(PROPERTIES).map(([property, title]) => `${property} | ${title}`);
  expect(
    differences(
      cells('## Properties', 2).filter((row) => row.startsWith('P')),
      code,
    ),
  ).toEqual([]);
});

test('names every property of two-way runs with its title, and no other', () => {
  const code = Object.entries(TWOWAY_PROPERTIES).map(
    ([property, title]) => `${property} | ${title}`,
  );
  const stated = cells('### How two-way is judged', 2).filter((row) => /^P\d/.test(row));
  expect(differences(stated, code)).toEqual([]);
});

test('names every file of two-way evidence', () => {
  const stated = rows(section(PAGE, '### What it writes down')).map(([name = '']) => name);
  const missing = Object.values(FILES).filter((file) => !stated.join().includes(file));
  expect(missing).toEqual([]);
});

test('names every stream', () => {
  const stated = rows(section(PAGE, '## Evidence')).map(([name = '']) => name);
  const isFile = (name: string): boolean => name.endsWith('.jsonl');
  expect(differences(stated.filter(isFile), Object.values(STREAMS))).toEqual([]);
});

test('names every fault of the proxy', () => {
  const stated = rows(section(PAGE, '## Faults of the network')).map(([name = '']) => name);
  expect(differences(stated.slice(1), NETWORK_FAULTS)).toEqual([]);
});

test('names every planted bug with the property that catches it', () => {
  const code = ALL_BUGS.map((bug) => `${bug} | ${targetOf(bug).property} | ${targetOf(bug).what}`);
  expect(
    differences(
      cells('## Planted bugs', 3).filter((row) => / \| P\d/.test(row)),
      code,
    ),
  ).toEqual([]);
  expect(PAGE).toContain(`${PLANT_VARIABLE}=<bug>`);
});

test('names every command that people use', () => {
  const program = new Command();
  register(program);
  const [stress] = program.commands;
  const help = stress?.createHelp().visibleCommands(stress) ?? [];
  const code = help
    .map((command) => `stress ${command.name()}`)
    .filter((name) => !name.endsWith('help'));
  const stated = rows(section(PAGE, '## Run it')).map(([name = '']) => name);
  expect(
    differences(
      stated.filter((name) => name.startsWith('stress ')),
      code,
    ),
  ).toEqual([]);
});
