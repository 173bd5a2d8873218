#!/usr/bin/env node
/**
 * `npm test`: every check as a named step, one line each; a failing step shows its whole output and
 * the others still run. The last line is `N passed, N failed`: tests, and one for each other step.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const reports = mkdtempSync(join(tmpdir(), 'tidelock-check-'));
process.on('exit', () => rmSync(reports, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A test that computes for ever cannot be stopped by vitest; the step is. */
const STEP_MAX_MS = 15 * 60_000;

const STEPS = [
  { name: 'typecheck', command: ['tsc', '--pretty', 'false'] },
  { name: 'lint', command: ['biome', 'ci', '--colors=off', '--error-on-warnings'] },
  { name: 'dead-code', command: ['knip', '--no-progress', '--no-config-hints'] },
  testStep('unit'),
  testStep('integration'),
];

const USAGE = `usage: npm test [-- --only STEP[,STEP...]]
steps: ${STEPS.map((step) => step.name).join(', ')}
`;

function testStep(project) {
  const report = join(reports, `${project}.json`);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  return { name: project, report, command: ['vitest', 'run', '--project', project, ...reporters] };
}

function usageError(what) {
  process.stderr.write(`${what}\n${USAGE}`);
  process.exit(2);
}

function chosenSteps() {
  const options = { only: { type: 'string', multiple: true }, help: { type: 'boolean' } };
  let values;
  try {
    values = parseArgs({ options }).values;
  } catch (error) {
    usageError(error.message);
  }
  if (values.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const names = values.only?.flatMap((list) => list.split(','));
  const unknown = names?.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) usageError(`no such step: ${unknown}`);
  return STEPS.filter((step) => names === undefined || names.includes(step.name));
}

/** Runs a tool of node_modules, on the pinned Node whatever runs this file. */
function run([tool, ...rest]) {
  const env = { ...process.env, PATH: bin + delimiter + process.env.PATH, NO_COLOR: '1' };
  delete env.FORCE_COLOR;
  const child = spawn(join(bin, tool), rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const limit = setTimeout(() => {
    output += `\nnot finished after ${STEP_MAX_MS / 60_000} minutes`;
    child.kill('SIGKILL');
  }, STEP_MAX_MS);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ isPassed: false, output: error.message }));
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (signal !== null) output += `\nended by ${signal}`;
      resolve({ isPassed: code === 0, output });
    });
  });
}

/** Counts the tests of a step; what fails outside of any test (an import, a leak) is one more. */
function countTests(report, isPassed) {
  if (!existsSync(report)) return { passed: 0, failed: 1 };
  const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
  return { passed: numPassedTests, failed: isPassed ? 0 : Math.max(numFailedTests, 1) };
}

async function runStep(step) {
  const startMs = Date.now();
  const { isPassed, output } = await run(step.command);
  const one = { passed: isPassed ? 1 : 0, failed: isPassed ? 0 : 1 };
  const count = step.report ? countTests(step.report, isPassed) : one;
  const seconds = `${((Date.now() - startMs) / 1000).toFixed(1)} s`;
  const tests = step.report ? `${count.passed} passed, ${count.failed} failed` : '';
  const outcome = count.failed === 0 ? 'ok  ' : 'FAIL';
  const line = `${outcome}  ${step.name.padEnd(12)} ${seconds.padStart(7)}  ${tests}`;
  process.stdout.write(`${line.trimEnd()}\n`);
  if (count.failed > 0) process.stdout.write(`\n${output.trimEnd()}\n\n`);
  return count;
}

const total = { passed: 0, failed: 0 };
for (const step of chosenSteps()) {
  const count = await runStep(step);
  total.passed += count.passed;
  total.failed += count.failed;
}
process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
