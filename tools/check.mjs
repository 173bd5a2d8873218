#!/usr/bin/env node
/**
 * `npm test`: every check as a named step, one line each. A failing step says in one line each what failed,
 * then shows its output without what passed; the others still run. At the end what failed is said again. The
 * last line is `N passed, N failed`: tests, and one for each other step. The lines before it name the steps that cannot run here.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ensureBrowser } from './browser.mjs';
import { endTree } from './process-tree.mjs';
import { runningTests } from './running-tests.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = join(root, 'node_modules', '.bin');
const reports = mkdtempSync(join(tmpdir(), 'tidelock-check-'));
/** The running step: whatever ends this process ends all of it. */
let running = null;
process.on('exit', () => {
  if (running !== null) endTree(running);
  rmSync(reports, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A test that computes for ever cannot be stopped by vitest; the step is, with all that it has started. */
const STEP_MAX_MS = 15 * 60_000;
/** Of the tests that ran then. */
const RUNNING_MAX = 10;
/** Files that take longer are named, the slowest first, so many at most. */
const SLOW_MS = 10_000;
const SLOW_FILES_MAX = 10;
const LINE_CHARS_MAX = 300;
/** An error outside of any test, as vitest prints it: a title between rules, then the message. */
const UNHANDLED = /⎯ Unhandled (?!Errors)[A-Z]\w+ ⎯+\n(.*)/g;

const STEPS = [
  { name: 'typecheck', command: ['tsc', '--pretty', 'false'] },
  { name: 'typecheck-web', command: ['tsc', '--pretty', 'false', '-p', 'src/dashboard'] },
  { name: 'typecheck-page', command: ['tsc', '--pretty', 'false', '-p', 'test/browser'] },
  { name: 'lint', command: ['biome', 'ci', '--colors=off', '--error-on-warnings'] },
  { name: 'dead-code', command: ['knip', '--no-progress', '--no-config-hints'] },
  testStep('unit'),
  testStep('integration'),
  { ...testStep('browser'), missing: missingBrowser },
];

/** Why the browser tests cannot run here, or null. */
async function missingBrowser() {
  const browser = await ensureBrowser((text) => process.stdout.write(`      ${text}\n`));
  return 'missing' in browser ? browser.missing : null;
}

const USAGE = `usage: npm test [-- --only STEP[,STEP...]]
steps: ${STEPS.map((step) => step.name).join(', ')}
`;

function testStep(project) {
  const report = join(reports, `${project}.json`);
  const reporters = ['default', 'json', join(root, 'tools', 'running-tests.mjs')];
  const options = [
    ...['--silent=passed-only', `--outputFile.json=${report}`],
    ...reporters.map((reporter) => `--reporter=${reporter}`),
  ];
  return { name: project, report, command: ['vitest', 'run', '--project', project, ...options] };
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
function run({ name, command: [tool, ...rest] }) {
  const file = join(reports, `${name}.running`);
  const path = bin + delimiter + process.env.PATH;
  const env = { ...process.env, PATH: path, NO_COLOR: '1', TIDELOCK_RUNNING: file };
  delete env.FORCE_COLOR;
  const child = spawn(join(bin, tool), rest, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  running = child.pid ?? null;
  const limit = setTimeout(() => {
    output = `not finished after ${STEP_MAX_MS / 60_000} minutes${whatRan(file)}\n${output}`;
    if (child.pid !== undefined) endTree(child.pid);
  }, STEP_MAX_MS);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ isPassed: false, output: error.message }));
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      running = null;
      if (signal !== null) output = `ended by ${signal}; ${output}`;
      resolve({ isPassed: code === 0, output });
    });
  });
}

function whatRan(file) {
  const tests = runningTests(file).slice(0, RUNNING_MAX);
  return tests.length === 0 ? '' : `; running: ${tests.join('; ')}`;
}

/** What a step has to say: how many passed, a line for each failure, and the slowest files. */
function outcomeOf({ name, report }, { isPassed, output }) {
  if (report === undefined || !existsSync(report)) {
    const failures = isPassed && report === undefined ? [] : [`${name}: ${firstLine(output)}`];
    return { passed: failures.length === 0 ? 1 : 0, failures, slow: '', output };
  }
  const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const failures = testResults.flatMap(failuresOf);
  // The report knows nothing of a leak or of a failed global setup.
  for (const [, text] of output.matchAll(UNHANDLED)) failures.push(`${name}: ${text}`);
  if (!isPassed && failures.length === 0) failures.push(`${name}: ${firstLine(output)}`);
  return { passed: numPassedTests, failures, slow: slowest(testResults), output: rest(output) };
}

/** One line for each failed test of a file, or one for the file: an import, a hook, a worker that died. */
function failuresOf({ name, status, message, assertionResults }) {
  const file = relative(root, name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length === 0 && status !== 'failed') return [];
  if (failed.length === 0) return [`${file}: ${firstLine(message || 'it did not finish')}`];
  return failed.map(({ fullName, failureMessages: [text = ''] }) => {
    return `${file} > ${fullName}: ${firstLine(text)}`;
  });
}

function slowest(files) {
  return files
    .map(({ name, startTime, endTime }) => ({ name, ms: endTime - startTime }))
    .filter(({ ms }) => ms > SLOW_MS)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, SLOW_FILES_MAX)
    .map(({ name, ms }) => `${basename(name, '.test.ts')} ${Math.round(ms / 1000)} s`)
    .join(', ');
}

function firstLine(text) {
  return (text.split('\n').find((line) => line.trim() !== '') ?? '')
    .trim()
    .slice(0, LINE_CHARS_MAX);
}

/** The output without the tests and files that passed. */
function rest(output) {
  const lines = output.split('\n').filter((line) => !/^\s*✓ /.test(line));
  return lines.join('\n').trim();
}

async function runStep(step) {
  const missing = (await step.missing?.()) ?? null;
  if (missing !== null) {
    process.stdout.write(`SKIP  ${step.name.padEnd(14)} ${missing}\n`);
    return { passed: 0, failures: [], skipped: `skipped: ${step.name}: ${missing}\n` };
  }
  const startMs = Date.now();
  const outcome = outcomeOf(step, await run(step));
  const { passed, failures, slow, output } = outcome;
  const seconds = `${((Date.now() - startMs) / 1000).toFixed(1)} s`;
  const tests = step.report ? `${passed} passed, ${failures.length} failed` : '';
  const word = failures.length === 0 ? 'ok  ' : 'FAIL';
  const line = `${word}  ${step.name.padEnd(14)} ${seconds.padStart(7)}  ${tests}`;
  process.stdout.write(`${line.trimEnd()}\n`);
  if (slow !== '') process.stdout.write(`      ${slow}\n`);
  if (failures.length > 0) process.stdout.write(`${listed(failures)}\n${output.trim()}\n\n`);
  return outcome;
}

function listed(failures) {
  return failures.map((failure) => `  - ${failure}\n`).join('');
}

let passed = 0;
let skipped = '';
const failures = [];
for (const step of chosenSteps()) {
  const outcome = await runStep(step);
  passed += outcome.passed;
  skipped += outcome.skipped ?? '';
  failures.push(...outcome.failures);
}
const ending = `${passed} passed, ${failures.length} failed`;
process.stdout.write(`${listed(failures)}${skipped}${ending}\n`);
process.exitCode = failures.length === 0 ? 0 : 1;
