/** `tidelock stress check` and `stress mutants` as a user runs them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { VerdictFile } from '../../src/bench/stress/evidence.ts';
import { PROOF_FILE, parseProof } from '../../src/report/proof.ts';
import { Command } from '../support/command.ts';
import { until } from '../support/stack.ts';
import { SyntheticRun } from '../unit/bench/stress/synthetic-run.ts';

const MUTANT_MS_MAX = 280_000;

function runFolder(edit?: (run: SyntheticRun) => void): string {
  const { folder, remove } = new SyntheticRun(11).write(edit);
  onTestFinished(remove);
  return folder;
}

function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tidelock-no-run-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

test('a good run is judged again: the table, the files, exit code 0', async () => {
  const folder = runFolder();
  const command = new Command(['stress', 'check', folder]);
  expect(await command.exit()).toBe(0);
  expect(command.stdout).toMatch(/P1 +no committed change is lost +pass +\d+ checked/);
  expect(command.stdout).toContain('\nPASS\n');
  for (const name of ['verdict.json', 'report.html']) {
    expect(existsSync(join(folder, name))).toBe(true);
  }
});

test('P31: a bad run fails with exit code 1, as text and as JSON', async () => {
  const folder = runFolder(({ oracle }) => void oracle.pop());
  const command = new Command(['stress', 'check', folder, '--json']);
  expect(await command.exit()).toBe(1);
  const verdict = JSON.parse(command.stdout) as VerdictFile;
  expect(verdict.verdict).toBe('FAIL');
});

test('a folder without a run is a usage error', async () => {
  const folder = emptyFolder();
  const none = new Command(['stress', 'check', folder]);
  expect(await none.exit()).toBe(2);
  expect(none.stderr).toContain('error BAD_REQUEST');
  writeFileSync(join(folder, 'run.json'), '{"format":1}');
  expect(await new Command(['stress', 'check', folder]).exit()).toBe(2);
});

test.each(['one-way', 'two-way'])(
  'a stress %s that cannot start says why, also where only JSON is wanted',
  async (which) => {
    const nobody = ['--postgres', 'postgres://127.0.0.1:1/x', '--server', 'http://127.0.0.1:1'];
    const folder = emptyFolder();
    const command = new Command(['stress', which, '--json', ...nobody, '--out', folder]);
    expect(await command.exit()).toBe(1);
    expect(command.stderr).toMatch(/^error SOURCE_DOWN: .*ECONNREFUSED/m);
    expect(command.stderr).toMatch(/^ {2}what to do: check that Postgres runs/m);
    expect(JSON.parse(command.stdout).run.end).toMatchObject({ error: { code: 'SOURCE_DOWN' } });
    const file = ['--out', join(folder, 'run.json', 'below')];
    const noFolder = new Command(['stress', which, '--json', ...nobody, ...file]);
    expect(await noFolder.exit()).toBe(2);
    expect(noFolder.stderr).toMatch(/^error BAD_REQUEST: the folder of the run cannot be made/m);
  },
);

test('a stress shows its verdict in the dashboard: a proof that can be read, and repeated', async () => {
  const folder = runFolder();
  expect(await new Command(['stress', 'check', folder]).exit()).toBe(0);
  const proof = parseProof(readFileSync(join(folder, PROOF_FILE), 'utf8'));
  expect(proof).toMatchObject({ verdict: 'PASS', seed: 1 });
  expect(proof.properties.map(({ property }) => property)).toContain('P31');
  expect(proof.command).toContain(' --seed 1');
});

test('a bug is not planted by one slip of the hand', async () => {
  const flags = ['stress', 'one-way', '--plant', 'early-heartbeat', '--out', emptyFolder()];
  const command = new Command(flags, { TIDELOCK_PLANT: '' });
  expect(await command.exit()).toBe(2);
  expect(command.stderr).toContain('only where TIDELOCK_PLANT names it, too');
});

test(
  'P31: a planted bug is caught by the property that it breaks',
  async () => {
    const flags = ['--only', 'number-as-double', '--out', emptyFolder(), '--json'];
    const command = new Command(['stress', 'mutants', ...flags]);
    await until(`it ends: ${command.stderr}`, () => !command.isAlive, MUTANT_MS_MAX);
    expect(await command.exit()).toBe(0);
    const { mutants, survivors } = JSON.parse(command.stdout) as {
      readonly mutants: readonly { readonly failed: readonly string[]; readonly witness: string }[];
      readonly survivors: readonly string[];
    };
    expect(survivors).toEqual([]);
    expect(mutants[0]?.failed).toContain('P22');
    expect(mutants[0]?.witness).toContain('but what was written is code = 46116860');
  },
  MUTANT_MS_MAX,
);
